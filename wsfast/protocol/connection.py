"""A connection after its opening handshake: messages, control frames, keepalive and closing.

One class for both roles (RFC 6455 sections 5 to 7). It knows frames and what a peer may do when. It
knows no sockets, no tasks and no clock: bytes and the time are handed in; bytes to send, events and
deadlines are handed out.

What ends a connection comes behind what was said before it. A peer's close frame, or its fault, is
answered by a close frame of ours, and that is put behind all else by ``data_to_send()``, so that
messages that came in the same read can be answered first (section 5.5.1 lets an endpoint finish
before it answers a close frame). Hence the order of work, for whoever drives a connection::

    for event in connection.receive_data(data, now):
        ...                                      # may send()
    transport.write(connection.data_to_send())   # here our close frame joins, if one is due
    if connection.must_disconnect:
        ...

The same in its parts, for an adapter that wants messages straight from the decoder::

    items, error = [], None
    if connection.failure is None:
        try:
            items = connection.decoder.feed(data)
        except ProtocolError as exc:
            items, error = exc.completed, exc
    connection.heard = True
    try:
        for item in items:                       # a str or bytes is a message: set active
            ...                                  # all else: event = connection.handle(item, now)
    except ProtocolError as exc:                 # raised by handle(): nothing behind it counts
        error = exc
    if error is not None:
        connection.fail(error)
"""

from __future__ import annotations

from enum import Enum
from math import inf
from operator import index
from typing import TYPE_CHECKING, TypeAlias

from ..exceptions import ConnectionClosed, ProtocolError, StateError
from ..frames import (
    Close,
    CompressedMessage,
    MessageDecoder,
    Ping,
    Pong,
    encode_message,
    masking_key,
    serialize_frame,
    violations,
)
from ..kernels import Utf8Validator, decode_utf8, encode_utf8, is_valid_utf8
from ..kernels.buffers import Buffer, bytes_of
from ..kernels.utf8_py import first_error
from ..rfc6455 import MAX_CONTROL_PAYLOAD, RSV1, CloseCode, Opcode, Role

if TYPE_CHECKING:
    from .deflate_codec import DeflateCodec

__all__ = ["Connection", "Event", "State"]

# What a connection hands out. A message is its text or its bytes.
Event: TypeAlias = str | bytes | Ping | Pong | Close

# Pongs that may wait to be sent. When more pings come, the newest of the pongs gives way to the
# next: section 5.5.3 lets an endpoint answer only the latest ping.
_MAX_PONGS = 64

_BAD_UTF8 = b"\xff"

_MAX_REASON = MAX_CONTROL_PAYLOAD - 2  # behind the code


class State(Enum):
    """The states of RFC 6455 section 7.1, but for CONNECTING: that is the opening handshake.

    CLOSING begins with the first close frame in either direction, CLOSED with the end of the TCP
    connection (section 7.1.4).
    """

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


# What is looked at often, by a name of its own: that of a member takes 100 ns in Python 3.11.
OPEN, CLOSING, CLOSED = State
CLIENT, SERVER = Role
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG


