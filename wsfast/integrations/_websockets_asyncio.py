"""The asyncio connections of websockets: messages of one frame, past what only others need.

- What a read brings is queued at once, and not frame by frame through ``process_event``,
  ``Assembler.put`` and ``SimpleQueue.put``.
- A message that is there already is handed out by ``recv`` itself, past two coroutines.
- A message goes to the transport past ``send_context``, a context manager that is an asynchronous
  generator.

Handshakes, fragments, control frames, pauses and whatever fails are left to the originals; so is
every connection that has a method of its own where these go past one.

What is left of an echo of 100 bytes is the kernel's, two thirds of it, which takes each message by
a system call; asyncio's transport; and the three coroutines that every program runs through.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ..kernels import decode_utf8, encode_utf8
from ._rewrite import exchange_call
from ._seams import Function
from ._websockets_protocol import is_own, own_method

__all__ = ["data_received", "decode", "encode", "recv", "send"]

# Of a protocol: what goes with the data that a connection receives.
_ABOUT_DATA = ("receive_data", "data_to_send", "close_expected")

_is_own = lru_cache(maxsize=64)(is_own)


def decode(original: Function, module: Any) -> Function:
    return exchange_call(original, "decode", decode_utf8)


def encode(original: Function, module: Any) -> Function:
    return exchange_call(original, "encode", encode_utf8)


def data_received(original: Function, module: Any) -> Function:
    opened, data_opcodes = module.OPEN, module.DATA_OPCODES
    library_frame, library_assembler = module.Frame, module.Assembler
    receive_data, data_to_send, close_expected = (
        own_method(module.Protocol, name) for name in _ABOUT_DATA
    )
    send_data = own_method(module.Connection, "send_data")

    def data_received(self: Any, data: Any) -> None:
        protocol, assembler = self.protocol, self.recv_messages
        its = type(protocol)
        if (
            protocol._state is not opened  # an open one has had the handshake's events
            or type(assembler) is not library_assembler
            or its.receive_data is not receive_data
            or its.data_to_send is not data_to_send
            or its.close_expected is not close_expected
            or not protocol.__dict__.keys().isdisjoint(_ABOUT_DATA)
            or type(self).send_data is not send_data
            or not _is_own(type(self).process_event)
            or "process_event" in self.__dict__
            or "send_data" in self.__dict__
        ):
            original(self, data)
            return
        protocol.receive_data(data)
        if protocol.writes or protocol._state is not opened or assembler.closed:
            original(self, b"")  # which does all that is due after receiving
            return
        frames = assembler.frames
        queue = frames.queue
        for event in protocol.events_received():
            if type(event) is library_frame and event.opcode in data_opcodes:
                queue.append(event)
                waiter = frames.get_waiter
                if waiter is not None and not waiter.done():
                    waiter.set_result(None)
            else:
                self.process_event(event)
        assembler.maybe_pause()

    return data_received


def recv(original: Function, module: Any) -> Function:
    library_assembler = module.Assembler
    opcodes = sys.modules[module.Frame.__module__].Opcode
    text, binary = opcodes.TEXT, opcodes.BINARY

    async def recv(self: Any, decode: bool | None = None) -> Any:
        assembler = self.recv_messages
        queue = assembler.frames.queue
        if queue and not assembler.get_in_progress and type(assembler) is library_assembler:
            frame = queue[0]
            opcode = frame.opcode
            if frame.fin and (opcode is text or opcode is binary):
                try:
                    as_text = opcode is text if decode is None else decode
                    message: str | bytes
                    message = decode_utf8(frame.data) if as_text else bytes(frame.data)
                except UnicodeDecodeError:
                    pass  # The original meets the same error again, and knows what it means.
                else:
                    queue.popleft()
                    if assembler.paused and len(queue) <= assembler.low:
                        assembler.maybe_resume()
                    return message
        return await original(self, decode)

    return recv


def send(original: Function, module: Any) -> Function:
    original = encode(original, module)
    opened = module.OPEN
    drain, send_context, send_data = (
        own_method(module.Connection, name) for name in ("drain", "send_context", "send_data")
    )
    sends_fragments = attrgetter(
        "send_in_progress"
        if "send_in_progress" in original.__code__.co_names
        else "fragmented_send_waiter"  # before 16
    )

    async def send(self: Any, message: Any, *, text: bool | None = None) -> None:
        protocol, its, own = self.protocol, type(self), self.__dict__
        if (
            type(message) not in (str, bytes)
            or sends_fragments(self) is not None
            or protocol._state is not opened
            or protocol.debug
            or protocol.writes
            or its.send_data is not send_data
            or its.send_context is not send_context
            or its.drain is not drain
            or "drain" in own
            or "send_context" in own
            or "send_data" in own
        ):
            await original(self, message, text=text)
            return
        try:
            if type(message) is bytes:
                as_text = text is True
                payload = message
            else:
                as_text = text is not False
                payload = encode_utf8(message)
            if as_text:
                protocol.send_text(payload)
            else:
                protocol.send_binary(payload)
        except Exception:
            async with self.send_context():
                raise
        closing = protocol.close_expected()
        writes = protocol.data_to_send()
        if len(writes) == 1 and writes[0] and not closing:
            try:
                self.transport.write(writes[0])
            except Exception:
                protocol.writes = writes  # send_context() meets the same error
            else:
                if not (self.paused or self.transport.is_closing()):
                    return
        else:
            protocol.writes = writes
        # What is left: to write, to wait until the transport has room, or until it is closed.
        async with self.send_context(expected_state=protocol._state):
            pass

    async def send_before_17(self: Any, message: Any, text: bool | None = None) -> None:
        await send(self, message, text=text)

    return send if original.__code__.co_kwonlyargcount else send_before_17
