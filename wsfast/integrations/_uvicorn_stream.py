"""The frames of a connection under uvicorn: what is no plain message, closing, and keepalive.

The part of ``uvicorn.WebSocketProtocol`` that deals with the peer; it knows uvicorn's settings and
what an application is told, but no application.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.logging import TRACE_LOG_LEVEL

from ..asyncio.stream import MessageStream
from ..exceptions import InvalidUtf8, ProtocolError
from ..frames import Close, CompressedMessage, Ping, masking_key, serialize_frame
from ..protocol.connection import OPEN, SERVER, Connection
from ..rfc6455 import CloseCode, Opcode
from ._asgi import Event

if TYPE_CHECKING:
    from uvicorn.config import Config

    from ..protocol.deflate import DeflateParameters

__all__ = ["UvicornStream"]

_NO_CODE = CloseCode.NO_STATUS_RECEIVED.value


class UvicornStream(MessageStream, asyncio.BufferedProtocol):
    """Messages and the end of a connection, with uvicorn's settings.

    It is made in two steps: what the decoder has to know is agreed on by the handshake.
    """

    _connection: Connection

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.logger = logging.getLogger("uvicorn.error")
        self.transport: Any = None
        self.client: tuple[str, int] | None = None
        # How far the handshake, and then the end, has got:
        self._begun = False
        self.handshake_complete = False
        self.close_sent = False
        self.disconnected = False
        self.close_timer: asyncio.TimerHandle | None = None
        self.close_timeout = 10.0
        self.writable = asyncio.Event()
        self.writable.set()
        # Keepalive:
        self.ping_interval = config.ws_ping_interval
        self.ping_timeout = config.ws_ping_timeout
        self.ping_timer: asyncio.TimerHandle | None = None
        self.pong_timer: asyncio.TimerHandle | None = None
        self.pending_ping_payload: bytes | None = None
        self.ping_sent_at = 0.0
        self.last_ping_rtt = 0.0

    def _begin(self, parameters: DeflateParameters | None) -> None:
        """Begin to read frames, compressed ones where that was agreed on."""
        self._begun = True
        self._connection = Connection(
            SERVER,
            deflate=parameters.codec(SERVER) if parameters is not None else None,
            max_size=self.config.ws_max_size,
            max_fragments=None,
            ping_interval=None,
            close_timeout=None,
        )
        super().__init__(SERVER, self._connection.decoder, self.loop, None, None)
        self._inflates = parameters is not None
        self._attach(self.transport)

    def eof_received(self) -> None:
        pass

    def pause_writing(self) -> None:
        self._ready = False
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
        self._update_ready()
        self._write_pending()

    # Frames that are no plain messages, and the end.

    def _sort(self, received: list[Any], end: Any) -> tuple[list[Any], Any]:
        """Handle control frames; answer the messages, and what ends the connection."""
        messages = []
        for item in received:
            if isinstance(item, (str, bytes, CompressedMessage)):
                messages.append(item)
            elif isinstance(item, Close):
                end = item
            elif isinstance(item, Ping):
                self._connection.handle(item, 0.0)
            else:
                self._handle_pong(item.payload)
        self._write_pending()
        return messages, end

    def _inflate(self, item: Any) -> Any:
        """Answer what waited, inflated if need be, or the end where it cannot be inflated."""
        if not isinstance(item, CompressedMessage):
            return item
        try:
            return self._connection.inflate(item)
        except ProtocolError as exc:
            self._drop_waiting()
            return self._fail(exc)

    def _finish(self, end: Close | ProtocolError) -> None:
        if isinstance(end, Close):
            self._handle_close(end)
        elif self._connection.failure is None:
            self._put(self._fail(end))

    def _handle_close(self, close: Close) -> None:
        """Answer the peer's close frame, or take it for the answer to ours."""
        if self.close_sent:
            if self.close_timer is not None:
                self._stop_close_timer()
                self.transport.close()
        elif not self.transport.is_closing():
            self._close(close.code, close.reason)
            self._end_transport()
            event = {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
            self._put(event)

    def _fail(self, error: ProtocolError) -> Event:
        """Fail the connection, and answer what the application is told of it."""
        if isinstance(error, InvalidUtf8):
            self.logger.error("Invalid UTF-8 sequence received from client.", exc_info=error)
            error = InvalidUtf8(error.reason, "")
        self._connection.fail(error)
        self._ready = False
        self._write_pending()
        self.close_sent = True
        self._on_message = _ignore
        self._end_transport()
        close = self._connection.close_sent or Close(int(error.close_code))
        return {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}

    def _start_to_close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake, and wait for the peer's close frame."""
        if self.transport.is_closing():
            return
        if code == _NO_CODE:
            raise ValueError(f"code {code} must not be sent in a close frame")
        self._close(_NO_CODE if code is None else code, reason)
        self.close_sent = True
        self._uncount_waiting()
        self._put({"type": "websocket.disconnect", "code": code, "reason": reason})
        # What comes before that close frame is nobody's any more, and must not hold it up.
        self._on_message = _ignore
        self._resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def _uncount_waiting(self) -> None:
        """Let the messages that wait take no room: reads would be of one byte beside them."""
        inflates, self._inflates = self._inflates, False
        waiting = []
        while self._waiting():
            try:
                self.recv().send(None)
            except StopIteration as received:
                waiting.append(received.value)
        self._inflates = inflates
        for message in waiting:
            self._put(message)

    def _close(self, code: int, reason: str = "") -> None:
        """Send a close frame, behind all that was sent."""
        self._connection.close(code, reason)
        self._ready = False
        self._write_pending()
        self.flush()

    def _end_transport(self) -> None:
        self.flush()
        self.transport.close()

    def _write_pending(self) -> None:
        """Write what the connection has to say, but nothing before the 101."""
        # Pongs to a peer that does not read stay with the connection, which keeps the latest.
        closing = self._connection.state is not OPEN
        if self.handshake_complete and (closing or self.writable.is_set()):
            wire = self._connection.data_to_send()
            if wire:
                self.write(wire)

    def _update_ready(self) -> None:
        self._ready = (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.writable.is_set()
            and self._connection.state is OPEN
            and self._connection.deflate is None
        )

    def _stop_close_timer(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None

    # Keepalive.

    def start_keepalive(self) -> None:
        if self.ping_interval is not None and self.ping_interval > 0:
            self.schedule_ping()

    def stop_keepalive(self) -> None:
        for timer in (self.ping_timer, self.pong_timer):
            if timer is not None:
                timer.cancel()
        self.ping_timer = self.pong_timer = self.pending_ping_payload = None

    def schedule_ping(self) -> None:
        """Have the next ping sent ``ping_interval`` after the last one."""
        assert self.ping_interval is not None
        delay = max(0.0, self.ping_interval - self.last_ping_rtt)
        self.ping_timer = self.loop.call_later(delay, self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        self.ping_timer = None
        if self._connection.state is not OPEN or self.transport.is_closing():
            return
        self.pending_ping_payload = masking_key()
        self.ping_sent_at = self.loop.time()
        self.write(serialize_frame(Opcode.PING, self.pending_ping_payload))
        if self.ping_timeout is not None:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            self.schedule_ping()

    def _handle_pong(self, payload: bytes) -> None:
        if self.pending_ping_payload is None or payload != self.pending_ping_payload:
            return  # unsolicited, or late
        self.last_ping_rtt = self.loop.time() - self.ping_sent_at
        self.pending_ping_payload = None
        # Without a time-out the next ping is on its way already.
        if self.pong_timer is not None:
            self.pong_timer.cancel()
            self.pong_timer = None
            self.schedule_ping()

    def keepalive_timeout(self) -> None:
        """The peer has not answered a ping in time."""
        self.pong_timer = self.pending_ping_payload = None
        if self._connection.state is not OPEN or self.transport.is_closing():
            return
        self._trace("WebSocket keepalive ping timeout")
        self._close(1011, "keepalive ping timeout")
        self.close_sent = True
        self._end_transport()

    def _trace(self, text: str) -> None:
        if self.logger.level <= TRACE_LOG_LEVEL:
            prefix = f"{self.client[0]}:{self.client[1]} - " if self.client else ""
            self.logger.log(TRACE_LOG_LEVEL, "%s%s", prefix, text)


def _ignore(stream: MessageStream, message: Any) -> None:
    pass
