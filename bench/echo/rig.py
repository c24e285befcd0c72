"""The rig: builds the load generator, runs servers on the first core and loads on the last one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from .rows import Row

BENCH = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).resolve().parent
BUILD = BENCH.parent / "build" / "bench"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# A server to measure against that is not Python: a program that takes its port as an argument.
UWEBSOCKETS = "UWEBSOCKETS_ECHO"
PATIENCE = 10.0  # seconds for a server to start


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
    """The messages of a row, in a file."""

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
        environment: what it finds in its environment besides ours.

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
    """A server that takes its port as an argument, and says nothing when it is ready."""

    def __init__(self, program: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process = _spawn([program, str(self.port)], CORES[:1])
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NotThereError(f"{program} does not listen on its port") from None
                time.sleep(0.05)


def server_of(name: str, payloads: Payloads) -> Server:
    """Start a server of the contest.

    Args:
        name: of servers.py, with "@asyncio" or "@uvloop" to say on which loop; or "uwebsockets".
        payloads: what it will be sent.

    Raises:
        NotThereError: it does not start.
    """
    if name == "uwebsockets":
        program = os.environ.get(UWEBSOCKETS)
        if not program:
            raise NotThereError(f"{UWEBSOCKETS} names no program")
        return ForeignServer(program)
    name, _, loop = name.partition("@")
    command = [sys.executable, "-m", "echo.servers", name, "--loop", loop or "uvloop"]
    return Server([*command, *payloads.arguments], {"PYTHONPATH": str(BENCH)})


def run_load(server: Server, row: Row, payloads: Payloads, seconds: float) -> dict[str, object]:
    """Load a server once; what the load generator measured, as it printed it.

    Raises:
        NotThereError: an echo was wrong, or did not come.
    """
    command = [*_command(server, row, payloads), "--seconds", str(seconds)]
    process = _spawn([*command, "--server", str(server.pid)], CORES[-1:])
    output, error = process.communicate()
    if process.returncode:
        raise NotThereError(error.strip())
    return json.loads(output)


def idle_memory(server: Server, row: Row, payloads: Payloads) -> float:
    """Bytes of the server that one idle connection takes.

    What the first connections bring into memory, code above all, is not counted.
    """
    command = _command(server, row, payloads)
    few = [*command, "--connections", "20"]  # of an option said twice, the last one counts
    _hold(few, lambda: None)
    before = server.memory()
    return (_hold(command, server.memory) - before) / row.connections


def _hold(command, measure):
    process = _spawn(command, CORES[-1:])
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        raise NotThereError(process.communicate()[1].strip())
    time.sleep(1)  # what is freed or shrunk a moment after the last message
    measured = measure()
    process.communicate()  # closes its standard input, which ends it
    return measured


def _command(server: Server, row: Row, payloads: Payloads) -> list[str]:
    return [
        *(str(build_load()), row.mode, "--port", str(server.port)),
        *("--connections", str(row.connections), "--in-flight", str(row.in_flight)),
        *payloads.arguments,
    ]


def _spawn(command, cores, environment=None):
    """Start a program on certain cores; they are set in the child, as it inherits those of this
    process, which are all."""
    return subprocess.Popen(
        command,
        env=os.environ | (environment or {}),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
