"""The echo programs of this folder as processes, plain and on wsfast, and how that is proved."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent

# The distributions whose seams a program runs on. The class for uvicorn is none: to name it is to
# use it.
SERVERS = {
    "websockets": ["websockets"],
    "websockets-legacy": ["websockets"],
    "uvicorn": ["uvicorn"],
    "uvicorn-websockets-sansio": ["websockets"],
    "uvicorn-websockets": ["websockets"],
    "uvicorn-wsproto": ["wsproto"],
    "uvicorn-wsfast": [],
    "hypercorn": ["wsproto"],
    "daphne": ["daphne", "autobahn"],
    "aiohttp": ["aiohttp"],
    "tornado": ["tornado"],
    "autobahn": ["autobahn"],
    "autobahn-twisted": ["autobahn"],
    "ws4py": ["ws4py"],
    "gevent-websocket": ["gevent-websocket"],
    "eventlet": ["eventlet"],
    "simple-websocket": ["wsproto"],
    "wsproto": ["wsproto"],
}
CLIENTS = {
    name: [name]
    for name in (
        *["websockets", "websocket-client", "aiohttp", "tornado", "autobahn", "ws4py", "wsproto"],
    )
}


@contextmanager
def plain(program, *arguments, stderr=None):
    """A program of this folder, without wsfast; it is ended with the block."""
    with started(HERE / program, *arguments, stderr=stderr) as process:
        yield process


@contextmanager
def on_wsfast(program, *arguments, stderr=None):
    """A program of this folder on wsfast; closing its input makes ``witness.py`` end it."""
    run = ["-m", "wsfast", "run", "--", HERE / "witness.py", HERE / program]
    with started(*run, *arguments, stderr=stderr) as process:
        yield process


@contextmanager
def started(*arguments, stderr):
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def not_in_place(output, distributions):
    """What should run on wsfast and does not, by the last line of a program's output."""
    said = json.loads(output.splitlines()[-1])
    missing = []
    for distribution in distributions:
        seams = said.get(distribution, {"on": [], "off": []})
        missing += seams["off"] if seams["on"] else [f"all of {distribution}"]
    return missing
