"""autobahn (Twisted and asyncio) on wsfast: ``patch()`` and ``unpatch()``.

======================================  ===========================================================
seam                                    what changes
======================================  ===========================================================
``WebSocketProtocol.processData``       all complete frames of a read are split off and unmasked at
                                        once, in C; the library slices what is left for each
``WebSocketProtocol.sendFrame``         header, mask and payload are written at once, in C
``WebSocketProtocol.sendData``          a debug message is not composed if it goes nowhere, which
                                        took a third of the time of a short message
``create_xor_masker``                   frames that come in pieces are unmasked in C
``Utf8Validator``                       their text, and close reasons, are validated in C
``WebSocketAdapterProtocol              as ``sendData``, for each read
.dataReceived``
``yields``                              a hook that returned None is not asked whether it waits
======================================  ===========================================================

The first five are in ``autobahn.websocket.protocol``, the others in ``autobahn.twisted.websocket``
and ``autobahn.asyncio.websocket``. All are looked up at call time, so that it does not matter who
has imported what before. daphne is reached through them, and Django's channels through daphne.

The library calls a dozen hooks for a message. A whole and plain one goes to ``_onMessage`` at once,
as long as none of the others is a subclass's or has been put on a class or on the instance. All
else goes the library's way, frame by frame: fragments, control frames, compressed messages, what is
wrong, what comes while the connection closes, and whatever is to be logged or timed. What the
library notes about a frame in progress (``current_frame``, ``message_data`` and the like) is not
kept up for a message that is taken at once.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from types import FunctionType
from typing import Any

from ..frames import serialize_frame, split_frames
from ..kernels import Utf8Validator, apply_mask, is_valid_utf8
from ..rfc6455 import FIN, LENGTH_16, Opcode, Role
from ._deflate import zlib_of
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]

_TEXT = FIN | Opcode.TEXT.value
_BINARY = FIN | Opcode.BINARY.value
_PLAIN = (_TEXT, _BINARY)
_DATA_OPCODES = (Opcode.CONTINUATION.value, Opcode.TEXT.value, Opcode.BINARY.value)


def patch() -> bool:
    """Run autobahn on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _process_data(original: Function, module: Any) -> Function:
    opened = module.WebSocketProtocol.STATE_OPEN
    closed = module.WebSocketProtocol.STATE_CLOSED
    # Stands in current_frame while a message is delivered, as the library's own header does.
    delivering = module.FrameHeader(Opcode.TEXT.value, True, 0, 0, None)

    def fire(self: Any, payload: bytes, is_binary: bool) -> None:
        def failed(failure: Any) -> None:
            self.log.error("Firing signal 'message' failed: {fail}", fail=failure)

        fired = self.fire("message", payload, is_binary=is_binary)
        module.txaio.add_callbacks(fired, None, failed)

    def processData(self: Any) -> Any:
        if self.current_frame is not None:
            # A transport in memory may bring more while a message is delivered: that has to wait.
            return self.current_frame is not delivering and original(self)
        data = self.data
        if (
            self.state != opened
            or self.inside_message  # then no frame is plain
            or not self.applyMask
            or _overrides_hooks(self)
        ):
            return original(self)
        masked = self.factory.isServer
        frames = split_frames(data, Role.SERVER if masked else Role.CLIENT)[0]
        if not frames:
            return original(self)
        self.data = b""
        taken = 0
        try:
            for first, payload in frames:
                if self.data or self.state == closed:
                    break
                length = len(payload)
                start = taken
                taken += _header_size(length, masked) + length
                if (
                    first in _PLAIN
                    and self.state == opened
                    and not self.failedByMe
                    and not self.logFrames
                    and self.trackedTimings is None
                    and not 0 < self.maxMessagePayloadSize < length
                    and not 0 < self.maxFramePayloadSize < length
                    and (
                        first == _BINARY or not self.utf8validateIncoming or is_valid_utf8(payload)
                    )
                ):
                    stats = self.trafficStats
                    stats.incomingOctetsWebSocketLevel += length
                    stats.incomingOctetsAppLevel += length
                    stats.incomingWebSocketFrames += 1
                    if self.autoPingTimeoutCall and self.autoPingRestartOnAnyTraffic:
                        self._cancelAutoPingTimeoutCall()
                    stats.incomingWebSocketMessages += 1
                    self.current_frame = delivering
                    self._onMessage(payload, first == _BINARY)
                    if self._listeners is not None:
                        fire(self, payload, first == _BINARY)
                    self.current_frame = None
                else:
                    self.data = data[start:taken]
                    try:
                        while original(self) and self.state != closed:
                            pass
                    finally:
                        taken -= len(self.data)
                        self.data = b""
                    if self.current_frame is not None:
                        return False  # it has failed inside the frame
        finally:
            if self.current_frame is delivering:
                self.current_frame = None
            self.data = data[taken:] + self.data
        return len(self.data) > 0

    return processData


