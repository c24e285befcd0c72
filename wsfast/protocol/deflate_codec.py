"""DEFLATE of messages: RFC 7692 section 7.2, on zlib or one of its faster relatives.

Knows payloads and what was negotiated about them; no idea of headers, frames, opcodes, or of the
handshake that negotiated.

What a connection keeps allocated once it has sent or received a compressed message, in KiB; idle is
what ``release`` leaves of both, at most::

    backend    window bits, mem_level    compressor    decompressor    idle
    zlib       12, 5 (the default)               38              11       4
    zlib       15, 8 (zlib's own)               262              39      32
    zlib-ng    12, 5                            160              41       4
    zlib-ng    15, 8                            342              41      32
    isal       12, 5                            229              85      85
    isal       15, 8                            357              85      85
"""

from __future__ import annotations

import sys
import zlib
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from ..exceptions import ProtocolError
from ..frames.violations import message_too_big
from ..kernels.buffers import Buffer
from ..rfc6455 import CloseCode

__all__ = ["BACKENDS", "Backend", "DeflateCodec", "load_backend"]

# What a flush leaves at the end of a message: a block without compression and without content.
# Senders cut these bytes off, receivers put them back (sections 7.2.1 and 7.2.2).
_TAIL = b"\x00\x00\xff\xff"

# Section 7.2.3.6: what is left of that block when it is all that a message has.
_EMPTY = b"\x00"

# zlib cannot compress raw data with a window of 256 bytes, which is 8 bits; and one that was asked
# to used 9 in silence for many years, so that a peer held to 8 may still refer 512 bytes back.
_LEAST_ZLIB_BITS = 9

# Each needs a decompressor of its own, and copies what is behind it: a message made of nothing else
# must not keep us busy for seconds. A peer that knows no other flush sends one a fragment.
_MAX_FINAL_BLOCKS = 64

# The most that one repetition of DEFLATE yields.
_MAX_REPEAT = 258


class Backend(NamedTuple):
    """A library that can do the work."""

    module: str
    package: str  # what to install; empty for what Python brings
    default_level: int
    max_level: int


BACKENDS = {
    "zlib": Backend("zlib", "", 6, 9),
    "zlib-ng": Backend("zlib_ng.zlib_ng", "zlib-ng", 6, 9),
    "isal": Backend("isal.isal_zlib", "isal", 1, 3),
}


def load_backend(name: str) -> ModuleType:
    """Import a backend.

    Args:
        name: a key of ``BACKENDS``.

    Returns:
        A module with the interface of ``zlib``.

    Raises:
        ImportError: it is not installed; the text says what to install.
    """
    backend = BACKENDS[name]
    try:
        return import_module(backend.module)
    except ImportError as exc:
        raise ImportError(
            f"the deflate backend {name!r} needs the package {backend.package}: "
            f"pip install {backend.package}"
        ) from exc


