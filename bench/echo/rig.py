"""The rig: builds the load generator, runs servers on the first core and loads on the last one."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

from .base import Base
from .rows import BASE, Row
from .turns import Turn

BENCH = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).resolve().parent
BUILD = BENCH.parent / "build" / "bench"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# A server to measure against that is not Python: a program that takes its port as an argument.
UWEBSOCKETS = "UWEBSOCKETS_ECHO"
PATIENCE = 30.0  # seconds for a server to start
IDLE_BEFORE = 1_000  # connections that are open before idle ones are measured


class NotThereError(Exception):
    """A server that cannot take part, and why."""


def build_load() -> Path:
    """Compile the load generator, unless that is done."""
    program = BUILD / "load"
    sources = sorted(SOURCE.glob("*.c"))
    newest = max(path.stat().st_mtime for path in SOURCE.glob("*.[ch]"))
    if not program.exists() or program.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        flags = ["-std=gnu11", "-O3", "-Wall", "-Wextra"]
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, *flags, *map(str, sources), "-lz", "-o", program], check=True)
    return program


class Payloads:
    """The messages of a row, in a file.

    Args:
        name: of the file.
        row: whose messages they are.
    """

    def __init__(self, name: str, row: Row) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        path = BUILD / f"payloads-{name}"
        path.write_bytes(row.payloads())
        self.arguments = ["--payloads", str(path), "--size", str(row.size)]
        self.arguments += ["--binary"] * row.binary + ["--deflate"] * row.deflate


class Server:
    """A server in a process of its own, pinned to the first core.

    Args:
        command: a program that prints its port when it is ready.
        environment: variables that it gets besides ours.

    Raises:
        NotThereError: it does not start.
    """

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self._process = _spawn(command, CORES[:1], environment)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            _, error = self._process.communicate()
            raise NotThereError(error.strip().rpartition("\n")[2])
        self.port = int(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Bytes of memory that are this process's own, or its part of what it shares (PSS)."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()


class ForeignServer(Server):
    """A server that is told its port, where its command says ``{port}``, and that does not tell
    when it is ready."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [part.replace("{port}", str(self.port)) for part in command]
        self._process = _spawn(command, CORES[:1], environment)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    _, error = self._process.communicate()
                    last = error.strip().rpartition("\n")[2]
                    raise NotThereError(f"nothing listens on its port: {last}") from None
                time.sleep(0.05)


def server_of(name: str, row: Row, payloads: Payloads, base: Base | None = None) -> Server:
    """Start a server of the contest.

    Args:
        name: of servers.py or rooms.py, with "-base" behind it to run on the base's wsfast, and
            "@asyncio" or "@uvloop" to say on which loop; or "uwebsockets".
        row: it takes part in.
        payloads: it will be sent.
        base: it can run on.

    Raises:
        NotThereError: it does not start.
    """
    if name == "uwebsockets":
        program = os.environ.get(UWEBSOCKETS)
        if not program:
            raise NotThereError(f"{UWEBSOCKETS} names no program")
        return ForeignServer([program, "{port}"])
    server, _, loop = name.partition("@")
    python = sys.executable
    if server.endswith(BASE):
        if base is None:
            raise NotThereError("no --base is given")
        python, server = base.python, server.removesuffix(BASE)
    module = "echo.rooms" if row.mode == "broadcast" else "echo.servers"
    command = [python, "-m", module, server, "--loop", loop or "uvloop", *payloads.arguments]
    return Server(command, {"PYTHONPATH": str(BENCH)})


@contextmanager
def load_of(
    server: Server, row: Row, payloads: Payloads, seconds: float
) -> Iterator[Callable[[], Turn]]:
    """Make the load of a server: call it for a turn; it raises NotThereError as `run_load`."""
    if row.mode != "broadcast":
        yield partial(run_load, server, row, payloads, seconds)
        return
    _need_descriptors(row.connections)
    # The members of a room stay for all turns.
    with _spawn(_load_command(server, row, payloads, seconds), CORES[-1:]) as process:

        def turn() -> Turn:
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(_line(process))

        if _line(process) != "ready\n":
            raise NotThereError("the load generator is not ready")
        yield turn


def run_load(server: Server, row: Row, payloads: Payloads, seconds: float) -> Turn:
    """Load a server once; returns what the load generator measured, as it printed it.

    Raises:
        NotThereError: an echo was wrong, or did not come.
    """
    process = _spawn(_load_command(server, row, payloads, seconds), CORES[-1:])
    output, error = process.communicate()
    if process.returncode:
        raise NotThereError(error.strip())
    return json.loads(output)


def idle_memory(server: Server, row: Row, payloads: Payloads) -> float:
    """Bytes of the server that one idle connection takes, beyond the first thousand.

    Those fill what a program has left free when it starts, a megabyte or two in the allocators:
    counted with the others, they would make a connection look smaller by a third.
    """
    _need_descriptors(IDLE_BEFORE + row.connections)
    command = _load_command(server, row, payloads)
    # Of an option said twice, the last one counts.
    with _held([*command, "--connections", str(IDLE_BEFORE)]):
        before = server.memory()
        with _held(command):
            return (server.memory() - before) / row.connections


@contextmanager
def _held(command: list[str]) -> Iterator[None]:
    """Connections that are open and idle."""
    with _spawn(command, CORES[-1:]) as process:
        _line(process)
        time.sleep(1)  # what is freed or shrunk a moment after the last message
        yield
        process.stdin.close()  # which ends it


def _line(process: subprocess.Popen[str]) -> str:
    """The next line that the load generator prints."""
    line = process.stdout.readline()
    if not line:
        raise NotThereError(process.communicate()[1].strip())
    return line


def _load_command(server: Server, row: Row, payloads: Payloads, seconds: float = 1) -> list[str]:
    return [
        *(str(build_load()), row.mode, "--port", str(server.port)),
        *("--connections", str(row.connections), "--in-flight", str(row.in_flight)),
        *("--seconds", str(seconds), "--server", str(server.pid)),
        *(["--batch"] * row.batch),
        *row.opening,
        *payloads.arguments,
    ]


def _need_descriptors(connections: int) -> None:
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < connections + 100:
        raise NotThereError(f"{connections} connections are more than ulimit -Hn allows: {limit}")


def _spawn(command, cores, environment=None):
    """Start a program on certain cores, with all the descriptors that it may have."""

    def prepare():  # in the child: it would inherit the cores of this process, which are all
        if cores:
            os.sched_setaffinity(0, cores)
        _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    return subprocess.Popen(
        command,
        cwd=BENCH,  # where Python looks first: no wsfast lies there
        env=os.environ | (environment or {}),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
    )