def _header_size(length: int, masked: bool) -> int:
    return (2 if length < LENGTH_16 else 4 if length < 1 << 16 else 10) + (4 if masked else 0)


# What is skipped between a frame and _onMessage, by the class that the library defines it in.
_ADAPTERS_HOOKS = (
    *("_onMessageBegin", "_onMessageFrameBegin", "_onMessageFrameData", "_onMessageFrameEnd"),
    *("_onMessageFrame", "_onMessageEnd"),
)
_SKIPPED = {
    "autobahn.websocket.protocol.WebSocketProtocol": (
        *("onFrameBegin", "onFrameData", "onFrameEnd", "onMessageBegin", "onMessageEnd"),
        *("onMessageFrameBegin", "onMessageFrameData", "onMessageFrameEnd", "onMessageFrame"),
    ),
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol": _ADAPTERS_HOOKS,
    "autobahn.twisted.websocket.WebSocketAdapterProtocol": _ADAPTERS_HOOKS,
    "autobahn.util.ObservableMixin": ("fire",),
}
_HOOKS = frozenset(hook for hooks in _SKIPPED.values() for hook in hooks)
_LIBRARYS_HOOKS = frozenset(
    f"{owner}.{hook}" for owner, hooks in _SKIPPED.items() for hook in hooks
)
_hooks_of = attrgetter(*_HOOKS)
_known_to_be_librarys: list[tuple[Any, ...]] = []  # one for each framework


def _overrides_hooks(protocol: Any) -> bool:
    """Tell if a hook that would be skipped is not the library's own."""
    try:
        hooks = _hooks_of(type(protocol))
    except AttributeError:  # it is on neither framework
        return True
    if hooks not in _known_to_be_librarys:
        if not all(map(_is_librarys, hooks)):
            return True
        _known_to_be_librarys.append(hooks)
    return not vars(protocol).keys().isdisjoint(_HOOKS)


def _is_librarys(hook: Any) -> bool:
    # By its globals, since a wrapper has the names of what it wraps.
    return (
        isinstance(hook, FunctionType)
        and f"{hook.__globals__['__name__']}.{hook.__qualname__}" in _LIBRARYS_HOOKS
    )


def _send_frame(original: Function, module: Any) -> Function:
    random = module.random

    def sendFrame(
        self: Any,
        opcode: Any,
        payload: Any = b"",
        fin: Any = True,
        rsv: Any = 0,
        mask: Any = None,
        payload_len: Any = None,
        chopsize: Any = None,
        sync: Any = False,
    ) -> Any:
        factory = self.factory
        masked = self.maskServerFrames if factory.isServer else self.maskClientFrames
        if (
            type(payload) is not bytes
            or type(opcode) is not int
            or opcode not in _DATA_OPCODES
            or rsv not in (0, 4)
            or mask
            or payload_len is not None
            or self.logFrames
            or (masked and not self.applyMask)
        ):
            return original(self, opcode, payload, fin, rsv, mask, payload_len, chopsize, sync)
        # The library's keys: what draws on the same generator may have been seeded.
        key = random.getrandbits(32).to_bytes(4, "big") if masked else None
        frame = serialize_frame(opcode, payload, fin=bool(fin), rsv=rsv << 4, key=key)
        self.trafficStats.outgoingWebSocketFrames += 1
        self.sendData(frame, sync, chopsize)

    return sendFrame


def _send_data(original: Function, module: Any) -> Function:
    opened = module.WebSocketProtocol.STATE_OPEN

    def sendData(self: Any, data: Any, sync: Any = False, chopsize: Any = None) -> Any:
        if (
            chopsize
            or sync
            or self.send_queue
            or self.state != opened
            or self.logOctets
            or not _is_silent(self.log)
        ):
            return original(self, data, sync, chopsize)
        self.transport.write(data)
        if self.state == opened:
            self.trafficStats.outgoingOctetsWireLevel += len(data)

    return sendData


def _is_silent(log: Any) -> bool:
    """Tell if debug messages go nowhere: then txaio has put a function there that does nothing."""
    return log.debug is getattr(sys.modules.get(type(log).__module__), "_no_op", None)


