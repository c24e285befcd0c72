"""Messages in Python: the specification of ``messages_c``.

Wire to messages and messages to wire. Knows frames and every rule of RFC 6455 section 5, fragments
and UTF-8 included; no idea what a connection is.
"""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import NoReturn

from ..exceptions import ProtocolError
from ..kernels.buffers import Buffer, bytes_of, not_copied
from ..kernels.mask_py import rotate_key, xor
from ..kernels.utf8_py import Utf8Validator, encode_utf8, first_error
from ..rfc6455 import (
    CONTROL_BIT,
    FIN,
    MASK,
    OPCODE_BITS,
    RSV1,
    Opcode,
    Role,
)
from . import violations
from .arguments import INTERRUPTED, expects_mask, fragment_size_of, limit_of
from .codec_py import header, read_header
from .keys_py import masking_key
from .memory_py import memory_of
from .received import Close, CompressedMessage, Ping, Pong, Received

__all__ = ["MessageDecoder", "MessageEncoder", "encode_message"]

_Utf8Decoder = getincrementaldecoder("utf-8")

_TEXT = Opcode.TEXT.value
_BINARY = Opcode.BINARY.value
_CLOSE = Opcode.CLOSE.value
_PING = Opcode.PING.value


class MessageDecoder:
    """Decode the messages of one direction of a connection, from pieces of any size.

    One call a read. Headers, masks, fragments, UTF-8 and every rule of RFC 6455 section 5 are dealt
    with inside. The cost of a message is linear in its length, however the wire is cut, and memory
    follows the bytes that have arrived, never a length that a header declares. A decoder belongs to
    one connection and one thread at a time.

    Args:
        role: which end of the connection we are. A server wants masked frames, a client unmasked.
        max_size: most bytes in a message, on the wire; None for no limit.
        max_frame_size: most bytes in the payload of a data frame; None for no limit.
        max_fragments: most frames in a message; None for no limit.
        compression: whether permessage-deflate was negotiated, so that RSV1 may mark messages as
            compressed (RFC 7692 section 6.2). They come as ``CompressedMessage``.
        decode: whether text comes as ``str``; else as ``bytes`` that are valid UTF-8.

    Raises:
        TypeError: ``role`` is not a Role, or a limit not an int.
        ValueError: a limit is negative.

    >>> decoder = MessageDecoder(Role.CLIENT)
    >>> decoder.feed(bytes.fromhex("81 05 48 65 6c 6c 6f  89 00  82 01"))
    ['Hello', Ping(payload=b'')]
    >>> decoder.feed(bytes.fromhex("ff"))
    [b'\\xff']
    """

    __slots__ = (
        "_allowed_rsv",
        "_closed",
        "_control",
        "_decode_text",
        "_failure",
        "_first",
        "_fragments",
        "_head",
        "_key",
        "_masked",
        "_max_fragments",
        "_max_frame_size",
        "_max_size",
        "_message",
        "_opening",
        "_remaining",
        "_taken",
        "_utf8",
    )

    def __init__(
        self,
        role: Role,
        *,
        max_size: int | None = 1 << 20,
        max_frame_size: int | None = None,
        max_fragments: int | None = 1 << 17,
        compression: bool = False,
        decode: bool = True,
    ) -> None:
        masked = expects_mask(role)
        limits = (
            limit_of(max_size, "max_size"),
            limit_of(max_frame_size, "max_frame_size"),
            limit_of(max_fragments, "max_fragments"),
        )
        allowed_rsv, decode_text = RSV1 if compression else 0, bool(decode)
        message, utf8 = bytearray(), Utf8Validator()
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        self._masked = masked
        self._max_size, self._max_frame_size, self._max_fragments = limits
        self._allowed_rsv = allowed_rsv
        self._decode_text = decode_text
        self._closed = False
        self._failure: tuple[type[Exception], tuple[object, ...]] | None = None
        self._head = b""  # what has come of a header that is not complete
        # The frame whose payload is coming:
        self._first = 0
        self._key = b""
        self._remaining = -1  # bytes of payload to come; -1 between frames
        self._control = b""  # the payload so far of a control frame
        # The message whose frames are coming:
        self._opening = 0  # first byte of its first header
        self._fragments = 0  # its frames so far; 0 between messages
        self._message = message
        self._taken = 0  # bytes of it that take_partial() has handed out
        self._utf8 = utf8

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def feed(self, data: Buffer) -> list[Received]:
        """Take the next bytes from the wire.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.

        Returns:
            What is complete with it, in order: ``str`` for a text message, ``bytes`` for a binary
            one, ``Ping``, ``Pong`` and ``Close`` for control frames, ``CompressedMessage``.
            After a ``Close`` everything is discarded (section 1.4).

        Raises:
            ProtocolError: the peer broke a rule. ``completed`` holds what came before that. The
                decoder stays failed: whatever else it is fed, it raises the same error.
            InvalidUtf8: text is not UTF-8; raised with the first bad byte.
            MessageTooBig: a limit is passed; raised with the header that says so.
            RuntimeError: an earlier call was interrupted or has not returned; make another decoder.
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
        """
        return self.feed_within(data, None)[0]

    def feed_within(self, data: Buffer, budget: int | None) -> tuple[list[Received], int]:
        """Take the next bytes from the wire, as ``feed`` does, but stop at a budget of memory.

        For whoever lets messages wait and has to bound what they cost: a byte of the wire may cost
        35 of memory. It stops between two messages, as soon as those that it has made cost
        ``budget`` or more. A message that is complete is made in any case.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.
            budget: bytes of memory, as ``memory_of`` counts them; None for no limit.

        Returns:
            What ``feed`` returns, as far as it went; and how many bytes of ``data`` it has used:
            all, unless it stopped. The others have to be fed next.

        Raises:
            TypeError: ``budget`` is not an int, or what ``feed`` raises.
            ValueError: ``budget`` is negative, or what ``feed`` raises.
            ProtocolError, RuntimeError: as ``feed`` raises them.

        >>> decoder = MessageDecoder(Role.CLIENT)
        >>> decoder.feed_within(bytes.fromhex("81 01 41  81 01 42"), 50)
        (['A'], 3)
        """
        budget = limit_of(budget, "budget")
        data = bytes_of(data, "data")
        if self._failure is not None:
            error, arguments = self._failure
            raise error(*arguments)
        self._failure = INTERRUPTED
        received: list[Received] = []
        try:
            used = self._decode(data, received, budget)
        except ProtocolError as exc:
            exc.completed = received
            self._failure = type(exc), exc.args
            self._drop_message()
            raise
        result = received, used
        self._failure = None
        return result

    def take_partial(self) -> str | bytes | None:
        """Take what has come so far of the message in progress, and go on with the rest.

        What ``feed`` returns in the end is then only the rest of the message. All limits still hold
        for the whole message.

        Returns:
            Text up to its last whole character, or bytes; None where there is nothing to take, or
            the message is compressed.

        >>> decoder = MessageDecoder(Role.CLIENT)
        >>> decoder.feed(bytes.fromhex("81 05 48 65 6c"))
        []
        >>> decoder.take_partial()
        'Hel'
        >>> decoder.feed(bytes.fromhex("6c 6f"))
        ['lo']
        """
        if self._fragments == 0 or self._opening & RSV1 or self._failure is not None:
            return None
        piece, rest = bytes(self._message), b""
        if self._opening & OPCODE_BITS == _TEXT:
            decoder = _Utf8Decoder()
            text = decoder.decode(piece)
            rest = decoder.getstate()[0]
            piece = piece[: len(piece) - len(rest)]
        if not piece:
            return None
        message, taken = bytearray(rest), self._taken + len(piece)
        # Nothing can fail from here on: what is not returned has not been taken.
        self._message, self._taken = message, taken
        return text if self._opening & OPCODE_BITS == _TEXT and self._decode_text else piece

    @property
    def unfinished(self) -> bool:
        """Whether a message is in progress: its first frame has begun, its last has not ended."""
        return self._fragments > 0

    def _decode(self, data: bytes, received: list[Received], budget: int) -> int:
        """Decode until nothing is left, or the messages cost ``budget``. Returns how many bytes of
        ``data`` were used."""
        size = end = len(data)
        position = counted = cost = 0
        counts = budget < sys.maxsize
        while position < end and not self._closed:
            if counts and len(received) > counted:
                cost += memory_of(received[counted])
                counted += 1
                if cost >= budget:
                    return size - (end - position)
            if self._remaining < 0:
                if self._head:
                    data, position = self._head + data[position:], 0
                    end, self._head = len(data), b""
                found = read_header(
                    data,
                    position,
                    self._masked,
                    self._allowed_rsv,
                    self._fragments > 0,
                    sys.maxsize,
                )
                if found is None:
                    self._head = data[position:]
                    return size
                position, first, length, key = found
                self._first, self._remaining, self._key = first, length, key
                if not first & CONTROL_BIT:
                    self._begin_frame(first, length)
                    if first & FIN and self._fragments == 1 and length <= end - position:
                        payload = data[position : position + length]
                        if self._masked:
                            payload = xor(payload, key)
                        position += length
                        self._remaining = -1
                        received.append(self._complete_message(payload))
                        continue
            piece = data[position : position + self._remaining]
            position += len(piece)
            self._remaining -= len(piece)
            if self._masked and piece:
                key = self._key
                self._key = rotate_key(key, len(piece))
                piece = xor(piece, key)
            if self._first & CONTROL_BIT:
                self._control += piece
            else:
                self._add_to_message(piece)
            if self._remaining == 0:
                self._remaining = -1
                if self._first & CONTROL_BIT:
                    received.append(self._complete_control_frame())
                elif self._first & FIN:
                    received.append(self._complete_message(bytes(self._message)))
        return size

    def _begin_frame(self, first: int, length: int) -> None:
        """Begin a data frame: count it, and hold its declared length against the limits."""
        if first & OPCODE_BITS:
            self._opening = first
        self._fragments += 1
        if self._fragments > self._max_fragments:
            raise violations.too_many_fragments(self._max_fragments)
        if length > self._max_frame_size:
            raise violations.frame_too_big(length, self._max_frame_size)
        size = self._taken + len(self._message) + length
        if size > self._max_size:
            raise violations.message_too_big(size, self._max_size)

    def _add_to_message(self, piece: bytes) -> None:
        self._message += piece
        if self._opening & (RSV1 | OPCODE_BITS) == _TEXT:
            valid, _, _, index = self._utf8.validate(piece)
            if not valid:
                raise violations.invalid_utf8(index)

    def _complete_message(self, payload: bytes) -> str | bytes | CompressedMessage:
        opcode, taken = self._opening & OPCODE_BITS, self._taken
        self._drop_message()
        if self._opening & RSV1:
            return CompressedMessage(Opcode(opcode), payload)
        if opcode == _BINARY:
            return payload
        try:
            text = payload.decode()
        except UnicodeDecodeError as exc:
            index = first_error(exc)
        else:
            return text if self._decode_text else payload
        raise violations.invalid_utf8(taken + index, taken + len(payload))

    def _drop_message(self) -> None:
        self._fragments = 0
        if self._message or self._taken:
            self._message = bytearray()
            self._taken = 0
            self._utf8.reset()

    def _complete_control_frame(self) -> Ping | Pong | Close:
        opcode, payload = self._first & OPCODE_BITS, self._control
        self._control = b""
        if opcode == _PING:
            return Ping(payload)
        if opcode == _CLOSE:
            close = Close.from_payload(payload)
            self._closed = True
            self._drop_message()
            return close
        return Pong(payload)