class Connection:
    """One end of a WebSocket connection, from the opening handshake to the end of TCP.

    All times are seconds on any one clock that never goes back. A connection belongs to one thread
    at a time.

    Args:
        role: which end we are.
        deflate: the codec, where permessage-deflate was negotiated.
        max_size: most bytes in a message, on the wire and after decompression; None for no limit.
        max_frame_size: most bytes in the payload of a data frame; None for no limit.
        max_fragments: most frames in a message; None for no limit.
        decode: whether text comes as ``str``; else as ``bytes`` that are valid UTF-8.
        ping_interval: seconds between keepalive pings; None for no keepalive.
        ping_timeout: seconds in which any byte must come after a keepalive ping; None to wait
            forever.
        close_timeout: seconds that closing may take; None to wait forever.
        idle_timeout: seconds without a message, either way, after which the connection is closed;
            None for never.
        now: the time.

    Raises:
        TypeError: ``role`` is not a Role, or an option has the wrong type.
        ValueError: a limit is negative, or a time not above 0.

    Attributes:
        role: as given.
        state: where the connection stands.
        decoder: what the bytes of the peer are fed to.
        deflate: as given.
        latency: seconds between the last ping that was answered and its pong; None before that.
        pings: the payloads of the pings without a pong, in order, each with the time it was sent.
        close_received: the peer's close frame; None if none came.
        close_sent: ours, once it is on its way; None before that.
        received_first: whether it was the peer who began to close; None while nobody has.
        failure: what the peer did wrong, once ``fail`` was told. Nothing is received after it.
        fragmenting: the type of the message of which ``send_fragment`` has sent a part; None
            between messages. An adapter that encodes messages by itself must not do it meanwhile.
        heard: set it when bytes arrived, and when we ourselves have stopped reading; ``tick``
            clears it.
        active: set it when a message was received or sent; ``tick`` clears it.
        timed_out: closing took longer than ``close_timeout``: abort the TCP connection, whatever
            is unsent.

    >>> client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    >>> client.send("Hello")
    >>> server.receive_data(client.data_to_send(), now=1.0)
    ['Hello']
    >>> server.close(1001, "done")
    >>> client.receive_data(server.data_to_send(), now=2.0)
    [Close(code=1001, reason='done')]
    >>> server.receive_data(client.data_to_send(), now=3.0)
    [Close(code=1001, reason='')]
    >>> server.must_disconnect, client.must_disconnect
    (True, False)
    """

    __slots__ = (
        "_answer",
        "_close_by",
        "_close_timeout",
        "_decode",
        "_idle_by",
        "_idle_timeout",
        "_keepalive",
        "_max_size",
        "_newest_pong",
        "_out",
        "_ping_at",
        "_ping_interval",
        "_ping_timeout",
        "_pong_by",
        "_pongs",
        "_ticked",
        "_utf8",
        "active",
        "close_received",
        "close_sent",
        "decoder",
        "deflate",
        "failure",
        "fragmenting",
        "heard",
        "latency",
        "pings",
        "received_first",
        "role",
        "state",
        "timed_out",
    )

    def __init__(
        self,
        role: Role,
        *,
        deflate: DeflateCodec | None = None,
        max_size: int | None = 1 << 20,
        max_frame_size: int | None = None,
        max_fragments: int | None = 1 << 17,
        decode: bool = True,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = 10.0,
        idle_timeout: float | None = None,
        now: float = 0.0,
    ) -> None:
        self.decoder = MessageDecoder(
            role,
            max_size=max_size,
            max_frame_size=max_frame_size,
            max_fragments=max_fragments,
            compression=deflate is not None,
            decode=decode,
        )
        self.role = role
        self.state = OPEN
        self.deflate = deflate
        self._max_size = max_size
        self._decode = decode
        # Sending:
        self._out: list[bytes] = []
        self._pongs = 0  # how many wait in it
        self._newest_pong = 0  # where in it the newest stands
        self.fragmenting: Opcode | None = None
        self._utf8: Utf8Validator | None = None  # of text that is sent as bytes, in fragments
        # Closing:
        self.close_received: Close | None = None
        self.close_sent: Close | None = None
        self.received_first: bool | None = None
        self.failure: ProtocolError | None = None
        self._answer: Close | None = None  # to the peer's close frame, or to its fault
        self._close_timeout = _seconds(close_timeout, "close_timeout")
        self._close_by: float | None = None  # None until a tick tells the time
        self.timed_out = False
        # Keepalive:
        self.heard = self.active = False
        self.latency: float | None = None
        self.pings: dict[bytes, float | None] = {}
        self._keepalive: bytes | None = None  # payload of the last keepalive ping
        self._ping_interval = _seconds(ping_interval, "ping_interval")
        self._ping_timeout = _seconds(ping_timeout, "ping_timeout")
        self._idle_timeout = _seconds(idle_timeout, "idle_timeout")
        self._ticked = now
        self._ping_at = now + self._ping_interval
        self._pong_by = inf
        self._idle_by = now + self._idle_timeout

    # Receiving

    def receive_data(self, data: Buffer, now: float) -> list[Event]:
        """Take the next bytes of the peer.

        Args:
            data: bytes-like and contiguous, of any length. It is not kept.
            now: the time, in seconds.

        Returns:
            What is complete with it, in order. When the peer breaks a rule, what came before that
            is still handed out, and ``failure`` says what it was. Nothing comes after a failure,
            after the peer's close frame, or after the end of TCP.

        Raises:
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
            RuntimeError: an earlier call was interrupted or has not returned; the place in the
                stream is lost.
        """
        if self.failure is not None or self.state is CLOSED:
            return []
        error = None
        try:
            items = self.decoder.feed(data)
        except ProtocolError as exc:
            items, error = exc.completed, exc
        self.heard = True
        events: list[Event] = []
        try:
            for item in items:
                if isinstance(item, (str, bytes)):
                    self.active = True
                    events.append(item)
                else:
                    events.append(self.handle(item, now))
        except ProtocolError as exc:
            error = exc
        if error is not None:
            self.fail(error)
        return events

    def handle(self, item: Ping | Pong | Close | CompressedMessage, now: float) -> Event:
        """Do what a control frame or a compressed message asks for.

        Args:
            item: what ``decoder`` handed out.
            now: the time, in seconds.

        Returns:
            The item, or the message that was inflated from it.

        Raises:
            ProtocolError: a compressed message that cannot be inflated; tell ``fail``, and handle
                nothing behind it.
            InvalidUtf8: its text is not UTF-8.
            MessageTooBig: it is larger than ``max_size``.
        """
        if isinstance(item, CompressedMessage):
            return self.inflate(item)
        if isinstance(item, Ping):
            self._answer_ping(item.payload)
        elif isinstance(item, Pong):
            self._match_pong(item.payload, now)
        else:
            self._meet_close(item)
        return item

    def receive_eof(self) -> None:
        """Take the end of the TCP connection, however it came about (section 7.1.4).

        Without the peer's close frame it counts as closed with the code 1006 (section 7.1.5).
        """
        self.state = CLOSED

    def fail(self, error: ProtocolError) -> None:
        """Fail the connection (section 7.1.7): tell the peer why, and receive nothing more.

        Only the first failure counts, and none once TCP has ended.

        Args:
            error: what was wrong. Its ``close_code`` and its text go into our close frame.
        """
        if self.failure is not None or self.state is CLOSED:
            return
        # Without the frames of its traceback, which hold the connection and what was read.
        self.failure = error.with_traceback(None)
        if self.state is OPEN:
            self.state = CLOSING
            self.received_first = False
            text = str(error).encode(errors="replace")[:_MAX_REASON]
            self._answer = Close(int(error.close_code), text.decode(errors="ignore"))

    def inflate(self, message: CompressedMessage) -> str | bytes:
        """Decompress a message: ``handle`` for what is known to be one.

        Raises:
            ProtocolError: as ``handle`` does.
        """
        self.active = True
        if self.deflate is None:
            raise StateError("compressed message, but no codec: not what this decoder handed out")
        payload = self.deflate.decompress(message.payload, self._max_size)
        if message.opcode is BINARY or (not self._decode and is_valid_utf8(payload)):
            return payload
        try:
            return decode_utf8(payload)
        except UnicodeDecodeError as exc:
            bad = first_error(exc)
        raise violations.invalid_utf8(bad, len(payload))

    def _answer_ping(self, payload: bytes) -> None:
        if not self._may_send:
            return
        if self._pongs == _MAX_PONGS:
            self._out[self._newest_pong] = self._frame(PONG, payload)
            return
        self._pongs += 1
        self._newest_pong = len(self._out)
        self._out.append(self._frame(PONG, payload))

    def _match_pong(self, payload: bytes, now: float) -> None:
        """Find the ping that this answers, and with it those before it (section 5.5.3)."""
        if payload not in self.pings:
            return  # unsolicited, which is allowed
        sent = self.pings[payload]
        if sent is not None:
            self.latency = now - sent
        order = list(self.pings)
        later = order[order.index(payload) + 1 :]
        self.pings = {waiting: self.pings[waiting] for waiting in later}

    def _meet_close(self, close: Close) -> None:
        self.close_received = close
        if self.received_first is None:
            self.received_first = True
        if self.state is OPEN:
            self.state = CLOSING
            # "the endpoint typically echos the status code it received" (section 5.5.1)
            self._answer = Close(close.code) if close.reason else close

    # Sending

    def send(self, message: str | Buffer, *, text: bool | None = None) -> None:
        """Send a message, compressed where that was negotiated and it is not below the threshold.

        Args:
            message: text, or anything bytes-like and contiguous for a binary message.
            text: True sends bytes, which must be UTF-8, as text; False sends text as a binary
                message.

        Raises:
            ConnectionClosed: our close frame has been sent, or TCP has ended.
            StateError: a message is being sent in fragments.
            UnicodeEncodeError: text with a surrogate in it.
            TypeError: neither text nor bytes-like.
            ValueError: bytes that are not contiguous, or not UTF-8 where ``text`` is True.
        """
        if self.close_sent is not None or self.state is CLOSED:
            raise self.closed()
        if self.fragmenting is not None:
            raise StateError("a message is being sent in fragments: send its last one first")
        if self.deflate is None and (text is None or text is isinstance(message, str)):
            self._out.append(encode_message(message, self.role))
        else:
            opcode, payload = _typed(message, text)
            if text and not isinstance(message, str) and not is_valid_utf8(payload):
                raise _not_utf8()
            rsv = 0
            if self.deflate is not None and len(payload) >= self.deflate.threshold:
                payload, rsv = self.deflate.compress(payload), RSV1
            self._out.append(self._frame(opcode, payload, rsv=rsv))
        self.active = True

    def send_fragment(self, piece: str | Buffer, *, last: bool, text: bool | None = None) -> None:
        """Send the next piece of a message, in a frame of its own (section 5.4).

        Pings, pongs and a close frame may be sent between the pieces, another message may not.

        Args:
            piece: text, or bytes-like and contiguous; all pieces of a message alike.
            last: whether the message ends with it.
            text: as ``send`` takes it, for every piece. Bytes may be cut inside a character.

        Raises:
            ConnectionClosed: our close frame has been sent, or TCP has ended.
            UnicodeEncodeError: text with a surrogate in it.
            TypeError: neither text nor bytes-like, or text in a binary message, or bytes in text.
            ValueError: bytes that are not contiguous, or not UTF-8 where ``text`` is True. What
                came before has been sent: the message cannot be mended, only the connection closed.
        """
        self._check_may_send()
        if last and self.fragmenting is None:
            self.send(piece, text=text)
            return
        opcode, payload = _typed(piece, text)
        if self.fragmenting not in (None, opcode):
            raise TypeError("a message is sent as text or as bytes: its fragments must be alike")
        if opcode is TEXT:
            self._check_text_piece(payload, last, isinstance(piece, str))
        rsv = 0
        if self.deflate is not None:
            payload = self.deflate.compress_piece(payload, last)
            rsv = RSV1 if self.fragmenting is None else 0  # on the first (RFC 7692 section 6.1)
        first = opcode if self.fragmenting is None else Opcode.CONTINUATION
        self._out.append(self._frame(first, payload, fin=last, rsv=rsv))
        self.fragmenting = None if last else opcode
        self.active = True

    def _check_text_piece(self, payload: bytes, last: bool, is_str: bool) -> None:
        if self._utf8 is None:
            if is_str:
                return
            self._utf8 = Utf8Validator()
        valid, whole, _, _ = self._utf8.validate(payload)
        if not valid or (last and not whole):
            if self.fragmenting is None:
                self._utf8 = None
            else:
                self._utf8.validate(_BAD_UTF8)  # so that all that may follow fails as well
            raise _not_utf8()
        if last:
            self._utf8 = None

    def ping(self, payload: Buffer | None = None, *, now: float | None = None) -> bytes:
        """Send a ping (section 5.5.2).

        Args:
            payload: up to 125 bytes; None for four bytes that nobody can guess.
            now: the time, in seconds, for ``latency`` to be measured.

        Returns:
            The payload, which stays in ``pings`` until the peer has answered this ping or a later
            one.

        Raises:
            ConnectionClosed: our close frame has been sent, or TCP has ended.
            TypeError: ``payload`` is not bytes-like.
            ValueError: it has more than 125 bytes.
        """
        self._check_may_send()
        payload = masking_key() if payload is None else bytes_of(payload, "payload")
        self._out.append(self._frame(PING, payload))
        self.pings.setdefault(payload, now)
        return payload

    def pong(self, payload: Buffer = b"") -> None:
        """Send a pong that nobody asked for (section 5.5.3). Pings are answered without this.

        Raises:
            ConnectionClosed: our close frame has been sent, or TCP has ended.
            TypeError: ``payload`` is not bytes-like.
            ValueError: it has more than 125 bytes.
        """
        self._check_may_send()
        self._out.append(self._frame(PONG, bytes_of(payload, "payload")))

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin to close, or do nothing where that has begun already.

        Messages of the peer are handed out until its close frame comes.

        Args:
            code: the close code; 1005 sends a close frame without one.
            reason: text that takes up to 123 bytes as UTF-8.

        Raises:
            ValueError: a code that must not be sent, or a reason that is too long, or has no code.
            UnicodeEncodeError: a reason with a surrogate in it.
            TypeError: ``code`` is not an int, or ``reason`` not a str.
        """
        if not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {type(reason).__name__}")
        close = Close(index(code), reason)
        close.to_payload()
        if self.state is OPEN:
            self.state = CLOSING
            self.received_first = False
            self._send_close(close)

    def data_to_send(self) -> bytes:
        """Take all that waits to be sent, in order.

        If the peer has closed or failed, our close frame comes last, and nothing can be sent then.
        """
        if self._answer is not None:
            self._send_close(self._answer)
            self._answer = None
        if not self._out:
            return b""
        out, self._out = self._out, []
        self._pongs = 0
        return out[0] if len(out) == 1 else b"".join(out)

    @property
    def _may_send(self) -> bool:
        return self.close_sent is None and self.state is not CLOSED

    def _check_may_send(self) -> None:
        if not self._may_send:
            raise self.closed()

    def _send_close(self, close: Close) -> None:
        self._out.append(self._frame(CLOSE, close.to_payload()))
        self.close_sent = close

    def _frame(self, opcode: Opcode, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
        key = masking_key() if self.role is CLIENT else None
        return serialize_frame(opcode, payload, fin=fin, rsv=rsv, key=key)

    # Time

    @property
    def deadline(self) -> float | None:
        """The time at which ``tick`` wants to be called; None for never.

        When closing begins it is a time that has passed: call ``tick`` to start the clock.
        """
        if self.state is OPEN:
            due = min(self._ping_at, self._pong_by, self._idle_by)
        elif self.state is CLOSED or self.timed_out:
            return None
        else:
            due = self._ticked if self._close_by is None else self._close_by
        return None if due == inf else due

    def tick(self, now: float) -> None:
        """Do what is due: keepalive pings, and what follows from time-outs.

        A peer of whom no byte came for ``ping_timeout`` after a keepalive ping has failed, with the
        code 1011; a pong is not waited for, since it may stand behind a long message. After
        ``idle_timeout`` without a message the connection is closed with the code 1001. After
        ``close_timeout`` in CLOSING it is ``timed_out``.

        Args:
            now: the time, in seconds. May be earlier or later than ``deadline``.
        """
        self._ticked = now
        if self.state is OPEN:
            self._watch(now)
        if self.state is CLOSING:
            if self._close_by is None:
                self._close_by = now + self._close_timeout
            elif now >= self._close_by:
                self.timed_out = True

    def _watch(self, now: float) -> None:
        if self.heard:
            self._pong_by = inf
        elif now >= self._pong_by:
            self.fail(_pong_timeout(self._ping_timeout))
            return
        if self.active:
            self._idle_by = now + self._idle_timeout
        elif now >= self._idle_by:
            self.close(CloseCode.GOING_AWAY, f"no message for {self._idle_timeout:g} s")
            return
        elif self.deflate is not None and self.fragmenting is None:
            self.deflate.release()
        self.heard = self.active = False
        if now >= self._ping_at:
            # One keepalive ping is remembered and no more: a peer may talk on and never answer.
            if self._keepalive is not None:
                self.pings.pop(self._keepalive, None)
            self._keepalive = self.ping(now=now)
            self._ping_at = now + self._ping_interval
            self._pong_by = min(self._pong_by, now + self._ping_timeout)

    # The end

    @property
    def must_disconnect(self) -> bool:
        """Whether to end the TCP connection, once ``data_to_send()`` is written.

        A server ends it when close frames went both ways, or when it has told the peer of its
        failure; a client waits for the server to do so (section 7.1.1). Both end it after
        ``close_timeout``. See ``lingers`` for how.
        """
        if self.state is CLOSED or self.timed_out:
            return True
        return (
            self.role is SERVER
            and self.close_sent is not None
            and (self.close_received is not None or self.failure is not None)
        )

    @property
    def lingers(self) -> bool:
        """Whether the peer may still be sending what will never be read.

        Closing a TCP connection with unread data resets it, and our close frame may be lost by
        that. Where possible, end only our direction of it, and read on until the peer ends its own,
        or we are ``timed_out`` (section 7.1.1).
        """
        return self.failure is not None and self.state is not CLOSED and not self.timed_out

    def closed(self) -> ConnectionClosed:
        """Build the error that tells how the connection ended, or how far it got with that."""
        return ConnectionClosed(self.close_received, self.close_sent, bool(self.received_first))


def _seconds(value: float | None, name: str) -> float:
    """Check a time; None stands for ever."""
    if value is None:
        return inf
    if not value > 0:
        raise ValueError(f"{name} must be above 0 seconds, or None: {value}")
    return value


def _typed(message: str | Buffer, text: bool | None) -> tuple[Opcode, bytes]:
    """Find what a message is sent as, and its bytes."""
    if isinstance(message, str):
        return BINARY if text is False else TEXT, encode_utf8(message)
    return TEXT if text else BINARY, bytes_of(message, "message")


def _not_utf8() -> ValueError:
    return ValueError("bytes that are to be sent as text are not UTF-8")


def _pong_timeout(seconds: float) -> ProtocolError:
    error = ProtocolError("pong_timeout", f"nothing came for {seconds:g} s after a keepalive ping")
    error.close_code = CloseCode.INTERNAL_ERROR
    return error
