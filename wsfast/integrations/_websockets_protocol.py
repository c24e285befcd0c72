"""The sans-I/O part of websockets: frames in and out, for all that is built on its ``Protocol``.

Text and binary messages of one frame are what is fast here. Each of them goes past
``Protocol.recv_frame`` or ``Protocol.send_frame``, unless a subclass or the object itself has its
own. The original ``parse`` gets whatever is not well-formed, every error and the end of the stream;
the original ``send_text``, ``send_binary`` and ``serialize`` get fragments, extensions and whatever
fails.
"""

from __future__ import annotations

import secrets
import struct
import sys
from collections.abc import Callable, Generator, Sequence
from inspect import unwrap
from operator import attrgetter
from os.path import dirname
from typing import Any, NoReturn

from ..frames import masking_key, serialize_frame, split_frames
from ..kernels import apply_mask as masked
from ..rfc6455 import FIN, KEY_SIZE, OPCODE_BITS, RSV1, RSV2, RSV3, RSV_BITS, Opcode, Role
from ._memory import keep_blocks
from ._seams import Function

__all__ = [
    "apply_mask",
    "is_own",
    "new_key",
    "own_method",
    "parse",
    "send_binary",
    "send_text",
    "serialize",
]

_TEXT = Opcode.TEXT.value
_BINARY = Opcode.BINARY.value

_MASKED = (bytes, bytearray)

# Where tests inject faults and known keys: the library calls these two by their modules.
_unpack = struct.unpack
_token_bytes = secrets.token_bytes


def parse(original: Function, module: Any) -> Function:
    keep_blocks()
    library_frame, server, connecting = module.Frame, module.SERVER, module.CONNECTING
    recv_frame = own_method(module.Protocol, "recv_frame")
    opcodes = {opcode.value: opcode for opcode in sys.modules[library_frame.__module__].Opcode}
    whole = {FIN | opcode: opcodes[opcode] for opcode in (_TEXT, _BINARY)}
    since_16 = "max_message_size" in original.__code__.co_names
    limit_of = _limit if since_16 else _limit_before_16
    size_of_fragments = attrgetter("current_size" if since_16 else "cur_size")

    def parse(self: Any) -> Generator[None]:
        reader = self.reader
        masked = self.side is server
        role = Role.SERVER if masked else Role.CLIENT
        try:
            while not reader.eof:
                limit = limit_of(self)
                if reader.buffer and (
                    self.state is connecting or not _is_plain(limit) or struct.unpack is not _unpack
                ):
                    break
                frames, size, well_formed = split_frames(reader.buffer, role, limit)
                del reader.buffer[:size]
                plain = not (
                    self.extensions
                    or self.debug
                    or size_of_fragments(self) is not None
                    or type(self).recv_frame is not recv_frame
                    or "recv_frame" in vars(self)
                )
                for first, payload in frames:
                    data = payload if masked else bytearray(payload)
                    if plain and first in whole:
                        self.events.append(library_frame(whole[first], data))
                        continue
                    opcode = opcodes[first & OPCODE_BITS]
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


def serialize(original: Function, module: Any) -> Function:
    data_opcodes = module.DATA_OPCODES

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
        key = new_key() if mask else None
        return serialize_frame(self.opcode, self.data, fin=self.fin, key=key)

    return serialize


def _sends(opcode: int) -> Callable[[Function, Any], Function]:
    def replacement(original: Function, module: Any) -> Function:
        server, opened = module.SERVER, module.OPEN
        send_frame = own_method(module.Protocol, "send_frame")

        def send(self: Any, data: Any, fin: bool = True) -> None:
            if (
                type(data) is bytes
                and fin is True
                and self._state is opened
                and not (self.expect_continuation_frame or self.extensions or self.debug)
                and type(self).send_frame is send_frame
                and "send_frame" not in self.__dict__
            ):
                key = None if self.side is server else new_key()
                self.writes.append(serialize_frame(opcode, data, key=key))
            else:
                original(self, data, fin)

        return send

    return replacement


send_text = _sends(_TEXT)
send_binary = _sends(_BINARY)


def apply_mask(original: Function, module: Any) -> Function:
    def apply_mask(data: Any, mask: Any) -> Any:
        if type(data) in _MASKED and type(mask) in _MASKED and len(mask) == KEY_SIZE:
            return masked(data, mask)
        return original(data, mask)

    return apply_mask


def new_key() -> bytes:
    """Draw a masking key, from a pool unless somebody looks at where the library's come from."""
    return masking_key() if secrets.token_bytes is _token_bytes else secrets.token_bytes(4)


def own_method(owner: type, name: str) -> Any:
    """Find a method that may be passed by; something that no method is, if it is not ``is_own``."""
    method = vars(owner)[name]
    return method if is_own(method) else object()


def is_own(method: Any) -> bool:
    """Tell a method of the library from one that somebody else has put into its place."""
    code = getattr(unwrap(method), "__code__", None)
    folder = dirname(sys.modules["websockets"].__file__ or "")
    return code is not None and code.co_filename.startswith(folder)