class DeflateCodec:
    """Compress and decompress the messages of one connection.

    Compressor and decompressor are made when they are first needed, so that a connection that never
    sees a compressed message pays for neither. A codec belongs to one connection and one
    thread at a time, and is of no more use after an error, which is the end of its connection.

    Args:
        deflate_bits: 8 to 15; what we compress refers at most ``2 ** deflate_bits`` bytes back.
        inflate_bits: 8 to 15; the same of what we receive.
        deflate_takeover: whether what we compress may refer to earlier messages.
        inflate_takeover: the same of what we receive.
        level: how hard to try, as the backend counts.
        mem_level: 1 to 9, how much memory to compress with; ``zlib.compressobj`` explains it.
        threshold: in bytes; for the caller, who should not compress smaller messages.
        backend: a key of ``BACKENDS``, which must be installed.
    """

    __slots__ = (
        "_backend",
        "_deflate_bits",
        "_deflate_takeover",
        "_deflater",
        "_error",
        "_history",
        "_inflate_bits",
        "_inflate_takeover",
        "_inflater",
        "_level",
        "_mem_level",
        "threshold",
    )

    def __init__(
        self,
        *,
        deflate_bits: int,
        inflate_bits: int,
        deflate_takeover: bool,
        inflate_takeover: bool,
        level: int,
        mem_level: int,
        threshold: int,
        backend: str = "zlib",
    ) -> None:
        self.threshold = threshold
        self._backend = load_backend(backend)
        self._error: type[Exception] = self._backend.error
        self._level = level
        self._mem_level = mem_level
        self._deflate_bits = deflate_bits
        self._deflate_takeover = deflate_takeover
        self._deflater: Any = None
        self._inflate_bits = max(inflate_bits, _LEAST_ZLIB_BITS)
        self._inflate_takeover = inflate_takeover
        self._inflater: Any = None
        self._history = b""  # what the next decompressor must know of earlier messages

    def compress(self, payload: Buffer) -> bytes:
        """Compress a whole message (section 7.2.1).

        Args:
            payload: what the message says, of any length.

        Returns:
            The payload to send, with RSV1 set in the message's first frame. It must be sent, and in
            the order of the calls: later messages may refer to it.

        Raises:
            TypeError: ``payload`` is not bytes-like.
        """
        return self.compress_piece(payload, True)

    def compress_piece(self, piece: Buffer, last: bool) -> bytes:
        """Compress the next piece of a message that is sent in fragments (section 7.2.1).

        Args:
            piece: what the message says next, of any length.
            last: whether the message ends with it.

        Returns:
            The payload of the next fragment, from which the peer can already decompress the whole
            piece. RSV1 is set in the message's first frame only (section 6.1).

        Raises:
            TypeError: ``piece`` is not bytes-like.
        """
        deflater = self._deflater
        if deflater is None:
            deflater = self._make_deflater()
        else:
            # Whatever breaks out of the work (Ctrl-C, say) must not leave half a message inside.
            self._deflater = None
        data: bytes = deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH)
        if self._deflate_takeover or not last:
            self._deflater = deflater
        return (data[:-4] or _EMPTY) if last else data

    def decompress(self, payload: bytes, max_size: int | None) -> bytes:
        """Decompress a whole message (section 7.2.2).

        Memory stays in proportion to ``max_size``, whatever the payload would grow to. A message
        that ends inside a block is not noticed, for zlib does not tell; what it says up to there is
        what it says. A payload without a byte, which no sender should make of an empty message, is
        taken for one.

        Args:
            payload: the payloads of the message's frames, joined.
            max_size: most bytes that the message may have; None for no limit.

        Returns:
            What the message says; text in it has not been validated.

        Raises:
            MessageTooBig: it has more than ``max_size`` bytes; not more than one of them was made
                beyond the limit.
            ProtocolError: it is not DEFLATE, or refers to what is not in the window.
        """
        if not payload:
            return b""
        inflater = self._inflater
        if inflater is None:
            inflater = self._make_inflater(self._history)
            self._history = b""
            if self._inflate_takeover:
                self._inflater = inflater
        # To a backend, 0 is no limit.
        limit = 0 if max_size is None or max_size >= sys.maxsize else max_size + 1
        try:
            message: bytes = inflater.decompress(payload + _TAIL, limit)
            if inflater.eof:
                message = self._pass_final_blocks(inflater, message, limit)
        except self._error as exc:
            raise _bad_deflate(str(exc)) from None
        if 0 < limit <= len(message):
            raise message_too_big(limit, limit - 1)
        return message

    def release(self) -> None:
        """Give up the memory that an idle connection does not need.

        The compressor goes: a new one does not refer back, so what it makes fits any stream. The
        decompressor is reduced to what it has of its window, which the peer may refer to. That
        takes some 10 microseconds, so it is for connections that have been silent for
        seconds. isal cannot be asked for its window, and its decompressor is kept.
        """
        self._deflater = None
        inflater = self._inflater
        if inflater is not None and hasattr(inflater, "copy"):
            self._history = _window_of(inflater, 1 << self._inflate_bits, self._error)
            self._inflater = None

    def _make_deflater(self) -> Any:
        if self._deflate_bits < _LEAST_ZLIB_BITS:
            # Huffman codes alone do not refer back, and so keep within any window.
            return zlib.compressobj(
                self._level, zlib.DEFLATED, -_LEAST_ZLIB_BITS, self._mem_level, zlib.Z_HUFFMAN_ONLY
            )
        return self._backend.compressobj(
            self._level, zlib.DEFLATED, -self._deflate_bits, self._mem_level
        )

    def _make_inflater(self, history: bytes) -> Any:
        if history:
            return self._backend.decompressobj(-self._inflate_bits, zdict=history)
        return self._backend.decompressobj(-self._inflate_bits)

    def _pass_final_blocks(self, inflater: Any, message: bytes, limit: int) -> bytes:
        """Go on behind blocks with BFINAL set, where backends stop (section 7.2.3.4).

        What follows may refer to this message. Of earlier ones a stopped backend tells nothing;
        but to refer to those, a peer would have to restore a window that its own finishing erased.
        """
        pieces = [message]
        size = len(message)
        window = message
        for _ in range(_MAX_FINAL_BLOCKS):
            if 0 < limit <= size:
                break
            rest = inflater.unused_data
            if not rest.endswith(_TAIL):
                raise _bad_deflate("the message ends inside its final block")
            window = window[-(1 << self._inflate_bits) :]
            inflater = self._make_inflater(window)
            if self._inflate_takeover:
                self._inflater = inflater
            # Nothing but the tail: the message lacks the header of an empty block that
            # section 7.2.1 wants behind its final one, and is complete all the same.
            if rest == _TAIL:
                break
            piece = inflater.decompress(rest, limit and limit - size)
            pieces.append(piece)
            size += len(piece)
            if not inflater.eof:
                break
            window += piece
        else:
            raise _bad_deflate(f"the message has more than {_MAX_FINAL_BLOCKS} final blocks")
        return b"".join(pieces)