def _data_received(original: Function, module: Any) -> Function:
    def dataReceived(self: Any, data: Any) -> None:
        if _is_silent(self.log):
            self._dataReceived(data)
        else:
            original(self, data)

    return dataReceived


def _yields(original: Function, module: Any) -> Function:
    def yields(value: Any) -> Any:
        return value is not None and original(value)

    return yields


def _create_xor_masker(original: Function, module: Any) -> Function:
    class XorMasker:
        __slots__ = ("_key", "_position")

        def __init__(self, key: bytes) -> None:
            self._key = key
            self._position = 0

        def pointer(self) -> int:
            return self._position

        def reset(self) -> None:
            self._position = 0

        def process(self, data: Any) -> bytes:
            position = self._position
            if type(data) is bytes:
                masked = apply_mask(data, self._key, position)
            else:
                turn = position % 4
                masked = original(self._key[turn:] + self._key[:turn]).process(data)
            self._position = position + len(masked)
            return masked

    def create_xor_masker(mask: Any, length: Any = None) -> Any:
        if type(mask) is bytes and len(mask) == 4:
            return XorMasker(mask)
        return original(mask, length)

    return create_xor_masker


def _utf8_validator(original: Any, module: Any) -> Any:
    # The library's validator in C has no word about text that it has rejected before.
    forgets = original.__module__ == "autobahn.nvx._utf8validator"

    class Validator(original):  # type: ignore[misc]
        __slots__ = ("_rejected_at", "_validator")

        def __init__(self) -> None:
            self._validator = Utf8Validator()
            super().__init__()
            self.reset()

        def reset(self) -> None:
            super().reset()
            self._validator.reset()
            self._rejected_at: int | None = None

        def validate(self, ba: Any) -> Any:
            if type(ba) is not bytes:
                return super().validate(ba)
            if self._rejected_at is None:
                result = self._validator.validate(ba)
                if not result[0]:
                    self._rejected_at = result[3]
                return result
            if forgets:
                self._rejected_at += len(ba)
                return True, False, len(ba), self._rejected_at
            return not ba, False, 0, self._rejected_at

    return Validator


# Of each, the originals in all these versions, from the newest to the oldest.
integration = Integration(
    "autobahn",
    versions=(
        *("26.10.2", "26.10.1", "26.7.1", "26.6.2", "26.6.1"),
        *("25.12.2", "25.12.1", "25.11.1", "25.10.2", "25.10.1", "25.9.1"),
        *("24.4.2", "23.6.2"),
    ),
    seams=(
        Seam(
            "autobahn.websocket.protocol",
            "WebSocketProtocol.processData",
            ("25b9c1387a46", "cc5a81158fef", "7d9f20318461"),
            _process_data,
        ),
        Seam(
            "autobahn.websocket.protocol",
            "WebSocketProtocol.sendFrame",
            ("89cc8b024c41", "5f0d4414e521", "9c5336c31495"),
            _send_frame,
        ),
        Seam(
            "autobahn.websocket.protocol",
            "WebSocketProtocol.sendData",
            ("5dcca425b048", "28218c70bb71", "68961cbb23e4"),
            _send_data,
        ),
        Seam(
            "autobahn.websocket.protocol",
            "create_xor_masker",
            (
                *("240d02cb93d1", "built-in wsaccel.xormask.createXorMasker"),  # in C
                *("6f5888b0d2d1",),  # in Python
            ),
            _create_xor_masker,
        ),
        Seam(
            "autobahn.websocket.protocol",
            "Utf8Validator",
            (
                *("b5e7d7a2baf1", "built-in wsaccel.utf8validator.Utf8Validator"),  # in C
                *("d7bec4dc97f4", "1c790a021e6c", "36f5e9317c84"),  # in Python
            ),
            _utf8_validator,
        ),
        Seam(
            "autobahn.twisted.websocket",
            "WebSocketAdapterProtocol.dataReceived",
            ("7997f762de21", "04732924d99f", "7ac7fbd615e1"),
            _data_received,
        ),
        Seam(
            "autobahn.asyncio.websocket",
            "yields",
            ("7b9e0de9eabc",),
            _yields,
        ),
    ),
    gains="messages of every size, both ways; most of all many short ones in a read, and long ones "
    "where autobahn's NVX is missing; daphne (so Django's channels) is reached, too",
    deflate=zlib_of("autobahn.websocket.compress_deflate"),
)
