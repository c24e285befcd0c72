"""What is tried: wsfast's server, or as many of wsfast's clients, each of them an echo.

``python subject.py KIND LOOP ...`` prints the port, if it is a server; does its work until its
standard input ends; and prints as one line of JSON what went wrong, what memory it took, and what
was left when everything was over.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
import warnings
from collections import Counter
from contextlib import suppress
from itertools import count
from statistics import median

from terms import CLOSE_COMMAND, MAX_FRAGMENTS, MAX_SIZE, RAISE_COMMAND, times

import wsfast
from wsfast.asyncio import Callbacks, WebSocket, connect, serve
from wsfast.exceptions import ConnectionClosed, HandshakeError

HOST = "127.0.0.1"
TOLD = 20  # errors that are told in full
GONE_WITHIN = 30  # seconds, for everything to be over
PAGE = os.sysconf("SC_PAGE_SIZE")


class AskedForError(Exception):
    """What the load has asked the handler to raise."""


class Errors(logging.Handler):
    """Everything that anybody logs at WARNING or above, and all that Python warns of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.asked_for = self.count = 0
        self.told = []
        logging.getLogger().addHandler(self)
        logging.captureWarnings(True)
        warnings.simplefilter("always")
        sys.unraisablehook = lambda what: self.tell(f"unraisable: {what.exc_value!r} {what.object}")

    def emit(self, record):
        if record.exc_info and isinstance(record.exc_info[1], AskedForError):
            self.asked_for += 1
        else:
            self.tell(self.format(record))

    def tell(self, text):
        self.count += 1
        if len(self.told) < TOLD:
            self.told.append(text)


class Echo:
    """Echoes, with both faces, and writes down how each connection ended."""

    def __init__(self, seen):
        self.seen = seen
        self.callbacks = Callbacks(on_message=self.on_message, on_close=self.record)

    async def handler(self, ws):
        bookkeeping = ws.on_closed

        def on_closed(ws):
            self.record(ws)
            bookkeeping(ws)

        ws.on_closed = on_closed
        async for message in ws:
            if not self.obey(ws, message):
                await ws.send(message)

    def on_message(self, ws, message):
        if not self.obey(ws, message):
            ws.send(message)

    def obey(self, ws, message):
        """Do what the message asks for, if it asks for anything but an echo."""
        if type(message) is not str or message[:1] != "\x00":
            return False
        if message == RAISE_COMMAND:
            raise AskedForError
        ws.close(int(message.removeprefix(CLOSE_COMMAND)))
        return True

    def record(self, ws):
        self.note(ws.request.target, ws.close_code)

    def note(self, target, what):
        print(target.removeprefix("/"), what, file=self.seen)


class Clients:
    """Clients that connect, echo until the end, and connect again."""

    def __init__(self, echo, options, settings):
        self.connections = set()
        self._echo, self._settings = echo, settings
        self._uri = f"ws://{HOST}:{options.port}"
        self._size = options.connections
        self._numbers = count(1)

    async def run(self, ended):
        await asyncio.gather(*(self._one_after_the_other(ended) for _ in range(self._size)))

    async def _one_after_the_other(self, ended):
        await asyncio.sleep(2 * next(self._numbers) / self._size)
        while not ended.done():
            await self._live(next(self._numbers))

    async def _live(self, number):
        target, with_callbacks = f"/{number}", number % 2
        try:
            ws = await connect(
                self._uri + target,
                self._echo.callbacks if with_callbacks else None,
                proxy=None,
                **self._settings,
            )
        except (OSError, asyncio.TimeoutError, HandshakeError) as exc:
            self._echo.note(target, type(exc).__name__)
            return
        self.connections.add(ws)
        try:
            if not with_callbacks:
                async for message in ws:
                    if not self._echo.obey(ws, message):
                        await ws.send(message)
        except ConnectionClosed:
            pass
        except AskedForError:
            ws.close(1011)
        await ws.wait_closed()
        self.connections.discard(ws)
        if not with_callbacks:
            self._echo.record(ws)


