"""What a program holds: one open connection, of either role, with both faces.

The adapter between the sans-IO ``Connection``, which knows the protocol, and asyncio: it keeps the
timers, waits where there is something to wait for, and tells the program how it ended. The hot
path, plain messages in and out, is its base class ``MessageStream``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..exceptions import ConnectionClosed, ProtocolError, StateError
from ..frames import Close, CompressedMessage, Pong
from ..kernels.buffers import Buffer
from ..protocol.connection import OPEN, SERVER, Connection, State
from ..rfc6455 import CloseCode, Role
from .awaitables import SENT, Later
from .stream import MessageStream
from .stream_py import raise_in_loop
from .streaming import ReceivedPieces, is_in_pieces, pieces_of

if TYPE_CHECKING:
    from ..protocol.http import Request, Response
    from ..protocol.upgrade_h1 import Accepted
    from .handlers import Callbacks
    from .settings import Settings

__all__ = ["WebSocket"]

_logger = logging.getLogger("wsfast.connection")

# Closing codes after which ``async for`` ends without an error.
_QUIET = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RECEIVED)

# How long the end of a connection waits, in seconds, for a program that has yet to receive messages
# that came before it: so that they can be answered before our close frame.
_GRACE = 1.0

# The high-water mark that transports begin with.
_USUAL_LIMIT = 1 << 16


class WebSocket(MessageStream, asyncio.BufferedProtocol):
    """An open WebSocket connection.

    Made by ``serve`` and ``connect``. It belongs to the thread of its event loop. Attributes of its
    own may be set on it, for whatever a program wants to remember of a connection.

    Attributes:
        request: the request of the opening handshake.
        path_params: the named parts of the path, where a ``Route`` has some.
        username: who the client is, where the server asked for basic authentication.
        dropped: messages that ``slow_consumer="drop"`` has dropped.
        on_closed: called with this object when the connection is gone.

    >>> async def echo(ws):
    ...     async for message in ws:
    ...         await ws.send(message)
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_abort_due",
        "_accepted",
        "_callbacks",
        "_connection",
        "_deferred",
        "_deferred_size",
        "_drained",
        "_gone",
        "_grace",
        "_pending_end",
        "_pings",
        "_senders",
        "_settings",
        "_timer",
        "_timer_at",
        "_turns",
        "dropped",
        "on_closed",
        "path_params",
        "request",
        "username",
    )

    def __init__(
        self,
        role: Role,
        accepted: Accepted,
        request: Request,
        settings: Settings,
        callbacks: Callbacks | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        loop = loop or asyncio.get_running_loop()
        self._connection = Connection(
            role,
            deflate=accepted.deflate.codec(role) if accepted.deflate else None,
            max_size=settings.max_size,
            max_frame_size=settings.max_frame_size,
            max_fragments=settings.max_fragments,
            decode=settings.decode,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            close_timeout=settings.close_timeout,
            idle_timeout=settings.idle_timeout,
            now=loop.time(),
        )
        super().__init__(
            role,
            self._connection.decoder,
            loop,
            settings.max_queue,
            # A connection with callbacks never waits for messages, whatever it does with them.
            None if callbacks is None else callbacks.on_message or _ignore,
        )
        self._inflates = accepted.deflate is not None
        self._accepted = accepted
        self.request = request
        self.path_params: dict[str, str] = {}
        self.username: str | None = None
        self.dropped = 0
        self.on_closed: Callable[[WebSocket], object] | None = None
        self._callbacks = callbacks
        self._settings = settings
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._abort_due: asyncio.TimerHandle | None = None
        self._pending_end: Close | ProtocolError | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._pings: dict[bytes, asyncio.Future[float]] | None = None
        self._turns: asyncio.Lock | None = None  # of those who send what cannot be sent at once
        self._senders = 0  # how many they are
        # What is sent once the message in progress has its last piece.
        self._deferred: deque[Callable[[], object]] | None = None
        self._deferred_size = 0
        self._drained: asyncio.Future[None] | None = None  # while the peer reads too slowly
        self._gone: asyncio.Future[None] | None = None

    def start(self, transport: Any, trailing: bytes = b"") -> None:
        """Begin, on the transport that the opening handshake was made on.

        Args:
            transport: an asyncio transport. Its protocol is this object from now on.
            trailing: what came behind the handshake.
        """
        self._attach(transport)
        if self._settings.write_limit != _USUAL_LIMIT:
            transport.set_write_buffer_limits(high=self._settings.write_limit)
        transport.set_protocol(self)
        self._update_ready()
        self._schedule()
        if self._callbacks is not None and self._callbacks.on_open is not None:
            self._call(self._callbacks.on_open)
        if trailing:
            self.feed(trailing)

    # What the program may ask

    @property
    def response(self) -> Response:
        """The response to the request."""
        return self._accepted.response

    @property
    def subprotocol(self) -> str | None:
        """The sub-protocol that was agreed on; None for none."""
        return self._accepted.subprotocol

    @property
    def state(self) -> State:
        """Where the connection stands: OPEN, CLOSING or CLOSED."""
        return self._connection.state

    @property
    def role(self) -> Role:
        """Which end of the connection we are."""
        return self._connection.role

    @property
    def latency(self) -> float | None:
        """Seconds between the last answered ping and its pong; None before the first."""
        return self._connection.latency

    @property
    def remote_address(self) -> Any:
        """The address of the peer, as ``socket.getpeername`` has it; None once it is gone."""
        return self._extra("peername")

    @property
    def local_address(self) -> Any:
        """Our address, as ``socket.getsockname`` has it; None once the connection is gone."""
        return self._extra("sockname")

    @property
    def transport(self) -> Any:
        """The asyncio transport, for ``get_extra_info``; None once the connection is gone."""
        return self._transport

    @property
    def close_code(self) -> int | None:
        """The close code of the peer; 1006 if none came (section 7.1.5); None while open."""
        if self.state is OPEN:
            return None
        return self._connection.closed().code

    @property
    def close_reason(self) -> str | None:
        """The close reason of the peer (section 7.1.6); None while open."""
        if self.state is OPEN:
            return None
        return self._connection.closed().reason

    def _extra(self, name: str) -> Any:
        return None if self._transport is None else self._transport.get_extra_info(name)

    def __repr__(self) -> str:
        role, state = self.role.value, self.state.value
        return f"<WebSocket {role} {state} {self.request.target!r} {self.remote_address}>"

    # Receiving

    def recv_streaming(self) -> AsyncIterator[str | bytes]:
        """Receive the next message in pieces, as they come, so that it never is in memory whole.

        Pieces of text are whole characters. A compressed message comes in one piece. All limits
        hold for the whole message: ``max_size=None`` lets it be of any length, and no more than
        about ``max_queue`` of it waits to be taken. Who stops early receives the rest as the next
        message.

        ::

            async for piece in ws.recv_streaming():
                file.write(piece)

        Yields:
            ``str`` or ``bytes``, as ``recv`` answers.

        Raises:
            ConnectionClosed: the connection ended before the message did.
            StateError: another task is receiving.
        """
        return ReceivedPieces(self)

    def _sort(
        self, received: list[Any], end: ProtocolError | None
    ) -> tuple[list[Any], Close | ProtocolError | None]:
        """Handle what is no plain message; answer the messages, and what ends the connection.

        Messages are inflated when it is their turn, since a read may hold hundreds that become a
        thousand times larger.
        """
        if len(received) == 1 and isinstance(received[0], Close):
            return [], received[0]
        messages: list[Any] = []
        now = self._loop.time()
        ending: Close | ProtocolError | None = end
        calls = self._inflates and self._on_message is not None
        handled = False
        try:
            for item in received:
                if isinstance(item, Close):
                    ending = item  # nothing is handed out behind it
                elif isinstance(item, (str, bytes, CompressedMessage)):
                    if not calls:
                        messages.append(item)
                    elif not self._over:
                        self._hand_over(item)
                else:
                    handled = True
                    event = self._connection.handle(item, now)
                    if isinstance(event, Pong) and self._pings:
                        self._ponged()
        except ProtocolError as exc:
            ending = exc.with_traceback(None)
        if handled:
            self._settle()
        return messages, ending

    def _hand_over(self, item: Any) -> None:
        """Call the callback with a message that may be compressed."""
        if isinstance(item, CompressedMessage):
            item = self._connection.inflate(item)
        self._active = True
        assert self._on_message is not None
        try:
            self._on_message(self, item)
        except BaseException as exc:
            self._raised(exc)

    def _inflate(self, item: Any) -> Any:
        """Answer a message that waited, inflated if need be.

        Raises:
            ConnectionClosed: it cannot be inflated.
        """
        if not isinstance(item, CompressedMessage):
            return item
        try:
            return self._connection.inflate(item)
        except ProtocolError as exc:
            self._drop_waiting()
            self._over = True
            self._pending_end = exc.with_traceback(None)  # whatever else was pending came later
        self._end()
        raise self._connection.closed()

    # The end

    def _finish(self, end: Close | ProtocolError) -> None:
        """End the connection as soon as the messages before its end have been received."""
        if self._pending_end is not None or self._connection.failure is not None:
            return
        self._pending_end = end
        self._over = True
        if self._waiting() and self._connection.close_sent is None:
            self._grace = self._loop.call_later(_GRACE, self._end)
        else:
            self._end()

    def _end(self) -> None:
        end, self._pending_end = self._pending_end, None
        if end is None:
            return
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._resume_reading()  # nothing that comes now will wait
        if isinstance(end, Close):
            self._connection.handle(end, self._loop.time())
        else:
            self._connection.fail(end)
        self._settle()
        self.wake()

    def _ended(self, iterating: bool) -> BaseException:
        """What a receiver is told that has received everything."""
        self._end()
        closed = self._connection.closed()
        if iterating and (
            (closed.clean and closed.code in _QUIET)
            # We closed, and the program reads on to the end.
            or (closed.sent and not closed.received_first and self._connection.failure is None)
        ):
            return StopAsyncIteration()
        return closed

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> Any:
        """Close the connection: begin at once, and wait for its end if awaited.

        Messages that come after this call are dropped, as in browsers. Closing again does nothing,
        but waits too.

        Args:
            code: the close code (section 7.4); 1005 sends a close frame without one.
            reason: text that takes up to 123 bytes as UTF-8.

        Returns:
            To be awaited or not: done when the connection is gone, ``close_timeout`` at the latest.

        Raises:
            ValueError: a code that must not be sent, or a reason that is too long.
        """
        if self._pending_end is not None:
            self._end()
        self._connection.close(code, reason)
        if self._transport is not None:
            # So that reading does not pause, with the peer's close frame behind messages that
            # nobody receives.
            self._on_message = _ignore
            self._resume_reading()
            self._settle()
        return Later(self.wait_closed)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, whoever ends it."""
        if self._transport is None:
            return
        if self._gone is None:
            self._gone = self._loop.create_future()
        await asyncio.shield(self._gone)

    def abort(self) -> None:
        """End the TCP connection at once; the peer gets no close frame if none was sent."""
        if self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> bool:
        """The peer has ended its direction of TCP."""
        self._abort_later()
        return False  # the transport writes what it has, and closes

    def connection_lost(self, exc: BaseException | None) -> None:
        """TCP has ended: settle everything that waits."""
        if self._transport is not None:
            self._transport.close()  # TLS of Python 3.10 does not, where the peer said no good-bye
        self._detach()
        self._end()
        self._connection.receive_eof()
        self._over = True
        for timer in (self._timer, self._abort_due):
            if timer is not None:
                timer.cancel()
        self._timer = self._abort_due = None
        if self._pings is not None:
            for future in self._pings.values():
                if not future.done():
                    future.set_exception(self._connection.closed())
                    future.exception()  # nobody has to look at it
            self._pings = None
        if self._drained is not None:
            self.resume_writing()
        self._ready = False
        self.wake()
        if self._gone is not None:
            self._gone.set_result(None)
        if self._callbacks is not None and self._callbacks.on_close is not None:
            self._call(self._callbacks.on_close)
        if self.on_closed is not None:
            self.on_closed(self)

    def _settle(self) -> None:
        """After anything rare: write what the connection wants written, and see where it stands."""
        if self._transport is None:
            return
        connection = self._connection
        closing = connection.state is not OPEN
        if closing:
            self._ready = False
            self._over = True
        # Pongs to a peer that does not read stay with the connection, which keeps the latest.
        if closing or self._drained is None:
            wire = connection.data_to_send()
            if wire:
                self.write(wire)
        if closing and connection.must_disconnect:
            self._disconnect()
        else:
            self._schedule()

    def _disconnect(self) -> None:
        if self._connection.timed_out:
            self._transport.abort()
            return
        self.flush()
        if self._transport.is_closing():
            self._abort_later()
        elif self._connection.lingers and self._transport.can_write_eof():
            self._abort_later()
            self._resume_reading()
            self._transport.write_eof()
        else:
            if not self._all_sent():  # else the transport is gone in the next turn
                self._abort_later()
            self._transport.close()

    def _abort_later(self) -> None:
        """Wait no longer than ``close_timeout`` for the end of TCP, and for what is unsent."""
        if self._abort_due is None and self._settings.close_timeout is not None:
            self._abort_due = self._loop.call_later(
                self._settings.close_timeout, self._transport.abort
            )

    # Time

    def _schedule(self) -> None:
        """Keep one timer for what is due next. It may fire too early, which costs little."""
        due = self._connection.deadline
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)
        self._timer_at = due  # the loop's handle does not always know

    def _tick(self) -> None:
        self._timer = None
        if self._transport is None:
            return
        connection = self._connection
        connection.heard |= self._heard or self._read_paused
        connection.active |= self._active
        self._heard = self._active = False
        connection.tick(self._loop.time())
        self._settle()
        if self._over:
            self.wake()

    # Sending

    def _send_slowly(self, message: Any, text: bool | None) -> Any:
        """Send what is not plain: compressed, in pieces, in another type, or to a slow peer."""
        self._check_open()
        if self._drained is not None and self._settings.slow_consumer != "wait":
            return self._refuse()
        if type(message) not in (str, bytes) and is_in_pieces(message):
            return self._send_pieces(pieces_of(message), text)
        if self._senders or (self._drained is not None and self._on_message is None):
            return self._send_in_turn(message, text)
        if self._drained is not None:
            self._check_outgoing()
        self._connection.send(message, text=text)
        return self._written()

    def _written(self) -> Any:
        self._active = True
        done = self.write(self._connection.data_to_send())
        return done if self._drained is None else Later(self._writable)

    def _refuse(self) -> Any:
        """Treat a peer that reads too slowly as the settings say."""
        if self._settings.slow_consumer == "drop":
            self.dropped += 1
            return SENT
        self._give_up()
        raise self._connection.closed()

    def _check_outgoing(self) -> None:
        limit = self._settings.max_outgoing
        if limit is None:
            return
        if self._transport.get_write_buffer_size() + self._deferred_size >= limit:
            self._give_up()
            raise self._connection.closed()

    def _give_up(self) -> None:
        """End the connection to a peer that reads too slowly."""
        _logger.warning("%r reads too slowly, and is given up", self)
        self._connection.close(CloseCode.POLICY_VIOLATION, "reads too slowly")
        self._connection.data_to_send()  # it would wait behind all that the peer does not read
        self._ready = False
        self._transport.abort()

    @property
    def shares_wire(self) -> bool:
        """Whether a message that was encoded once, for many, is good for this connection too."""
        return self.role is SERVER and self._connection.deflate is None

    def write_frame(self, wire: bytes) -> None:
        """Send a message that is encoded already, without waiting; see ``send_nowait``."""
        if self._ready:
            self._active = True
            self.write(wire)
        else:
            self._send_nowait(lambda: self.write(wire), len(wire))

    def send_nowait(self, message: str | Buffer, *, text: bool | None = None) -> None:
        """Send one message without waiting, to whom it may concern; for ``broadcast``.

        Nothing is sent where the connection is not open. A peer that reads too slowly is treated as
        ``slow_consumer`` and ``max_outgoing`` say, without an error.

        Args:
            message: text, or anything bytes-like for a binary message.
            text: as for ``send``.
        """

        def send() -> None:
            self._connection.send(message, text=text)
            self._written()

        size = len(message) if isinstance(message, str) else memoryview(message).nbytes
        self._send_nowait(send, size)

    def _send_nowait(self, send: Callable[[], object], size: int) -> None:
        if self.state is not OPEN or self._transport is None:
            return
        with suppress(ConnectionClosed):
            if self._drained is not None and self._settings.slow_consumer != "wait":
                self._refuse()
                return
            self._check_outgoing()
            if self._connection.fragmenting is None:
                send()
                return
            if self._deferred is None:
                self._deferred = deque()
            self._deferred.append(send)
            self._deferred_size += size

    def _send_deferred(self) -> None:
        """Send what came while a message was being sent in fragments."""
        deferred, self._deferred = self._deferred, None
        self._deferred_size = 0
        if deferred is not None and self.state is OPEN and self._transport is not None:
            for send in deferred:
                send()

    async def _send_in_turn(self, message: Any, text: bool | None) -> None:
        async with self._turn():
            await self._writable()
            self._check_open()
            self._connection.send(message, text=text)
            self._written()

    async def _send_pieces(self, pieces: AsyncIterator[Any], text: bool | None) -> None:
        """Send a message in fragments, each as it comes, and an empty one when no more come."""
        async with self._turn():
            try:
                kind: type[str] | type[bytes] | None = None
                async for piece in pieces:
                    await self._writable()
                    self._check_open()
                    self._connection.send_fragment(piece, last=False, text=text)
                    kind = str if isinstance(piece, str) else bytes
                    await self._written()
                if kind is None:
                    raise ValueError(
                        "a message in pieces needs at least one; send b'' or '' for it"
                    )
                self._check_open()
                self._connection.send_fragment(kind(), last=True, text=text)
                self._written()
            except BaseException:
                if self._connection.fragmenting is not None:
                    # "The fragments of one message MUST NOT be interleaved" (section 5.4): with
                    # one that cannot be ended, nothing more can be said but good-bye.
                    self.close(CloseCode.INTERNAL_ERROR, "a message was broken off")
                raise
            finally:
                self._send_deferred()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait to be the one who sends. Nothing is sent at once meanwhile: it would overtake."""
        if self._turns is None:
            self._turns = asyncio.Lock()
        self._senders += 1
        self._ready = False
        try:
            async with self._turns:
                yield
        finally:
            self._senders -= 1
            self._update_ready()

    def _check_open(self) -> None:
        if self._transport is None or self._connection.close_sent is not None:
            raise self._connection.closed()

    def _update_ready(self) -> None:
        self._ready = (
            self._drained is None
            and not self._senders
            and self._transport is not None
            and self._connection.state is OPEN
            and self._connection.deflate is None
        )

    def pause_writing(self) -> None:
        """The transport holds more than ``write_limit``."""
        self._ready = False
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """The transport holds little again."""
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set_result(None)
        self._update_ready()
        self._settle()

    async def _writable(self) -> None:
        while self._drained is not None:
            await asyncio.shield(self._drained)

    def ping(self, payload: Buffer | None = None) -> asyncio.Future[float]:
        """Send a ping (section 5.5.2).

        Args:
            payload: up to 125 bytes; None for four that nobody can guess.

        Returns:
            To be awaited or not: seconds until the pong came.

        Raises:
            ConnectionClosed: the connection is closing or closed; also by the future.
            StateError: a ping with this payload waits for its pong already.
            ValueError: the payload has more than 125 bytes.
        """
        self._check_open()
        if payload is not None and bytes(payload) in self._connection.pings:
            raise StateError("a ping with this payload waits for its pong already")
        sent = self._connection.ping(payload, now=self._loop.time())
        if self._pings is None:
            self._pings = {}
        future = self._pings[sent] = self._loop.create_future()
        self._settle()
        return future

    def pong(self, payload: Buffer = b"") -> None:
        """Send a pong that nobody asked for (section 5.5.3). Pings are answered without this.

        Raises:
            ConnectionClosed: the connection is closing or closed.
            ValueError: the payload has more than 125 bytes.
        """
        self._check_open()
        self._connection.pong(payload)
        self._settle()

    def _ponged(self) -> None:
        """Settle the pings that the connection no longer waits for."""
        assert self._pings is not None
        for payload in [*self._pings]:
            if payload not in self._connection.pings:
                future = self._pings.pop(payload)
                if not future.done():
                    future.set_result(self._connection.latency or 0.0)

    # Callbacks

    def _call(self, callback: Callable[[WebSocket], object]) -> None:
        try:
            callback(self)
        except BaseException as exc:
            self._raised(exc)

    def _raised(self, exc: BaseException) -> None:
        """An exception came out of a callback."""
        if isinstance(exc, (SystemExit, KeyboardInterrupt)):
            self._loop.call_soon(raise_in_loop, exc)
            return
        # That its own connection has ended is nothing wrong with a callback.
        if isinstance(exc, ConnectionClosed) and self.state is not OPEN:
            return
        _logger.error("a callback of %r raised an exception", self, exc_info=exc)
        self.close(CloseCode.INTERNAL_ERROR)


def _ignore(ws: MessageStream, message: str | bytes) -> None:
    pass
