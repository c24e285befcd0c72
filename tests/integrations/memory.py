"""A transport in memory, for connections of asyncio, and what helps to drive them."""

import asyncio

from histories import error


class Transport(asyncio.Transport):
    """A transport in memory, with room for ``room`` bytes."""

    def __init__(self, room=1 << 30):
        super().__init__()
        self.room = room
        self.written = []
        self.calls = []
        self.connection = None
        self.failure = None
        self.ended = False

    def write(self, data):
        if self.failure:
            raise self.failure
        self.written.append(bytes(data))
        if len(b"".join(self.written)) > self.room:
            self.connection.pause_writing()
            asyncio.get_running_loop().call_later(0.01, self.make_room)

    def make_room(self):
        self.calls.append("made room")
        self.room = 1 << 30
        self.connection.resume_writing()

    def abort(self):
        self.end("abort")

    def close(self):
        self.end("close")

    def end(self, how):
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
        self.calls.append(how)

    def __getattr__(self, name):
        raise AssertionError(name)

    def is_closing(self):
        return False

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.calls.append("write_eof")

    def pause_reading(self):
        self.calls.append("pause_reading")

    def resume_reading(self):
        self.calls.append("resume_reading")

    def set_write_buffer_limits(self, *limits):
        pass


async def outcome(awaitable):
    try:
        result = await asyncio.wait_for(awaitable, 20)
    except Exception as exc:
        return error(exc)
    return type(result), result


async def turns():
    """Let the tasks go on until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)