class MessageEncoder:
    """Encode messages for one direction of a connection.

    Args:
        role: which end of the connection we are. A client masks every frame with a key of its own
            (RFC 6455 section 5.3), a server does not.
        fragment_size: most bytes in the payload of a frame, 1 or more; a longer message is sent in
            fragments. None sends every message in one frame.

    Raises:
        TypeError: ``role`` is not a Role, or ``fragment_size`` not an int.
        ValueError: ``fragment_size`` is not 1 or more.

    >>> MessageEncoder(Role.SERVER, fragment_size=3).encode("Hello").hex(" ")
    '01 03 48 65 6c 80 02 6c 6f'
    """

    __slots__ = ("_fragment_size", "_masks")

    def __init__(self, role: Role, *, fragment_size: int | None = None) -> None:
        masks, fragment_size = not expects_mask(role), fragment_size_of(fragment_size)
        # Nothing can fail from here on, so that a second call leaves no half of the first.
        self._masks, self._fragment_size = masks, fragment_size

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def encode(self, message: str | Buffer) -> bytes:
        """Encode one message.

        Args:
            message: text, or anything bytes-like and contiguous for a binary message.

        Returns:
            Its frames, as they go onto the wire.

        Raises:
            UnicodeEncodeError: text with a surrogate in it.
            TypeError: neither text nor bytes-like.
            ValueError: bytes that are not contiguous.
        """
        opcode, payload = _payload_of(message)
        return b"".join(self._frames(opcode, payload))

    def encode_all(self, messages: Iterable[str | Buffer]) -> bytes:
        """Encode many messages into one piece, to be written at once.

        Args:
            messages: each as ``encode`` takes it.

        Returns:
            The frames of all of them, in order.

        Raises:
            UnicodeEncodeError: text with a surrogate in it; nothing is encoded then.
            TypeError: a message that is neither text nor bytes-like.
            ValueError: bytes that are not contiguous.
        """
        held = [
            message if isinstance(message, (str, bytes)) else bytes_of(message, "message")
            for message in messages
        ]
        # All of them before the first masking key is drawn.
        payloads = [_payload_of(message) for message in held]
        return b"".join([piece for payload in payloads for piece in self._frames(*payload)])

    def _frames(self, opcode: int, payload: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        position, end = 0, len(payload)
        while True:
            fragment = payload[position : position + self._fragment_size]
            first = opcode if position == 0 else 0
            position += len(fragment)
            if position == end:
                first |= FIN
            if self._masks:
                key = masking_key()
                pieces += header(first, len(fragment), MASK), key, xor(fragment, key)
            else:
                pieces += header(first, len(fragment), 0), fragment
            if position == end:
                return pieces


def _payload_of(message: str | Buffer) -> tuple[int, bytes]:
    """The opcode and the payload that a message is sent as."""
    if isinstance(message, str):
        return _TEXT, encode_utf8(message)
    return _BINARY, bytes_of(message, "message")


def encode_message(message: str | Buffer, role: Role, *, fragment_size: int | None = None) -> bytes:
    """Encode one message, as ``MessageEncoder(role, fragment_size=...).encode(message)`` does.

    See ``MessageEncoder`` for the arguments and the errors.

    >>> encode_message("Hello", Role.SERVER).hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    return MessageEncoder(role, fragment_size=fragment_size).encode(message)
