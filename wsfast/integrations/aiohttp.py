"""aiohttp, servers and clients, on wsfast: ``patch()`` and ``unpatch()``.

====================================================  =============================================
seam                                                  what changes
====================================================  =============================================
``aiohttp.*.WebSocketReader``                         frames are split off many at a time and
                                                      unmasked, and texts decoded, in C
``aiohttp.*.WebSocketDataQueue``                      the library's own, in Python, for that reader
``aiohttp._websocket.writer`` ``.websocket_mask``     what is sent compressed is masked in C
``aiohttp._websocket.writer`` ``.WebSocketWriter``    a message in bytes becomes a frame in C
``.send_frame``
``aiohttp.web_ws`` ``.WebSocketResponse.send_str``,   a text becomes a frame in C, and is written in
``aiohttp.client_ws``                                 one step, without ``send_frame``
``.ClientWebSocketResponse.send_str``
``.__anext__`` of both                                ``async for`` takes a message that is there
                                                      without the two coroutines on the way
====================================================  =============================================

``*`` are the modules that hold the two classes by value. ``_aiohttp_reader`` says how they read.

What is rare stays the library's own: control frames, what is compressed, connections that close,
and writers of which a part has been overridden.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import MethodType, ModuleType
from typing import Any

from ..frames import serialize_frame
from ..kernels import apply_mask_inplace
from ..rfc6455 import KEY_SIZE, Opcode
from ._aiohttp_reader import queue_of, reader_of
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


def patch() -> bool:
    """Run aiohttp's WebSockets on wsfast: what is imported already, and what will be.

    Connections that are open go on reading as they began.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


_TEXT, _BINARY = Opcode.TEXT.value, Opcode.BINARY.value


def _websocket_mask(original: Function, module: Any) -> Function:
    def websocket_mask(mask: Any, data: Any) -> None:
        if type(mask) is bytes and len(mask) == KEY_SIZE and type(data) is bytearray:
            apply_mask_inplace(data, mask)
        else:
            original(mask, data)

    return websocket_mask


# The function that took the place of ``WebSocketWriter.send_frame``.
_built: dict[str, Any] = {}


def _send_frame(original: Function, module: Any) -> Function:
    write = vars(module.WebSocketWriter).get("_write_websocket_frame")  # from 3.13.2 on
    known = write is None or _from_one_file(write, original)
    pack_key, in_one_write = module.PACK_RANDBITS, module.MSG_SIZE

    async def send_frame(self: Any, message: Any, opcode: Any, compress: Any = None) -> None:
        if (
            type(message) is not bytes
            or (opcode != _TEXT and opcode != _BINARY)
            or compress
            or self.compress
            or self._closing
            or (len(message) > in_one_write and not self.use_mask)
            or not known
            or not (write is None or _runs(self._write_websocket_frame, write))
            or self.transport.is_closing()
        ):
            await original(self, message, opcode, compress)
            return
        frame = serialize_frame(
            opcode, message, key=pack_key(self.get_random_bits()) if self.use_mask else None
        )
        self.transport.write(frame)
        self._output_size += len(frame)
        if self._output_size > self._limit:
            self._output_size = 0
            if self.protocol._paused:
                await self.protocol._drain_helper()

    _built["send_frame"] = send_frame if known else None
    return send_frame


def _send_str(original: Function, module: Any) -> Function:
    writer_type = module.WebSocketWriter
    write = vars(writer_type).get("_write_websocket_frame")
    pack_key = sys.modules[writer_type.__module__].PACK_RANDBITS

    async def send_str(self: Any, data: Any, compress: Any = None) -> None:
        writer = self._writer
        if (
            type(data) is not str
            or compress
            or type(writer) is not writer_type
            or writer.compress
            or writer._closing
            or not _runs(writer.send_frame, _built["send_frame"])
            or not (write is None or _runs(writer._write_websocket_frame, write))
            or writer.transport.is_closing()
        ):
            await original(self, data, compress)
            return
        frame = serialize_frame(
            _TEXT, data, key=pack_key(writer.get_random_bits()) if writer.use_mask else None
        )
        writer.transport.write(frame)
        writer._output_size += len(frame)
        if writer._output_size > writer._limit:
            writer._output_size = 0
            if writer.protocol._paused:
                await writer.protocol._drain_helper()

    return send_str