def _bad_deflate(what: str) -> ProtocolError:
    """Build the error for a payload that does not decompress.

    RFC 7692 names no close code. The frames are in order and what a message holds is not what it
    should be, which is the case of 1007 (RFC 6455 section 7.4.1), and what Autobahn sends.
    """
    error = ProtocolError("bad_deflate", f"compressed message is not valid DEFLATE: {what}")
    error.close_code = CloseCode.INVALID_PAYLOAD
    return error


def _window_of(inflater: Any, size: int, error: type[Exception]) -> bytes:
    """Read the last bytes, ``size`` at most, that have gone through a decompressor.

    Nothing answers that; but a block that repeats what was ``distance`` bytes ago does, if it is
    fed to a copy. Distances beyond the first byte are an error, which tells how many there are.
    """

    def reaches(distance: int) -> bool:
        try:
            return len(inflater.copy().decompress(_repeats(distance, 1), 1)) == 1
        except error:
            return False

    distance, step = 0, size
    while step:
        if distance + step <= size and reaches(distance + step):
            distance += step
        step >>= 1
    if not distance:
        return b""
    block = _repeats(distance, -(-distance // _MAX_REPEAT))
    window: bytes = inflater.copy().decompress(block, distance)
    return window


def _repeats(distance: int, count: int) -> bytes:
    """Write a final block of ``count`` times 258 bytes, each from ``distance`` bytes before.

    RFC 1951: section 3.1.1 for the order of the bits, 3.2.5 and 3.2.6 for the codes.
    """
    code, extra, extra_bits = distance - 1, 0, 0
    if distance > 4:
        extra_bits = code.bit_length() - 2
        extra = code & ((1 << extra_bits) - 1)
        code = 2 * extra_bits + (code >> extra_bits)
    backwards = int(f"{code:05b}"[::-1], 2)  # Huffman codes begin at their highest bit
    length = 0b1010_0011  # the code of 258, backwards
    repeat = length | backwards << 8 | extra << 13
    bits, position = 0b011, 3  # the last block, of fixed Huffman codes
    for _ in range(count):
        bits |= repeat << position
        position += 13 + extra_bits
    return bits.to_bytes(position // 8 + 2, "little")  # the end of the block is 7 bits of 0
