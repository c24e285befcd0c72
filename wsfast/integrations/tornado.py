"""tornado (servers and clients) on wsfast: ``patch()`` and ``unpatch()``.

==========================================  =======================================================
seam                                        what changes
==========================================  =======================================================
``WebSocketProtocol13._receive_frame``      a frame that is there is taken out of the stream's
                                            buffer at once, where each of its fields was a read
                                            with a future of its own
``WebSocketProtocol13._handle_message``     texts are decoded in C
``WebSocketProtocol13.write_message``       texts are encoded, framed and masked at once, in C, and
                                            what the socket takes at once needs no task
``_websocket_mask``, of                     frames and XSRF tokens are masked in C, also where
``tornado.websocket``, ``tornado.web``      tornado runs without its own extension
and ``tornado.util``
==========================================  =======================================================

The class is that of ``tornado.websocket``. The loop around ``_receive_frame`` is the library's own,
and with it the order of all events. So is what is rare: fragments, frames that break a rule,
headers in pieces, compression, control frames sent, a socket without room, writing through TLS.

What is left of the time of a small message is the system call that sends it, and the handler's.
"""

from __future__ import annotations

import asyncio
import sys
from types import CellType, CodeType, FunctionType
from typing import Any

from ..frames import serialize_frame
from ..kernels import apply_mask, decode_utf8
from ..rfc6455 import (
    CONTROL_BIT,
    FIN,
    KEY_SIZE,
    LENGTH_16,
    LENGTH_BITS,
    MASK,
    OPCODE_BITS,
    RSV1,
    RSV_BITS,
    Opcode,
)
from ._deflate import zlib_of
from ._rewrite import exchange_call
from ._seams import Function, Integration, Seam, fingerprint

__all__ = ["integration", "patch", "unpatch"]

_TEXT, _BINARY = Opcode.TEXT.value, Opcode.BINARY.value


