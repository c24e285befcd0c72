"""websocket-client receiving texts of 64 KiB, in mixed languages, from another process.

Three ways of running the same library, in one process and in interleaved rounds: as it is, with
wsaccel (where that is installed), and on wsfast. Each way is checked before it is timed; the ratios
are of medians.

    python bench/bench_websocket_client.py
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType

from wsfast import Opcode, serialize_frame
from wsfast.integrations import websocket_client

SIZE = 64 * 1024
ROUNDS = 7
LANGUAGES = (
    "The quick brown fox jumps over the lazy dog. "
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "
    "Съешь же ещё этих мягких французских булок, да выпей чаю. "
    "いろはにほへと ちりぬるを わかよたれそ つねならむ "
    "敏捷的棕色狐狸跳過懶狗。 "
    "🦊🐶 "
)


def text_of(size: int) -> str:
    """Make a text of mixed languages that takes ``size`` bytes."""
    many = LANGUAGES * (size // len(LANGUAGES) + 1)
    text = many.encode()[:size].decode(errors="ignore")
    return text + "." * (size - len(text.encode()))


def ratios() -> dict[str, float]:
    """Measure how many times faster wsfast makes the library."""
    medians = {way: statistics.median(times) for way, times in measure().items()}
    patched = medians.pop("wsfast")
    return {
        f"websocket-client, 64 KiB texts: wsfast against {way}": time / patched
        for way, time in medians.items()
    }


def measure() -> dict[str, list[float]]:
    """Time one message, in seconds, for each way and round."""
    plain = load(wsaccel=False)
    with_wsaccel = load(wsaccel=True) if find_spec("wsaccel") else None
    use(plain)
    text = text_of(SIZE)
    ways: dict[str, tuple[ModuleType, int]] = {"plain": (plain, 5), "wsfast": (plain, 300)}
    if with_wsaccel:
        ways["wsaccel"] = with_wsaccel, 100
    times: dict[str, list[float]] = {way: [] for way in ways}
    with Flood() as flood:
        for _ in range(ROUNDS):
            for way, (library, count) in ways.items():
                if way == "wsfast":
                    assert websocket_client.patch()
                connection = library.create_connection(flood.url)
                assert connection.recv() == text
                times[way].append(time_of(connection.recv, count))
                connection.shutdown()
                websocket_client.unpatch()
    return times


def time_of(receive: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        receive()
    return (time.perf_counter() - start) / count


def load(*, wsaccel: bool) -> ModuleType:
    """Import websocket-client once more, with or without wsaccel for it to find."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("websocket", "wsaccel")]:
        del sys.modules[name]
    if not wsaccel:
        sys.modules["wsaccel"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("websocket")
    finally:
        if not wsaccel:
            del sys.modules["wsaccel"]


def use(library: ModuleType) -> None:
    """Make this the ``websocket`` that a patch finds."""
    name = library.__name__
    parts = {key: part for key, part in vars(library).items() if isinstance(part, ModuleType)}
    sys.modules[name] = library
    sys.modules.update(
        {part.__name__: part for part in parts.values() if part.__name__.startswith(name + ".")}
    )


class Flood:
    """A server in another process, on another core, that sends text as fast as it is read."""

    def __enter__(self) -> Flood:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "flood"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = f"ws://127.0.0.1:{int(self._process.stdout.readline())}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


def flood() -> None:
    """Serve one client after the other: shake hands, then send until it leaves."""
    pin(-1)
    frames = serialize_frame(Opcode.TEXT, text_of(SIZE)) * 4
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                shake_hands(client)
                try:
                    while True:
                        client.sendall(frames)
                except OSError:
                    continue


def shake_hands(client: socket.socket) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(4096)
    key = next(
        line.split(b":", 1)[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def pin(index: int) -> None:
    """Keep this process on one of the cores that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[index]})


def main() -> None:
    """Print the ratios."""
    pin(0)
    for name, ratio in ratios().items():
        print(f"{name}: {ratio:.1f}x")


if __name__ == "__main__":
    if sys.argv[1:] == ["flood"]:
        flood()
    else:
        main()