def _anext(original: Function, module: Any) -> Function:
    response = getattr(module, "WebSocketResponse", None) or module.ClientWebSocketResponse
    receive = response.receive
    known = _from_one_file(receive, original)
    resets_heartbeat = known and "_reset_heartbeat" in receive.__code__.co_names  # until 3.14
    types = module.WSMsgType
    text, binary = types.TEXT, types.BINARY
    ends = (types.CLOSE, types.CLOSING, types.CLOSED)

    async def __anext__(self: Any) -> Any:
        reader = self._reader
        if (
            known
            and type(reader) is module.WebSocketDataQueue
            and reader._buffer
            and not self._waiting
            and not self._closing
            and not self._closed
            and self._close_wait is None
            and not (resets_heartbeat and self._heartbeat)
            and _runs(self.receive, receive)
        ):
            message = reader.take()
            if message is not None:
                return message
        message = await self.receive()
        if message.type is not text and message.type is not binary and message.type in ends:
            raise StopAsyncIteration
        return message

    return __anext__


def _from_one_file(function: Any, original: Function) -> bool:
    """Tell if a function is the library's own, as one whose source is known is, and no wrapper."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename == original.__code__.co_filename


def _runs(method: Any, function: Any) -> bool:
    """Tell if a method is this function, and neither a wrapper of it nor another's."""
    return type(method) is MethodType and method.__func__ is function


def _zlib(module: ModuleType) -> Sequence[Seam]:
    """Build the seams that do for one module what ``aiohttp.set_zlib_backend`` does."""

    def wrapped(original: Any, holder: Any) -> Any:
        return type(original)(module)

    return [
        Seam(holder, "ZLibBackend", ("an instance of ZLibBackendWrapper",), wrapped)
        for holder in ("aiohttp.compression_utils", "aiohttp._websocket.writer")
    ]


# The compiled class, and its source in Python, from the newest version to the oldest.
_READERS = (
    "built-in aiohttp._websocket.reader_c.WebSocketReader",
    *("a2db8242e7f2", "b858367bc107", "d2d20b0471e0", "c34519bf5e78", "c7a530cdc682"),  # 3.14
    *("c1010f13a8b1", "c1e45b96bcc2"),
)
_QUEUES = (
    "built-in aiohttp._websocket.reader_c.WebSocketDataQueue",
    *("526af2531df7", "b04ab5764509", "ee17d3303590"),
)
_ANEXT = ("f08acf504c97", "5df04a74dff9")

integration = Integration(
    "aiohttp",
    versions=(
        *("3.14.5", "3.14.4", "3.14.3", "3.14.2", "3.14.1", "3.14.0"),
        *("3.13.5", "3.13.4", "3.13.3", "3.13.2", "3.13.1", "3.13.0"),
        *("3.12.15", "3.12.14", "3.12.13", "3.12.12", "3.12.11", "3.12.10", "3.12.9", "3.12.8"),
        *("3.12.7", "3.12.6", "3.12.4", "3.12.3", "3.12.2", "3.12.1", "3.12.0"),
    ),
    seams=(
        *(
            Seam(module, "WebSocketReader", _READERS, reader_of)
            for module in (
                *("aiohttp._websocket.reader", "aiohttp.http_websocket", "aiohttp.http"),
                *("aiohttp.web_ws", "aiohttp.client"),
            )
        ),
        *(
            Seam(module, "WebSocketDataQueue", _QUEUES, queue_of)
            for module in (
                *("aiohttp._websocket.reader", "aiohttp.web_ws"),
                *("aiohttp.client", "aiohttp.client_ws"),
            )
        ),
        Seam(
            "aiohttp._websocket.writer",
            "websocket_mask",
            ("built-in aiohttp._websocket.mask._websocket_mask_cython", "dba1a81bce25"),
            _websocket_mask,
        ),
        Seam(
            "aiohttp._websocket.writer",
            "WebSocketWriter.send_frame",
            ("7ab812cc7056", "9c40d6521e64", "9b351e398378", "e1d9186dfbd3"),
            _send_frame,
        ),
        Seam(
            "aiohttp.web_ws",
            "WebSocketResponse.send_str",
            ("3a66e80f63de", "5cd23a44c30d"),
            _send_str,
        ),
        Seam(
            "aiohttp.client_ws",
            "ClientWebSocketResponse.send_str",
            ("88e8443d87b6", "3d6cb6d18c84"),
            _send_str,
        ),
        Seam("aiohttp.web_ws", "WebSocketResponse.__anext__", _ANEXT, _anext),
        Seam("aiohttp.client_ws", "ClientWebSocketResponse.__anext__", _ANEXT, _anext),
    ),
    gains=(
        "texts outside ASCII, long ones most; everything, where aiohttp runs without its extensions"
    ),
    deflate=_zlib,
)
