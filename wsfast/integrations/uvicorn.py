"""uvicorn on wsfast: a protocol class to name, and nothing to patch.

::

    uvicorn --ws wsfast.integrations.uvicorn:WebSocketProtocol app:app
    Config(app, ws=WebSocketProtocol)

Everything that an application, a setting or a log can tell is as with uvicorn's own class for
websockets (``websockets-sansio``, its ``auto``); where that and the one for wsproto differ, it is
as with the former. What differs from both:

- an application that waits for a message gets it within the read that brought it, and what it
  answers there leaves in one write at the end of that read, even where a close frame came behind;
- the reasons that go with the close codes 1002, 1007 and 1009 are in wsfast's words;
- a compressed message is inflated when it is received, and a message below 64 bytes is not
  compressed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from uvicorn.logging import TRACE_LOG_LEVEL
from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)

from ..asyncio.stream import MessageStream
from ..exceptions import HandshakeError, InvalidUtf8, ProtocolError, StateError
from ..frames import Close, CompressedMessage, Ping, masking_key, serialize_frame
from ..protocol.connection import OPEN, SERVER, Connection
from ..protocol.deflate import Deflate
from ..protocol.handshake import Accepted, accept
from ..protocol.http import RequestReader
from ..rfc6455 import Opcode
from ._asgi import LIMITS, Event, accepting, denying, refusing, scope_of

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["WebSocketProtocol"]

# The terms of uvicorn's own class, which are ours by default.
_DEFLATE = Deflate(server_max_window_bits=12, client_max_window_bits=12, mem_level=5)


class WebSocketProtocol(MessageStream, asyncio.BufferedProtocol):
    """A WebSocket connection of uvicorn, from the request to the end of TCP.

    The attributes without an underscore are named as in uvicorn's own classes.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.config = config
        self.app: Any = config.loaded_app
        self.loop = _loop or asyncio.get_event_loop()
        self.logger = logging.getLogger("uvicorn.error")
        self.app_state = app_state
        self.connections: set[Any] = server_state.connections
        self.tasks = server_state.tasks
        self.default_headers = server_state.default_headers
        self.transport: Any = None
        self.client: tuple[str, int] | None = None
        self.scope: Any = None
        # How far the handshake, and then the end, has got:
        self.handshake_complete = False
        self.close_sent = False
        self.disconnected = False
        self.initial_response: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None
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
        self._reader: RequestReader | None = RequestReader(LIMITS)
        self._accepted: Accepted | None = None
        # Tasks that want to receive while another one does.
        self._receivers: deque[asyncio.Future[None]] = deque()

    # What the transport and the server call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connections.add(self)
        self.transport = transport
        self.client = get_remote_addr(self.transport)
        self._trace("WebSocket connection made")

    def data_received(self, data: bytes) -> None:
        """Take the request as uvicorn has put it together, and then frames."""
        if self._reader is None:
            self.feed(data)
            return
        try:
            request = self._reader.receive_data(data)
            if request is None:
                return
            deflate = _DEFLATE if self.config.ws_per_message_deflate else None
            self._accepted = accept(request, deflate=deflate)
        except HandshakeError as exc:
            self._begin(None)
            self.handshake_complete = self.close_sent = True
            self.transport.write(exc.response.to_bytes())
            self.transport.close()
            return
        trailing, self._reader = self._reader.trailing, None
        self._begin(self._accepted)
        self.scope = {
            **scope_of(request, self.config.root_path),
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": get_local_addr(self.transport),
            "client": self.client,
            "state": self.app_state.copy(),
        }
        self._put({"type": "websocket.connect"})
        task = self.loop.create_task(self._run_asgi())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        if trailing:
            self.feed(trailing)

    def _begin(self, accepted: Accepted | None) -> None:
        """Begin to read frames, of a request that may be accepted, or is refused."""
        parameters = accepted.deflate if accepted is not None else None
        self._connection = Connection(
            SERVER,
            deflate=parameters.codec(SERVER) if parameters is not None else None,
            max_size=self.config.ws_max_size,
            ping_interval=None,
            close_timeout=None,
        )
        # Not before, since the decoder depends on what was agreed on.
        super().__init__(SERVER, self._connection.decoder, self.loop, None, None)
        self._inflates = parameters is not None
        self._attach(self.transport)
        # uvloop looks at the kind of a protocol when reading begins: so let it begin anew, behind
        # uvicorn's set_protocol().
        self.transport.pause_reading()
        self.loop.call_soon(self._begin_reading)

    def _begin_reading(self) -> None:
        if not self._read_paused:
            self.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.stop_keepalive()
        code = 1005 if self.handshake_complete else 1006
        self.connections.remove(self)
        self._trace("WebSocket connection lost")
        self.handshake_complete = self.disconnected = True
        self._ready = False
        # A transport that is lost while it is full does not say that it can take more.
        self.writable.set()
        self._stop_close_timer()
        if exc is None:
            self.transport.close()
        self._detach()
        self._put({"type": "websocket.disconnect", "code": code})

    def eof_received(self) -> None:
        pass

    def pause_writing(self) -> None:
        self._ready = False
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
        self._update_ready()
        self._write_pending()

    def shutdown(self) -> None:
        """End the connection, since the server ends."""
        self.stop_keepalive()
        if self.close_sent:
            self._stop_close_timer()
            self.transport.close()
        elif self.handshake_complete:
            self._close(1012)
            self._end_transport()
            self._put({"type": "websocket.disconnect", "code": 1012})
        else:
            self._send_500_response()
            self.transport.close()

    # The application.

    async def _run_asgi(self) -> None:
        try:
            result = await self.app(self.scope, self.asgi_receive, self.asgi_send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self._send_500_response()
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self._send_500_response()
            elif result is not None:
                self.logger.error("ASGI callable should return None, but returned '%s'.", result)
        if self.close_timer is None:
            self._end_transport()

    async def asgi_receive(self) -> Event:
        """Receive the next event, as applications call it."""
        try:
            item = await self.__anext__()
        except StateError:
            item = await self._receive_in_turn()
        finally:
            if self._receivers:
                self._call_next_receiver()
        kind = type(item)
        if kind is str:
            return {"type": "websocket.receive", "text": item}
        if kind is bytes:
            return {"type": "websocket.receive", "bytes": item}
        event: Event = item
        return event

    async def _receive_in_turn(self) -> Any:
        """Receive behind the task that waits already."""
        turn = self.loop.create_future()
        self._receivers.append(turn)
        try:
            await turn
        finally:
            if turn in self._receivers:
                self._receivers.remove(turn)
        return await self.asgi_receive()

    def _call_next_receiver(self) -> None:
        turn = self._receivers.popleft()
        if not turn.done():
            turn.set_result(None)

    async def asgi_send(self, event: Event) -> None:
        """Send an event, as applications call it."""
        if self._ready and event["type"] == "websocket.send":
            message = event.get("bytes")
            if message is None:
                message = event.get("text")
                plain = type(message) is str
            else:
                plain = type(message) is bytes
            if plain:
                await self.send(message)
                return
        await self._send_event(event)

    async def _send_event(self, event: Event) -> None:
        await self.writable.wait()
        if self.disconnected:
            raise ClientDisconnected()
        kind = event["type"]
        if self.initial_response is not None and not self.close_sent:
            self._continue_response(kind, event)
        elif not self.handshake_complete:
            self._answer(kind, event)
        elif self.close_sent:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close'."
            )
        elif kind == "websocket.send":
            await self._send_message(event.get("bytes"), event.get("text"))
        elif kind == "websocket.close":
            self._start_to_close(event.get("code", 1000), event.get("reason", "") or "")
        else:
            raise RuntimeError(
                f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'."
            )

    def _answer(self, kind: str, event: Event) -> None:
        """Answer the request, as the application says."""
        if kind == "websocket.accept":
            self._log_answer("[accepted]")
            assert self._accepted is not None
            response = accepting(self._accepted, event, self.default_headers)
            if not self.transport.is_closing():
                self.handshake_complete = True
                self.transport.write(response)
                self._update_ready()
                self._write_pending()
                self.start_keepalive()
        elif kind == "websocket.close":
            self._log_answer("403")
            self.handshake_complete = self.close_sent = True
            self.transport.write(refusing(403))
            self.transport.close()
            self._put({"type": "websocket.disconnect", "code": 1006})
        elif kind == "websocket.http.response.start":
            status = event["status"]
            if not 100 <= status < 600:
                raise RuntimeError(f"Invalid HTTP status code '{status:d}' in response.")
            self._log_answer(f"{status:d}")
            self.initial_response = status, list(event.get("headers", [])), b""
        else:
            raise RuntimeError(
                "Expected ASGI message 'websocket.accept', 'websocket.close' "
                f"or 'websocket.http.response.start' but got '{kind}'."
            )

    def _continue_response(self, kind: str, event: Event) -> None:
        """Take a part of the response that denies the WebSocket; it is sent whole."""
        if kind != "websocket.http.response.body":
            raise RuntimeError(
                f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'."
            )
        assert self.initial_response is not None
        status, headers, body = self.initial_response
        body += event["body"]
        self.initial_response = status, headers, body
        if not event.get("more_body", False):
            response = denying(status, headers, body)
            self.close_sent = True
            self.transport.write(response)
            self.transport.close()
            self._put({"type": "websocket.disconnect", "code": 1006})

    def _log_answer(self, answer: str) -> None:
        self.logger.info(
            '%s - "WebSocket %s" %s',
            get_client_addr(self.scope),
            get_path_with_query_string(self.scope),
            answer,
        )

    def _send_500_response(self) -> None:
        if self.initial_response is None and not self.handshake_complete:
            self.transport.write(refusing(500, "Internal Server Error"))

    async def _send_message(self, data: Any, text: Any) -> None:
        """Send a message that is not plain: compressed, of another type, or too late."""
        if data is None and text is None:
            return
        if self._connection.state is not OPEN:
            raise ClientDisconnected()
        if data is None:
            self._connection.send(text if isinstance(text, str) else text.encode(), text=True)
        elif isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        else:
            self._connection.send(data)
        await self.write(self._connection.data_to_send())

    def _start_to_close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake, and wait for the peer's close frame."""
        if self.transport.is_closing():
            return
        self._close(1005 if code is None else code, reason)
        self.close_sent = True
        self._put({"type": "websocket.disconnect", "code": code, "reason": reason})
        # What comes before that close frame is nobody's any more, and must not hold it up.
        self._on_message = _ignore
        self._resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

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
        self._end_transport()
        close = self._connection.close_sent or Close(int(error.close_code))
        return {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}

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