class Watch:
    """Samples of memory and open connections each second, and of Python's blocks every fifth."""

    def __init__(self, seconds):
        self._seconds = seconds
        self.connections = ()
        self.memory, self.blocks, self.open = [], [], []

    async def run(self):
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        while loop.time() < until:
            await asyncio.sleep(1)
            with open("/proc/self/statm") as statm:
                self.memory.append(int(statm.read().split()[1]) * PAGE)
            self.open.append(len(self.connections))
            if len(self.open) % 5 == 0:
                gc.collect()  # asyncio's transports are cycles, and would count until it comes
                self.blocks.append(sys.getallocatedblocks())

    def told(self):
        """The median of each fifth of the time."""
        return {name: fifths(getattr(self, name)) for name in ("open", "memory", "blocks")}


def fifths(samples):
    size = max(1, len(samples) // 5)
    starts = range(0, min(5 * size, len(samples)), size)
    return [int(median(samples[start : start + size])) for start in starts]


def descriptors():
    """What every file descriptor stands for."""
    found = Counter()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that reads the folder
            found[os.readlink(f"/proc/self/fd/{name}").split(":")[0]] += 1
    return found


async def left(connections, before):
    """What is still there when everything should be over, and has had some time for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GONE_WITHIN
    while True:
        gc.collect()
        found = {
            "connections": len(connections),
            "tasks": len(asyncio.all_tasks()) - 1,
            "descriptors": dict(descriptors() - before),
            "websockets": sum(isinstance(each, WebSocket) for each in gc.get_objects()),
        }
        if not any(found.values()) or loop.time() > deadline:
            return found
        await asyncio.sleep(0.1)


async def serving(options, echo, settings, watch, errors, ended):
    """Be a server until the load has gone."""
    handler = echo.handler if options.kind == "coroutine" else echo.callbacks
    async with serve(handler, HOST, 0, **settings) as server:
        print(server.port, flush=True)
        watch.connections = server.connections
        await ended
        # The server closes after the last connection has ended of itself.
        emptying = asyncio.create_task(empty(server.connections))
        await asyncio.wait([emptying], timeout=GONE_WITHIN)
        emptying.cancel()
        if server.connections:
            errors.tell(f"{len(server.connections)} connections had to be closed")
    return server.connections


async def empty(connections):
    while connections:
        await asyncio.sleep(0.1)


async def main(options):
    loop, errors = asyncio.get_running_loop(), Errors()
    async with serve(Callbacks(), HOST, 0):
        pass  # with its first listener, a loop of uvloop opens /dev/null for good
    settings = {
        **times(options.seconds),
        "max_size": MAX_SIZE,
        "max_fragments": MAX_FRAGMENTS,
        "compression": True,
    }
    with open(options.seen, "w") as seen:
        before = descriptors()
        echo, watch = Echo(seen), Watch(options.seconds)
        watching = asyncio.create_task(watch.run())
        ended = loop.run_in_executor(None, sys.stdin.read)
        if options.kind == "clients":
            clients = Clients(echo, options, settings)
            watch.connections = connections = clients.connections
            await clients.run(ended)
        else:
            connections = await serving(options, echo, settings, watch, errors, ended)
        await watching
        told = {
            "backend": wsfast.backend,
            **watch.told(),
            "left": await left(connections, before),
            "errors": errors.count,
            "told": errors.told,
            "asked_for": errors.asked_for,
        }
    print(json.dumps(told))


def run(options):
    if options.loop == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main(options))
    finally:
        loop.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An echo of wsfast that is to be tried.")
    parser.add_argument("kind", choices=["coroutine", "callbacks", "clients"])
    parser.add_argument("loop", choices=["uvloop", "asyncio"])
    parser.add_argument("--port", type=int, help="of the load, where clients are tried")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seen", required=True, help="file for how each connection ended")
    run(parser.parse_args())
