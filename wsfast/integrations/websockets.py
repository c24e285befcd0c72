"""websockets (asyncio, sync, trio and sans-I/O) on wsfast: ``patch()`` and ``unpatch()``.

================================================  =================================================
seam                                              what changes
================================================  =================================================
``websockets.protocol.Protocol.parse``            all complete frames are split off at once, in C,
                                                  and not read piece by piece through generators
``websockets.frames.Frame.serialize``             header, mask and payload are written at once, in C
``websockets.*.messages.Assembler.get``           texts are decoded in C; on asyncio, a message that
                                                  is there is handed out without waiting for it
``websockets.*.connection.Connection.send``       texts are encoded in C; on asyncio, a message goes
                                                  to the transport without a context manager
================================================  =================================================

``*`` is ``asyncio``, ``sync`` and ``trio``, each as soon as the program imports it.

What is rare stays the library's own. The original ``parse`` gets whatever is not well-formed, every
error and the end of the stream; the original ``serialize`` frames with extensions; the original
``get`` and ``send`` messages in fragments, and all that fails. ``websockets.legacy`` is left alone,
but it uses ``Frame.serialize`` as well.

With asyncio, glibc is made to keep the blocks that are read into (``_keep_blocks``), which concerns
the whole process and outlasts ``unpatch()``.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from operator import attrgetter
from typing import Any, NoReturn

from ..frames import serialize_frame, split_frames
from ..kernels import decode_utf8, encode_utf8
from ..rfc6455 import (
    FIN,
    OPCODE_BITS,
    RSV1,
    RSV2,
    RSV3,
    RSV_BITS,
    Opcode,
    Role,
)
from ._rewrite import exchange_call
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


def patch() -> bool:
    """Run websockets on wsfast: what is imported already, and what will be.

    Connections that are open go on parsing as they began.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _parse(original: Function, module: Any) -> Function:
    library_frame, server, connecting = module.Frame, module.SERVER, module.CONNECTING
    opcodes = {opcode.value: opcode for opcode in _frames(module).Opcode}
    limit_of = _limit if "max_message_size" in original.__code__.co_names else _limit_before_16

    def parse(self: Any) -> Generator[None]:
        reader = self.reader
        masked = self.side is server
        role = Role.SERVER if masked else Role.CLIENT
        try:
            while not reader.eof:
                limit = limit_of(self)
                if reader.buffer and (self.state is connecting or not _is_plain(limit)):
                    break
                frames, size, well_formed = split_frames(reader.buffer, role, limit)
                del reader.buffer[:size]
                for first, payload in frames:
                    opcode = opcodes[first & OPCODE_BITS]
                    data = payload if masked else bytearray(payload)
                    frame = library_frame(opcode, data, first >= FIN)
                    if self.extensions or first & RSV_BITS:
                        frame = _extended(frame, first, self.extensions, limit)
                    if self.debug:
                        self.logger.debug("< %s", frame)
                    self.recv_frame(frame)
                    if opcode == Opcode.CLOSE:
                        yield  # for good: recv_frame() has put discard() into our place
                if not well_formed:
                    break
                if not frames or not reader.buffer:
                    yield
        except Exception as exc:
            self.reader = _FailingReader(self, exc)
        yield from original(self)

    return parse


def _extended(frame: Any, first: int, extensions: Sequence[Any], limit: int | None) -> Any:
    frame.rsv1 = bool(first & RSV1)
    frame.rsv2 = bool(first & RSV2)
    frame.rsv3 = bool(first & RSV3)
    for extension in reversed(extensions):
        frame = extension.decode(frame, max_size=limit)
    frame.check()
    return frame


def _limit(protocol: Any) -> Any:
    """Tell how long the next frame may be, as the library reckons it."""
    message, fragment = protocol.max_message_size, protocol.max_fragment_size
    if message is None:
        return fragment
    if protocol.current_size is not None:
        message -= protocol.current_size
    return message if fragment is None else min(message, fragment)


def _limit_before_16(protocol: Any) -> Any:
    if protocol.max_size is None or protocol.cur_size is None:
        return protocol.max_size
    return protocol.max_size - protocol.cur_size


def _is_plain(limit: Any) -> bool:
    return limit is None or (isinstance(limit, int) and limit >= 0)


class _FailingReader:
    """Takes the place of a protocol's reader once, to raise inside the library's ``parse``.

    For what an error means, to the close frame and to all that follows, is known there.
    """

    def __init__(self, protocol: Any, exc: Exception) -> None:
        self._protocol = protocol
        self._reader = protocol.reader
        self._exc = exc

    def at_eof(self) -> NoReturn:
        self._protocol.reader = self._reader
        raise self._exc


