"""A stream of messages over a transport, in Python: the specification of ``stream_c``.

The hot path of a connection, and nothing else: bytes read become messages for the program, and its
messages become one write. Knows asyncio's transports and tasks, the decoder and the encoder. All
that is rare is left to the subclass, ``websocket.WebSocket``: control frames (``_sort``), messages
that are compressed (``_inflate``), the end (``_finish``, ``_ended``), sending that is not plain
(``_send_slowly``), and errors of a callback (``_raised``).

Where the time is saved:

- the connections of a loop read into one buffer, and a whole read is decoded by one call;
- what is sent while a read is handled, or in one turn of the loop, leaves in one write;
- a task that waits for a message goes on within the read that brought it, and not a turn later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from ..exceptions import ProtocolError, StateError
from ..frames.messages_py import MessageDecoder, encode_message
from ..kernels.buffers import not_copied
from ..rfc6455 import Role
from .awaitables import SENT, Turn, thrown

__all__ = ["MessageStream", "read_buffer"]

# As much as is read at once: what asyncio and uvloop read, too.
READ_SIZE = 1 << 18

# What is held back to leave in one write, at most.
CORK_SIZE = 1 << 16

# Transports that write to their socket what they are told to write, and nothing else: what goes
# past them is in order as long as they hold nothing back.
_PLAIN_TRANSPORTS = {
    ("asyncio.selector_events", "_SelectorSocketTransport"),
    ("uvloop.loop", "TCPTransport"),
    ("uvloop.loop", "UnixTransport"),
}

_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def read_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    """The buffer that the connections of a loop read into, one after the other."""
    try:
        return _buffers[loop]
    except KeyError:
        buffer = _buffers[loop] = memoryview(bytearray(READ_SIZE))
        return buffer


class MessageStream:
    """Messages in and out of a transport: an ``asyncio.BufferedProtocol``, in part.

    Args:
        role: which end of the connection we are.
        decoder: what makes messages of bytes.
        loop: the event loop of the connection.
        max_queue: bytes of the wire that may wait undelivered, before reading pauses. With None it
            pauses while a message waits, however small; one in progress waits for nobody.
        on_message: called with the stream and each message; without it they wait for ``recv``.
    """

    __slots__ = (
        "_active",
        "_batch",
        "_batch_size",
        "_buffer",
        "_corked",
        "_corked_size",
        "_counts_partial",
        "_decoder",
        "_flush_due",
        "_heard",
        "_in_read",
        "_inflates",
        "_iterate",
        "_later",
        "_loop",
        "_max_queue",
        "_on_message",
        "_over",
        "_partial",
        "_plain",
        "_position",
        "_queued",
        "_read_paused",
        "_read_wrote",
        "_ready",
        "_role",
        "_taking",
        "_transport",
        "_waiter",
    )

    def __init__(
        self,
        role: Role,
        decoder: MessageDecoder,
        loop: asyncio.AbstractEventLoop,
        max_queue: int | None,
        on_message: Callable[[Any, Any], object] | None,
    ) -> None:
        self._role = role
        self._decoder = decoder
        self._loop = loop
        self._counts_partial = max_queue is not None
        self._max_queue = 1 if max_queue is None else max_queue
        self._on_message = on_message
        self._transport: Any = None
        self._buffer = read_buffer(loop)
        if max_queue is not None:
            self._buffer = self._buffer[: max(1, max_queue)]
        # For the subclass, which knows the state of the connection:
        self._ready = False  # whether a message may go straight onto the wire
        self._over = False  # whether no message will come after those that wait
        self._inflates = False  # whether messages that wait may be compressed
        self._taking = False  # whether who waits takes a message in pieces
        self._heard = False  # whether bytes came, and messages went either way, since it looked
        self._active = False
        # Messages that wait: what is left of one read, and the later reads.
        self._batch: list[Any] = []
        self._batch_size = 0
        self._position = 0
        self._later: deque[tuple[list[Any], int]] | None = None
        self._queued = 0
        self._partial = 0  # bytes of the reads since, that completed no message
        self._read_paused = False
        # What is held back to leave in one write.
        self._corked: list[bytes] = []
        self._corked_size = 0
        self._read_wrote = 0  # bytes that were written within this read
        self._in_read = False
        self._flush_due = False
        # Made when they are first needed.
        self._waiter: _Waiter | None = None
        self._iterate: _Receive | None = None

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def _attach(self, transport: Any) -> None:
        """Begin with a transport."""
        self._transport = transport
        self._plain = is_plain(transport.__class__)

    def _detach(self) -> None:
        """The transport is gone: nothing can be written."""
        self._transport = self._iterate = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport may read to: no more than may wait undelivered."""
        if self._queued:
            return self._buffer[: max(1, self._max_queue - self._queued - self._partial)]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that the transport has read into the buffer."""
        self.feed(self._buffer[:nbytes])

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes from the wire: deliver messages, then write what was sent meanwhile."""
        end: object = None
        self._in_read = self._heard = True
        self._read_wrote = 0
        try:
            try:
                received = self._decoder.feed(data)
            except ProtocolError as exc:
                # Without its traceback, which holds this frame, which holds it.
                received, end = exc.completed, exc.with_traceback(None)
            messages: list[Any] = received
            for item in received:
                if type(item) is not str and type(item) is not bytes:
                    messages, end = self._sort(received, end)  # type: ignore[attr-defined]
                    break
            if messages:
                self._active = True
                self._deliver(messages, len(data))
            else:
                self._add_partial(len(data))
            if end is not None:
                self._finish(end)  # type: ignore[attr-defined]
        finally:
            self._in_read = False
            self.flush()

    def _deliver(self, messages: list[Any], size: int) -> None:
        if self._on_message is not None:
            for message in messages:
                try:
                    self._on_message(self, message)
                except BaseException as exc:
                    self._raised(exc)  # type: ignore[attr-defined]
            return
        self._enqueue(messages, size + self._partial)
        self._partial = 0
        self.wake()
        if self._queued >= self._max_queue:
            self._pause_reading()

    def _put(self, item: Any) -> None:
        """Let an item of the subclass's own wait behind the messages, for ``recv``."""
        self._enqueue([item], 0)
        self.wake()

    def _enqueue(self, messages: list[Any], size: int) -> None:
        if self._position < len(self._batch):
            if self._later is None:
                self._later = deque()
            self._later.append((messages, size))
        else:
            self._batch, self._batch_size, self._position = messages, size, 0
        self._queued += size

    def _add_partial(self, size: int) -> None:
        """Count a read without a message: if nobody waits for it, it waits undelivered, too."""
        if self._over:
            self._decoder.take_partial()  # nobody will receive it
            return
        if self._on_message is not None or not self._counts_partial:
            return
        if not self._decoder.unfinished:
            return
        self._partial += size
        if self._taking:
            self.wake()
        elif self._queued + self._partial >= self._max_queue and not self._is_awaited():
            self._pause_reading()

    def _take(self) -> str | bytes | None:
        """Take what has come of the message in progress."""
        self._partial = 0
        return self._decoder.take_partial()

    def _pop(self) -> Any:
        message = self._batch[self._position]
        self._batch[self._position] = None  # from here on it is the program's alone
        self._position += 1
        if self._position == len(self._batch):
            self._queued -= self._batch_size
            if self._later:
                self._batch, self._batch_size = self._later.popleft()
            else:
                self._batch, self._batch_size = [], 0
            self._position = 0
            if self._read_paused and self._queued + self._partial <= self._max_queue // 2:
                self._resume_reading()
        if self._inflates:
            return self._inflate(message)  # type: ignore[attr-defined]
        return message

    def _pause_reading(self) -> None:
        if not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _drop_waiting(self) -> None:
        """Forget the messages that wait."""
        self._batch, self._batch_size, self._position = [], 0, 0
        self._later = None
        self._queued = 0

    def _waiting(self) -> bool:
        """Tell if messages wait to be received."""
        return self._position < len(self._batch)

    def _waits(self) -> _Waiter:
        """What the task that receives has to yield to its loop, to be woken.

        Raises:
            StateError: another task is receiving.
        """
        if self._waiter is None:
            self._waiter = _Waiter(self._loop)
        waiter = self._waiter.waits()
        if self._read_paused:
            self._resume_reading()  # for the rest of a message that is larger than max_queue
        return waiter

    def _is_awaited(self) -> bool:
        """Tell if a task waits for a message."""
        return self._waiter is not None and self._waiter.is_awaited()

    def wake(self) -> None:
        """Let the task that waits for a message go on, if there is one."""
        if self._waiter is not None:
            self._waiter.wake()

    def recv(self) -> Any:
        """Receive the next message.

        Returns:
            To be awaited: ``str`` for text, ``bytes`` for binary. Cancelling loses no message.

        Raises:
            ConnectionClosed: no more messages will come.
            StateError: another task is receiving already.
        """
        return _Receive(self, False)

    def __aiter__(self) -> MessageStream:
        return self

    def __anext__(self) -> Any:
        receive = self._iterate
        if receive is None:
            receive = _Receive(self, True)
            if self._transport is not None:  # else it would stay, and be a cycle
                self._iterate = receive
        return receive

    def send(self, message: Any, *, text: bool | None = None) -> Any:
        """Send one message.

        Args:
            message: text, or anything bytes-like for a binary message. An iterable or an
                asynchronous iterable of either is sent in fragments, as its pieces come.
            text: True sends bytes, which have to be UTF-8, as text; False sends text as binary.

        Returns:
            To be awaited: done when the transport can take more. Only this keeps a program that
            sends faster than its peer reads within bounds.

        Raises:
            ConnectionClosed: the connection is closing or closed.
            UnicodeEncodeError: text with a surrogate in it.
            TypeError: neither text, bytes-like nor iterable.
        """
        if not self._ready or text is not None or type(message) not in (str, bytes):
            return self._send_slowly(message, text)  # type: ignore[attr-defined]
        self._active = True
        return self.write(encode_message(message, self._role))

    def write(self, wire: bytes) -> Any:
        """Write whole frames, in order with all that is sent.

        Returns:
            To be awaited or not: it lets the loop turn once where much was written in one turn.

        Raises:
            StateError: this is not the thread of the event loop.
        """
        if not self._in_read and not self._flush_due:
            if asyncio._get_running_loop() is not self._loop:
                raise outside_loop()
            self._flush_due = True
            self._loop.call_soon(self.flush)
        self._corked.append(wire)
        self._corked_size += len(wire)
        if self._corked_size <= CORK_SIZE:
            return SENT
        self.flush()
        return SENT if self._in_read and self._read_wrote <= 2 * READ_SIZE else Turn()

    def flush(self) -> None:
        """Write what is held back."""
        if not self._in_read:
            self._flush_due = False
        if self._corked:
            wire = b"".join(self._corked)
            self._corked.clear()
            self._corked_size = 0
            self._read_wrote += len(wire)
            # One whose socket has failed would log a warning for each write, until it tells us.
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(wire)

    def _all_sent(self) -> bool:
        """Tell if a plain socket has taken all that was written: then nothing delays its end."""
        return self._plain and not self._corked and not self._transport.get_write_buffer_size()


