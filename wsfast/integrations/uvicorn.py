"""uvicorn on wsfast: a protocol class to name, and nothing to patch.

::

    uvicorn --ws wsfast.integrations.uvicorn:WebSocketProtocol app:app
    Config(app, ws=WebSocketProtocol)

Everything that an application, a setting or a log can tell is as with uvicorn's own class for
websockets (``websockets-sansio``, its ``auto``); where that and the one for wsproto differ, it is
as with the former. What differs from both:

- an application that waits for a message gets it within the read that brought it, and its answers
  to the messages of one read leave together, also where a close frame came behind them;
- what a peer did wrong is told in wsfast's words: in a refusal of its request, and as the reason
  that goes with the close codes 1002 and 1009;
- a compressed message is inflated when it is received, and a message below 64 bytes is not
  compressed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)

from ..exceptions import HandshakeError, StateError
from ..protocol.connection import OPEN
from ..protocol.deflate import Deflate
from ..protocol.http import Response
from ..protocol.upgrade_h1 import Accepted, accept
from ._asgi import (
    Event,
    RawHeaders,
    accepting,
    dated,
    denying,
    judged,
    read_request,
    refusing,
    scope_of,
)
from ._uvicorn_stream import UvicornStream

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["WebSocketProtocol"]

# How long an answer is held back, in seconds, for those to the messages that wait behind it. An
# application that takes longer for a message has each of its answers leave at once.
_HOLD = 0.0005

# The terms of uvicorn's own class.
_DEFLATE = Deflate(server_max_window_bits=12, client_max_window_bits=12, mem_level=5)


class WebSocketProtocol(UvicornStream):
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
        super().__init__(config, _loop or asyncio.get_event_loop())
        self.app: Any = config.loaded_app
        self.app_state = app_state
        self.connections: set[Any] = server_state.connections
        self.tasks = server_state.tasks
        self.default_headers = server_state.default_headers
        self.scope: Any = None
        self.initial_response: tuple[int, RawHeaders, bytes] | None = None
        self._accepted: Accepted | None = None
        # Tasks that want to receive while another one does.
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._holds_back = False  # whether the next answer may wait for others
        self._flushed = 0.0

    # What the transport and the server call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connections.add(self)
        self.transport = transport
        self.client = get_remote_addr(self.transport)
        self._trace("WebSocket connection made")

    def data_received(self, data: bytes) -> None:
        """Take the request as uvicorn has put it together, and then frames."""
        if self._begun:
            self.feed(data)
            return
        try:
            request, trailing = read_request(data)
            deflate = _DEFLATE if self.config.ws_per_message_deflate else None
            self._accepted = accept(judged(request), deflate=deflate)
        except HandshakeError as exc:
            self._begin(None)
            self.handshake_complete = self.close_sent = True
            self._reject(exc.response)
            self.transport.close()
            return
        self._begin(self._accepted.deflate)
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
        if self._receivers:
            item = await self._receive_in_turn()
        else:
            try:
                item = await self.__anext__()
            except StateError:
                item = await self._receive_in_turn()
            except BaseException:
                self._call_next_receiver()
                raise
            else:
                if self._receivers:
                    self._call_next_receiver()
        self._holds_back = self._waiting()
        kind = type(item)
        if kind is str:
            return {"type": "websocket.receive", "text": item}
        if kind is bytes:
            return {"type": "websocket.receive", "bytes": item}
        event: Event = item
        return event

    async def _receive_in_turn(self) -> Any:
        """Receive behind the tasks that wait already."""
        turn = self.loop.create_future()
        self._receivers.append(turn)
        try:
            await turn
            return await self.__anext__()
        finally:
            # Only now: until then, who comes has to wait behind this one.
            self._receivers.remove(turn)
            if not turn.cancelled():
                self._call_next_receiver()

    def _call_next_receiver(self) -> None:
        for turn in self._receivers:
            if not turn.done():  # nor cancelled
                turn.set_result(None)
                return

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
                holds_back, self._holds_back = self._holds_back, False
                now = monotonic()
                if not holds_back or now - self._flushed > _HOLD:
                    # An application may be at work for long before the loop turns.
                    self._flushed = now
                    self.flush()
                return
        await self._send_event(event)

    async def _send_event(self, event: Event) -> None:
        await self.writable.wait()
        if self.disconnected:
            raise ClientDisconnected()
        kind = event["type"]
        if self.initial_response is not None:
            self._continue_response(kind, event)
        elif not self.handshake_complete:
            self._answer(kind, event)
        elif self.close_sent:
            raise _after_close(kind)
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
                self._accepted = None
                self.transport.write(response)
                self.logger.info("connection open")
                self._update_ready()
                self._write_pending()
                self.start_keepalive()
        elif kind == "websocket.close":
            self._log_answer("403")
            self.handshake_complete = self.close_sent = True
            self._reject(refusing(403))
            self.transport.close()
            self._put({"type": "websocket.disconnect", "code": 1006})
        elif kind == "websocket.http.response.start":
            status = event["status"]
            if not 100 <= status < 600:
                raise RuntimeError(f"Invalid HTTP status code '{status:d}' in response.")
            self._log_answer("%d", status)
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
        if self.close_sent:
            raise _after_close(kind)
        assert self.initial_response is not None
        status, headers, body = self.initial_response
        body += event["body"]
        self.initial_response = status, headers, body
        if not event.get("more_body", False):
            response = denying(status, headers, body)
            self.close_sent = True
            self._reject(response)
            self.transport.close()
            self._put({"type": "websocket.disconnect", "code": 1006})

    def _log_answer(self, answer: str, *arguments: int) -> None:
        self.logger.info(
            f'%s - "WebSocket %s" {answer}',
            get_client_addr(self.scope),
            get_path_with_query_string(self.scope),
            *arguments,
        )

    def _send_500_response(self) -> None:
        if self.initial_response is None and not self.handshake_complete:
            self._reject(refusing(500, "Internal Server Error"))

    def _reject(self, response: Response) -> None:
        self.logger.info("connection rejected (%d %s)", response.status, response.phrase)
        self.transport.write(dated(response))

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
        self.flush()


def _after_close(kind: str) -> RuntimeError:
    return RuntimeError(f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")