def _serialize(original: Function, module: Any) -> Function:
    data_opcodes, secrets = module.DATA_OPCODES, module.secrets

    def serialize(self: Any, *, mask: bool, extensions: Any = None) -> Any:
        if (
            extensions
            or type(self.data) is not bytes
            or self.opcode not in data_opcodes
            or self.rsv1
            or self.rsv2
            or self.rsv3
        ):
            return original(self, mask=mask, extensions=extensions)
        key = secrets.token_bytes(4) if mask else None
        return serialize_frame(self.opcode, self.data, fin=self.fin, key=key)

    return serialize


def _decode(original: Function, module: Any) -> Function:
    return exchange_call(original, "decode", decode_utf8)


def _encode(original: Function, module: Any) -> Function:
    return exchange_call(original, "encode", encode_utf8)


def _get(original: Function, module: Any) -> Function:
    original = _decode(original, module)
    opcodes = _frames(module).Opcode
    first_opcodes = opcodes.TEXT, opcodes.BINARY

    async def get(self: Any, decode: bool | None = None) -> Any:
        queue = self.frames.queue
        if self.get_in_progress or not queue:
            return await original(self, decode)
        frame = queue[0]
        if not frame.fin or frame.opcode not in first_opcodes:
            return await original(self, decode)
        queue.popleft()
        if self.paused:
            self.maybe_resume()
        if decode or (decode is None and frame.opcode is opcodes.TEXT):
            return decode_utf8(frame.data)
        return bytes(frame.data)

    return get


def _send(original: Function, module: Any) -> Function:
    _keep_blocks()
    original = _encode(original, module)
    opened = module.OPEN
    sends_fragments = attrgetter(
        "send_in_progress"
        if "send_in_progress" in original.__code__.co_names
        else "fragmented_send_waiter"  # before 16
    )

    async def send(self: Any, message: Any, *, text: bool | None = None) -> None:
        protocol = self.protocol
        if (
            type(message) not in (str, bytes)
            or sends_fragments(self) is not None
            or protocol.state is not opened
            or protocol.extensions
            or protocol.debug
            or protocol.writes
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
            self.send_data()
        except Exception:
            # The original meets the same error again, and knows what it means.
            await original(self, message, text=text)
            return
        if self.paused or self.transport.is_closing():
            async with self.send_context():
                pass  # There is nothing to send: this waits until the transport has room.

    return send


def _keep_blocks() -> None:
    """Make glibc reuse the blocks that asyncio reads into, for the rest of the process.

    They are of 256 KiB. glibc gives blocks of more than 128 KiB back to the kernel when they are
    freed, and every read faults the pages of a new one in, which takes as long as all else that an
    echo of 64 KiB needs; but only until a larger one has been freed. Elsewhere this does nothing.
    """
    bytes(1 << 20)


def _frames(module: Any) -> Any:
    """Find ``websockets.frames`` from a module that has imported its ``Frame``."""
    return sys.modules[module.Frame.__module__]


# Of each function, the originals in all these versions, from the newest to the oldest.
integration = Integration(
    "websockets",
    versions=(
        *("17.4", "17.3", "17.2", "17.1", "17.0.1", "17.0"),
        *("16.1.1", "16.1", "16.0"),
        *("15.0.1", "15.0"),
    ),
    seams=(
        Seam(
            "websockets.protocol",
            "Protocol.parse",
            ("45aaf900644b", "23201830ee7d"),
            _parse,
        ),
        Seam(
            "websockets.frames",
            "Frame.serialize",
            ("2aeba0b89df2", "1a3913bbca0b"),
            _serialize,
        ),
        Seam(
            "websockets.asyncio.messages",
            "Assembler.get",
            ("2db634a947dc", "d5b2879d5a7f", "4347014cd4f4", "31309630d493", "c6c3428844eb"),
            _get,
        ),
        Seam(
            "websockets.sync.messages",
            "Assembler.get",
            ("fc73dd376bd8", "4e571a6a4fca", "2f534fb9baa6", "c9981d3de63c"),
            _decode,
        ),
        Seam(
            "websockets.trio.messages",
            "Assembler.get",
            ("950edb5fea22", "72f9df2d4e6c", "ca5bd3a560d7"),
            _decode,
        ),
        Seam(
            "websockets.asyncio.connection",
            "Connection.send",
            ("5617d820f825", "d182944aba05", "a8ae9dce36de", "423c48eb5dbe"),
            _send,
        ),
        Seam(
            "websockets.sync.connection",
            "Connection.send",
            ("2536c8537f97", "fa5ba8bd01ba", "12f1d6ddfe45", "aa268518b8e7", "cb3996203643"),
            _encode,
        ),
        Seam(
            "websockets.trio.connection",
            "Connection.send",
            ("ed8728f0245d",),
            _encode,
        ),
    ),
)