@lru_cache(maxsize=16)
def is_plain(kind: type) -> bool:
    """Tell if transports of a class are of those that do nothing but write."""
    return (kind.__module__, kind.__name__) in _PLAIN_TRANSPORTS


def outside_loop() -> StateError:
    return StateError(
        "send() was called outside the event loop of the connection, which may be closed: if it "
        "runs in another thread, call loop.call_soon_threadsafe(ws.send_nowait, message)"
    )


class _Receive:
    """The next message, to be awaited: by ``recv``, or by ``async for``, which ends quietly.

    It has the methods of a coroutine, so that a task can be made of it, and no other state than the
    stream's, so that one object serves a whole iteration.
    """

    __slots__ = ("_iterating", "_stream")

    def __init__(self, stream: MessageStream, iterating: bool) -> None:
        self._stream = stream
        self._iterating = iterating

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> _Receive:
        return self

    def __next__(self) -> _Waiter:
        stream = self._stream
        if stream._position < len(stream._batch):
            raise StopIteration(stream._pop())
        if stream._over:
            raise stream._ended(self._iterating)  # type: ignore[attr-defined]
        return stream._waits()

    def send(self, value: Any) -> _Waiter:
        return self.__next__()

    def throw(
        self,
        error: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> NoReturn:
        raise thrown(error, value)

    def close(self) -> None:
        pass


class _Waiter:
    """What a task waits on: a future in the eyes of ``asyncio.Task``, that can be used again.

    A future would have the task go on one turn of the loop later. This one lets it go on at once.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None

    def is_awaited(self) -> bool:
        return self._callback is not None

    def waits(self) -> _Waiter:
        """Begin to wait.

        Raises:
            StateError: another task waits.
        """
        if self._callback is not None:
            raise already_receiving()
        self._asyncio_future_blocking = True
        return self

    def wake(self) -> None:
        callback, context = self._callback, self._context
        if callback is None:
            return
        self._callback = self._context = None
        try:
            if asyncio.current_task(self._loop) is not None:
                self._loop.call_soon(callback, self, context=context)
            elif context is None:
                callback(self)
            else:
                self._call_in(context, callback)
        except (SystemExit, KeyboardInterrupt) as exc:
            # The transport would take it for an error of its own.
            self._loop.call_soon(raise_in_loop, exc)
        finally:
            # An exception of the task refers to this frame: let it not refer to the task.
            callback = context = None

    def _call_in(self, context: Context, callback: Callable[[Any], object]) -> None:
        try:
            context.run(callback, self)
        except RuntimeError:  # the context is the one that we are called in
            self._loop.call_soon(callback, self, context=context)
        finally:
            del callback, context

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        self._callback, self._context = callback, context

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        removed = int(self._callback is not None)
        self._callback = self._context = None
        return removed

    def cancel(self, msg: object = None) -> bool:
        if self._callback is None:
            return False
        callback, context = self._callback, self._context
        self._callback = self._context = None
        # The task is told by a future of its own, since the next may wait here before it goes on.
        cancelled = self._loop.create_future()
        cancelled.cancel(msg)
        self._loop.call_soon(callback, cancelled, context=context)
        return True

    def result(self) -> None:
        pass


def already_receiving() -> StateError:
    return StateError("another task is receiving already; only one may at a time")


def raise_in_loop(exc: BaseException) -> NoReturn:
    """Raise where the loop will let it end the program, as it should."""
    raise exc
