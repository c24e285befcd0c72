"""Programs that know nothing of wsfast, as they are and on wsfast: demo.py

The programs stand beside this file: a client of websocket-client, echo servers of websockets and of
an ASGI application on uvicorn, and what they talk to. Each is run twice, in turns, several times
over:

    python PROGRAM                              plain
    python -m wsfast run -- PROGRAM             with wsfast
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import wsfast

HERE = Path(__file__).parent
PLAIN = (sys.executable,)
WITH_WSFAST = (sys.executable, "-m", "wsfast", "run", "--")
WAYS = {PLAIN: 50, WITH_WSFAST: 1_000}  # and how many texts the client receives
LINE = "{:<52}{:>12}{:>14}{:>11}"

MIXED = "The quick brown fox. Zwölf Boxkämpfer jagen Viktor. Съешь же ещё булок. いろはにほへと。"
LONG = (MIXED * 560).encode()
SHORT = (MIXED * 2).encode()[:100].decode(errors="ignore").encode()
KEY = bytes.fromhex("37fa213d")


def main() -> None:
    print(f"wsfast {wsfast.__version__} ({wsfast.backend}, {wsfast.kernel})\n")
    print(LINE.format("time of a message", "plain", "with wsfast", "speed-up"))
    helped = " (has wsaccel)" if find_spec("wsaccel") else ""
    show(f"websocket-client{helped} receives 64 KiB of text", receive())
    for library, program in ("websockets", "echo_server.py"), ("uvicorn", "asgi_server.py"):
        show(f"{library} echoes 64 KiB of text", echo(program, LONG, 1))
        show(f"{library} echoes 100 bytes of text, 32 in flight", echo(program, SHORT, 32))


def show(what, times):
    """Print the medians of times taken in turns: plain, and with wsfast."""
    plain, patched = map(statistics.median, zip(*times, strict=True))
    print(LINE.format(what, duration(plain), duration(patched), f"{plain / patched:.1f}x"))


def receive(rounds=5):
    """Run the client again and again, and let it say how long a text took."""
    with server(PLAIN, "text_server.py") as port:
        for _ in range(rounds):
            yield [receive_texts(port, how, count) for how, count in WAYS.items()]


def receive_texts(port, how, count):
    command = [*how, HERE / "text_client.py", str(port), str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def echo(program, payload, in_flight, rounds=25):
    """Run both servers, and time one after the other under load."""
    sent = wsfast.serialize_frame(wsfast.Opcode.TEXT, payload, key=KEY) * in_flight
    back = wsfast.serialize_frame(wsfast.Opcode.TEXT, payload) * in_flight
    with ExitStack() as stack:
        ports = [stack.enter_context(server(how, program)) for how in WAYS]
        ends = [stack.enter_context(connection(port)) for port in ports]
        for end in ends:
            assert exchange(end, sent, len(back)) == back
        for _ in range(rounds):
            yield [time_of(end, sent, len(back)) / in_flight for end in ends]


def time_of(end, sent, size, exchanges=40):
    start = time.perf_counter()
    for _ in range(exchanges):
        exchange(end, sent, size)
    return (time.perf_counter() - start) / exchanges


@contextmanager
def server(how, program):
    """Run a server on the first core; it prints its port. All else gets the last core."""
    pin(0)
    process = subprocess.Popen([*how, HERE / program], stdout=subprocess.PIPE, text=True)
    pin(-1)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def pin(core):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {CORES[core]})


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def connection(port):
    """Open a WebSocket connection by hand, for a load that costs nothing to make."""
    with socket.create_connection(("127.0.0.1", port)) as end:
        end.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        while b"\r\n\r\n" not in end.recv(4096, socket.MSG_PEEK):
            pass
        end.recv(4096)
        yield end
        end.setblocking(True)
        end.sendall(wsfast.serialize_frame(wsfast.Opcode.CLOSE, key=KEY))
        while end.recv(4096):
            pass


def exchange(end, wire, size):
    """Send all of it, and read ``size`` bytes, both at once and without ever sleeping."""
    end.setblocking(False)
    to_send, received = memoryview(wire), bytearray(size)
    room = memoryview(received)
    while room:
        with suppress(BlockingIOError):
            if to_send:
                to_send = to_send[end.send(to_send) :]
        with suppress(BlockingIOError):
            room = room[_read(end, room) :]
    return bytes(received)


def _read(end, room):
    size = end.recv_into(room)
    if not size:
        raise ConnectionError("the server has hung up")
    return size


def duration(seconds):
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


if __name__ == "__main__":
    main()