def patch() -> bool:
    """Run tornado on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _websocket_mask(original: Function, module: Any) -> Function:
    # The library has two functions, one of them in C, which differ in the types that they take, in
    # their errors and in keywords. This is what they have in common.
    def _websocket_mask(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 2 and not kwargs:
            mask, data = args
            if type(mask) is bytes and type(data) is bytes and len(mask) == KEY_SIZE:
                return apply_mask(data, mask)
        return original(*args, **kwargs)

    return _websocket_mask


def _receive_frame(original: Function, module: Any) -> Function:
    own_read_bytes = _own(module.WebSocketProtocol13, "_read_bytes", "e70fe5d156b7")
    stream_read_bytes = _own(_iostream(module).BaseIOStream, "read_bytes", "317972ef0114")
    plain_streams = module.IOStream, _iostream(module).SSLIOStream

    async def _receive_frame(self: Any) -> None:
        stream = self.stream
        if (
            type(stream) not in plain_streams
            or stream._close_callback is not None
            or not _is(stream.read_bytes, stream_read_bytes)
            or not _is(self._read_bytes, own_read_bytes)
        ):
            await original(self)
            return
        listening = not stream._read_buffer and await _wait_for_bytes(stream)
        buffer = stream._read_buffer
        header = _plain_header(self, buffer)
        if header is None:
            if listening:
                _stop_listening(stream)
            await original(self)
            return
        first, size, key, length = header
        if self._decompressor is not None:
            self._frame_compressed = bool(first & RSV1)
        self._wire_bytes_in += size
        end = size + length
        if end <= len(buffer):
            data = buffer[size:end]
            _take(stream, end)
        else:
            _take(stream, size)
            reading = stream.read_bytes(length)
            listening = listening and reading.done()
            data = await reading
        self._wire_bytes_in += length
        handled: Any = NotImplemented  # if it raises
        try:
            handled = self._handle_message(
                first & OPCODE_BITS, apply_mask(data, key) if key else bytes(data)
            )
        finally:
            if listening and (stream._read_buffer or handled is not None):
                _stop_listening(stream)
        if handled is not None:
            await handled

    return _receive_frame


async def _wait_for_bytes(stream: Any) -> bool:
    """Wait until there are bytes in the read buffer of a stream, which is empty.

    Returns:
        Whether it goes on listening for more, where the original, which waits for two bytes and
        leaves the others in the buffer, would have made it stop. The next read makes it listen
        again; most often there is nothing in between that could tell, and two system calls are
        saved.
    """
    reading = stream.read_bytes(stream.max_buffer_size, partial=True)
    waited = not reading.done()
    arrived = await reading
    stream._read_buffer[:0] = arrived
    stream._read_buffer_size += len(arrived)
    return waited and len(arrived) > 2


def _stop_listening(stream: Any) -> None:
    """Stop reading ahead: nothing is read, nor is the end of the stream seen, before it is due."""
    if stream._state is not None:  # else it is closed
        stream._state &= ~stream.io_loop.READ
        stream.io_loop.update_handler(stream.fileno(), stream._state)


def _take(stream: Any, size: int) -> None:
    del stream._read_buffer[:size]
    stream._read_buffer_size -= size


def _plain_header(
    protocol: Any, buffer: bytearray
) -> tuple[int, int, bytearray | None, int] | None:
    """Read the header of a frame that is a message, or a control frame, by itself.

    Returns:
        Its first byte, its size, the masking key and the length of the payload; None if the header
        is not all there, or if it is for the original to judge.
    """
    available = len(buffer)
    if available < 2 or protocol._fragmented_message_buffer is not None:
        return None
    first, second = buffer[0], buffer[1]
    if not first & FIN or not first & OPCODE_BITS:
        return None
    reserved = first & RSV_BITS
    if reserved and (reserved != RSV1 or protocol._decompressor is None):
        return None
    length = second & LENGTH_BITS
    size = 2
    if length >= LENGTH_16:
        if first & CONTROL_BIT:
            return None
        size = 4 if length == LENGTH_16 else 10
        length = int.from_bytes(buffer[2:size], "big")
    key = None
    if second & MASK:
        size += KEY_SIZE
        key = buffer[size - KEY_SIZE : size]
    limit = protocol.params.max_message_size
    if size > available or type(limit) is not int or length > limit:
        return None
    return first, size, key, length


def _handle_message(original: Function, module: Any) -> Function:
    return exchange_call(original, "decode", decode_utf8, "utf-8")


def _write_message(original: Function, module: Any) -> Function:
    own_write_frame = _own(module.WebSocketProtocol13, "_write_frame", "5972981bcbf6")
    stream_write = _own(_iostream(module).BaseIOStream, "write", "359435fb31c5", "5aef2d0d76a1")
    plain_stream, os = module.IOStream, module.os
    # On Windows, sockets fail with much at once instead of taking a part, so the stream cuts it up.
    most = 128 * 1024 if _iostream(module)._WINDOWS else sys.maxsize
    (wrapper,) = (each for each in original.__code__.co_consts if isinstance(each, CodeType))

    def flushed(writing: Any) -> Any:
        # The coroutine function inside the original, which turns one error into another.
        return FunctionType(wrapper, original.__globals__, closure=(CellType(writing),))()

    def write_message(self: Any, message: Any, binary: bool = False) -> Any:
        stream = self.stream
        loop = asyncio._get_running_loop()
        if (
            type(message) not in (str, bytes)
            or self._compressor
            or loop is None
            or loop.get_task_factory() is not None
            or type(stream) is not plain_stream
            or stream._write_futures
            or stream._closed
            or stream._connecting
            or stream.max_write_buffer_size is not None
            or "write_to_fd" in vars(stream)
            or not _is(stream.write, stream_write)
            or not _is(self._write_frame, own_write_frame)
        ):
            return original(self, message, binary)
        key = os.urandom(KEY_SIZE) if self.mask_outgoing else None
        try:
            frame = serialize_frame(_BINARY if binary else _TEXT, message, key=key)
        except UnicodeEncodeError:
            frame = b""
        if not frame:
            return original(self, message, binary)
        size = len(frame)
        header = KEY_SIZE if key else 0
        header += 2 if size - header < 128 else 4 if size - header < 4 + (1 << 16) else 10
        self._message_bytes_out += size - header
        self._wire_bytes_out += size
        if size > most:
            return asyncio.ensure_future(flushed(stream.write(frame)))
        result: Any
        try:
            with memoryview(frame) as data:
                result = stream.write_to_fd(data)
        except Exception as exc:
            result = exc
        if result != size:
            stream.write_to_fd = _Once(stream, result)
            return asyncio.ensure_future(flushed(stream.write(frame)))
        stream._total_write_index += size
        stream._total_write_done_index += size
        stream._maybe_add_error_listener()
        sent = loop.create_future()
        loop.call_soon(_finish, sent)
        return sent

    return write_message


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Once:
    """Takes the place of a stream's ``write_to_fd`` once, to tell what it has answered already.

    For what that means, to the buffers and to all that follows, is known to the stream.
    """

    def __init__(self, stream: Any, result: Any) -> None:
        self._stream = stream
        self._result = result

    def __call__(self, data: Any) -> Any:
        del self._stream.write_to_fd
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def _is(method: Any, function: Function) -> bool:
    """Tell whether that is what a method is, and no override."""
    return getattr(method, "__func__", None) is function


def _own(owner: Any, name: str, *originals: str) -> Function:
    """Find a method that a replacement skips, if it is the library's own."""
    method: Function = vars(owner)[name]
    if fingerprint(method) not in originals:
        raise LookupError(f"{owner.__qualname__}.{name} is not what wsfast knows")
    return method


def _iostream(module: Any) -> Any:
    return sys.modules[module.IOStream.__module__]


_PROTOCOL = "WebSocketProtocol13"
_MASKS = "built-in tornado.speedups.websocket_mask", "69030fc92f40", "7ed285b22022"

# Of each function, the originals in all these versions, from the newest to the oldest.
integration = Integration(
    "tornado",
    versions=(
        *("6.6.1", "6.6"),
        *("6.5.10", "6.5.9", "6.5.8", "6.5.7", "6.5.6"),
        *("6.5.5", "6.5.4", "6.5.3", "6.5.2", "6.5.1", "6.5"),
        *("6.4.2", "6.4.1", "6.4"),
    ),
    seams=(
        Seam("tornado.util", "_websocket_mask", _MASKS, _websocket_mask),
        Seam("tornado.web", "_websocket_mask", _MASKS, _websocket_mask),
        Seam("tornado.websocket", "_websocket_mask", _MASKS, _websocket_mask),
        Seam("tornado.websocket", f"{_PROTOCOL}._receive_frame", ("1f0ef857d4df",), _receive_frame),
        Seam(
            "tornado.websocket",
            f"{_PROTOCOL}._handle_message",
            ("61f43d09e004", "bc7eada534df", "275103d09fc7"),
            _handle_message,
        ),
        Seam(
            "tornado.websocket",
            f"{_PROTOCOL}.write_message",
            ("e085015d2faf", "9b75f174cbff"),
            _write_message,
        ),
    ),
    gains=(
        "servers and clients take small messages more than twice as fast, and large texts outside "
        "ASCII too; without tornado's own extension, many times as fast; also jupyter_server"
    ),
    deflate=zlib_of("tornado.websocket"),
)
