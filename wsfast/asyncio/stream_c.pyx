"""A stream of messages over a transport, in C: the twin of ``stream_py``.

The hot path of a connection, and nothing else: bytes read become messages for the program, and its
messages become one write. Knows asyncio's transports and tasks, the decoder and the encoder. All
that is rare is left to the subclass, ``websocket.WebSocket``.

What is faster than in Python, besides the code itself: messages are encoded straight into the memory
that leaves in one write; and that goes straight to the socket while the transport holds nothing
back, large messages without any copy.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from ..frames.codec_c cimport BINARY, FIN, MAX_HEADER_SIZE, TEXT, header_size, write_header
from ..frames.messages_c cimport encode, feed_memory, payload_size
from ..kernels.utf8_c cimport write_utf8

import asyncio
import sys
from asyncio import _get_running_loop, current_task, tasks
from collections import deque
from weakref import WeakKeyDictionary

from ..exceptions import ProtocolError
from ..kernels.buffers import bytes_of, not_copied
from ..rfc6455 import Role
from .awaitables import Turn, thrown
from .stream_py import already_receiving, is_plain, outside_loop, raise_in_loop

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_DATA(object text)
    void PyErr_SetObject(object kind, object value)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1

# What CPython calls to go on with an awaitable.
cdef extern from *:
    """
    typedef PySendResult (*wsf_sendfunc)(PyObject*, PyObject*, PyObject**);
    typedef PyObject* (*wsf_nextfunc)(PyObject*);

    static void wsf_set_slots(PyTypeObject* type, wsf_sendfunc send, wsf_nextfunc next) {
        type->tp_as_async->am_send = send;
        type->tp_iternext = next;
    #ifdef _Py_TPFLAGS_HAVE_AM_SEND
        type->tp_flags |= _Py_TPFLAGS_HAVE_AM_SEND;
    #endif
    }
    """
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*wsf_sendfunc)(PyObject*, PyObject*, PyObject**) except PYGEN_ERROR
    ctypedef PyObject* (*wsf_nextfunc)(PyObject*) except? NULL
    void wsf_set_slots(PyTypeObject* type, wsf_sendfunc send, wsf_nextfunc next)

# One system call, on a socket that does not block: how many bytes were taken, 0 for any error. The
# transport meets the same error, and knows what to do about it.
cdef extern from *:
    """
    #ifdef _WIN32
    static Py_ssize_t wsf_send(int fd, const void* head, size_t n, const void* rest, size_t more) {
        return 0;
    }
    #else
    #include <sys/socket.h>
    #include <sys/uio.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static Py_ssize_t wsf_send(int fd, const void* head, size_t n, const void* rest, size_t more) {
        Py_ssize_t sent;
        if (more) {
            struct iovec pieces[2] = {{(void*)head, n}, {(void*)rest, more}};
            struct msghdr message = {0};
            message.msg_iov = pieces;
            message.msg_iovlen = 2;
            sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
            sent = send(fd, head, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        return sent < 0 ? 0 : sent;
    }
    #endif
    """
    Py_ssize_t wsf_send(int fd, const void* head, size_t n, const void* rest, size_t more) nogil

__all__ = ["MessageStream", "read_buffer"]

cdef enum:
    READ_SIZE = 1 << 18
    CORK_SIZE = 1 << 16
    # From here on copying a message into the cork costs more than a system call of its own.
    LARGE = 1 << 14

cdef object CLIENT = Role.CLIENT

# current_task() is written in Python up to 3.11: 100 ns, against 20 for what it looks into.
cdef dict CURRENT_TASKS = tasks._current_tasks if sys.version_info < (3, 12) else None

# By loop. A buffer lives as long as a connection of its loop, or its loop.
cdef object buffers = WeakKeyDictionary()


# Garbage collection would drop held.obj without releasing the buffer; there is no cycle to find.
@cython.no_gc
cdef class Buffers:
    """What the connections of a loop share, one after the other."""

    cdef Py_buffer held  # so that the memory stays where it is, whoever gets hold of it
    cdef object view
    cdef uint8_t* cork  # CORK_SIZE bytes that nobody uses just now, or NULL

    def __cinit__(self):
        memory = bytearray(READ_SIZE)
        PyObject_GetBuffer(memory, &self.held, PyBUF_WRITABLE)
        self.view = memoryview(memory)

    def __dealloc__(self):
        PyBuffer_Release(&self.held)
        PyMem_RawFree(self.cork)


cdef Buffers buffers_of(object loop):
    shared = buffers.get(loop)
    if shared is None:
        shared = buffers[loop] = Buffers()
    return shared


def read_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    """The buffer that the connections of a loop read into, one after the other."""
    return buffers_of(loop).view


cdef class MessageStream:
    """Messages in and out of a transport: an ``asyncio.BufferedProtocol``, in part.

    Args:
        role: which end of the connection we are.
        decoder: what makes messages of bytes.
        loop: the event loop of the connection.
        max_queue: bytes of the wire that may wait undelivered, before reading pauses. With None it
            pauses while a message waits, however small; one in progress waits for nobody.
        on_message: called with the stream and each message; without it they wait for ``recv``.
    """

    cdef object decoder
    cdef bint masks
    cdef Py_ssize_t max_queue
    cdef bint counts_partial
    cdef readonly object _loop
    cdef public object _on_message
    cdef readonly object _transport
    cdef Buffers shared
    cdef object buffer  # of the shared one, what may be used
    # For the subclass, which knows the state of the connection:
    cdef public bint _ready  # whether a message may go straight onto the wire
    cdef public bint _over  # whether no message will come after those that wait
    cdef public bint _inflates  # whether messages that wait may be compressed
    cdef public bint _taking  # whether who waits takes a message in pieces
    cdef public bint _heard  # whether bytes came, and messages went either way, since it looked
    cdef public bint _active
    # Messages that wait: what is left of one read, and the later reads.
    cdef list batch
    cdef Py_ssize_t batch_size
    cdef Py_ssize_t position
    cdef object later
    cdef Py_ssize_t queued
    cdef Py_ssize_t partial  # bytes of the reads since, that completed no message
    cdef readonly bint _read_paused
    # What is held back to leave in one write.
    cdef uint8_t* corked
    cdef Py_ssize_t corked_size
    cdef Py_ssize_t read_wrote  # bytes that were written within this read
    cdef bint in_read
    cdef bint flush_due
    cdef bint plain  # whether the transport does nothing but write to its socket
    cdef bint asked  # for the socket, which takes a system call that a mere handshake can save
    cdef int fd  # of a plain transport, once it was asked for, else -1
    cdef bint behind  # whether the transport may hold something back
    # Made when they are first needed.
    cdef Waiter waiter
    cdef Receive iterate

    def __cinit__(self):
        self.fd = -1
        self.batch = []

    def __init__(
        self,
        role: Role,
        decoder: MessageDecoder,
        loop: asyncio.AbstractEventLoop,
        max_queue: int | None,
        on_message: Callable[[Any, Any], object] | None,
    ) -> None:
        self.masks = role is CLIENT
        self.decoder = decoder
        self._loop = loop
        self.counts_partial = max_queue is not None
        self.max_queue = 1 if max_queue is None else max_queue
        self._on_message = on_message
        self.shared = buffers_of(loop)
        self.buffer = self.shared.view
        if max_queue is not None and max_queue < READ_SIZE:
            self.buffer = self.buffer[: max(1, max_queue)]

    def __dealloc__(self):
        PyMem_RawFree(self.corked)

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def _attach(self, transport: Any) -> None:
        """Begin with a transport."""
        self._transport = transport
        self.plain = is_plain(type(transport))
        self.asked = not self.plain
        self.behind = True  # the answer to the handshake, perhaps

    def _detach(self) -> None:
        """The transport is gone: nothing can be written."""
        self._transport = self.iterate = None
        self.plain, self.asked, self.fd = False, True, -1

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport may read to: no more than may wait undelivered."""
        if self.queued:
            return self.buffer[: max(1, self.max_queue - self.queued - self.partial)]
        return self.buffer

    def buffer_updated(self, Py_ssize_t nbytes) -> None:
        """Take the bytes that the transport has read into the buffer."""
        self.take(<uint8_t*>self.shared.held.buf, max(0, min(nbytes, READ_SIZE)))

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes from the wire: deliver messages, then write what was sent meanwhile."""
        # A copy, of anything that could be changed meanwhile.
        cdef bytes held = bytes_of(data, "data")
        self.take(<uint8_t*>PyBytes_AS_STRING(held), PyBytes_GET_SIZE(held))

    cdef int take(self, const uint8_t* p, Py_ssize_t n) except -1:
        cdef list messages
        cdef object end = None
        self.in_read = self._heard = True
        self.read_wrote = 0
        try:
            try:
                messages = feed_memory(self.decoder, p, n)
            except ProtocolError as exc:
                # Without its traceback, which holds this frame, which holds it.
                messages, end = exc.completed, exc.with_traceback(None)
            for item in messages:
                if not PyUnicode_CheckExact(item) and not PyBytes_CheckExact(item):
                    messages, end = self._sort(messages, end)
                    break
            if messages:
                self._active = True
                self.deliver(messages, n)
            else:
                self.add_partial(n)
            if end is not None:
                self._finish(end)
        finally:
            self.in_read = False
            self.write_out()
        return 0

    cdef int deliver(self, list messages, Py_ssize_t size) except -1:
        cdef Py_ssize_t i = 0, count = PyList_GET_SIZE(messages)
        if self._on_message is not None:
            while i < count:
                try:
                    while i < count:
                        message = messages[i]
                        i += 1
                        self._on_message(self, message)
                except BaseException as exc:
                    self._raised(exc)
            return 0
        self.enqueue(messages, size + self.partial)
        self.partial = 0
        self.wake_receiver()
        if self.queued >= self.max_queue:
            self._pause_reading()
        return 0

    def _put(self, item: Any) -> None:
        """Let an item of the subclass's own wait behind the messages, for ``recv``."""
        self.enqueue([item], 0)
        self.wake_receiver()

    cdef int enqueue(self, list messages, Py_ssize_t size) except -1:
        if self.position < PyList_GET_SIZE(self.batch):
            if self.later is None:
                self.later = deque()
            self.later.append((messages, size))
        else:
            self.batch, self.batch_size, self.position = messages, size, 0
        self.queued += size
        return 0

    cdef int add_partial(self, Py_ssize_t size) except -1:
        """Count a read without a message: if nobody waits for it, it waits undelivered, too."""
        if self._over:
            self.decoder.take_partial()  # nobody will receive it
            return 0
        if self._on_message is not None or not self.counts_partial:
            return 0
        if not self.decoder.unfinished:
            return 0
        self.partial += size
        if self._taking:
            self.wake_receiver()
        elif self.queued + self.partial >= self.max_queue and not self._is_awaited():
            self._pause_reading()
        return 0

    def _take(self) -> str | bytes | None:
        """Take what has come of the message in progress."""
        self.partial = 0
        return self.decoder.take_partial()

    cdef inline object pop(self):
        cdef object message = self.batch[self.position]
        self.batch[self.position] = None  # from here on it is the program's alone
        self.position += 1
        if self.position == PyList_GET_SIZE(self.batch):
            self.next_batch()
        if self._inflates:
            return self._inflate(message)
        return message

    cdef int next_batch(self) except -1:
        self.queued -= self.batch_size
        self.position = 0
        if self.later:
            self.batch, self.batch_size = self.later.popleft()
        else:
            self.batch, self.batch_size = [], 0
        if self._read_paused and self.queued + self.partial <= self.max_queue // 2:
            self._resume_reading()
        return 0

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
        self.batch, self.batch_size, self.position = [], 0, 0
        self.later = None
        self.queued = 0

    def _waiting(self) -> bool:
        """Tell if messages wait to be received."""
        return self.position < PyList_GET_SIZE(self.batch)

    def _waits(self) -> _Waiter:
        """What the task that receives has to yield to its loop, to be woken.

        Raises:
            StateError: another task is receiving.
        """
        return self.begin_to_wait()

    cdef Waiter begin_to_wait(self):
        if self.waiter is None:
            self.waiter = Waiter(self._loop)
        if self.waiter.callback is not None:
            raise already_receiving()
        self.waiter._asyncio_future_blocking = True
        if self._read_paused:
            self._resume_reading()  # for the rest of a message that is larger than max_queue
        return self.waiter

    def _is_awaited(self) -> bool:
        """Tell if a task waits for a message."""
        return self.waiter is not None and self.waiter.callback is not None

    def wake(self) -> None:
        """Let the task that waits for a message go on, if there is one."""
        self.wake_receiver()

    cdef inline int wake_receiver(self) except -1:
        if self.waiter is not None and self.waiter.callback is not None:
            self.waiter.wake()
        return 0

    def recv(self) -> Any:
        """Receive the next message.

        Returns:
            To be awaited: ``str`` for text, ``bytes`` for binary. Cancelling loses no message.

        Raises:
            ConnectionClosed: no more messages will come.
            StateError: another task is receiving already.
        """
        return Receive(self, False)

    def __aiter__(self) -> MessageStream:
        return self

    def __anext__(self) -> Any:
        cdef Receive receive = self.iterate
        if receive is None:
            receive = Receive(self, True)
            if self._transport is not None:  # else it would stay, and be a cycle
                self.iterate = receive
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
        cdef Py_ssize_t size, wire
        cdef bint full
        cdef uint8_t* dst
        if (
            not self._ready
            or text is not None
            or not (PyUnicode_CheckExact(message) or PyBytes_CheckExact(message))
        ):
            return self._send_slowly(message, text)
        self._active = True
        if not self.asked:
            self.find_socket()
        if self.masks:
            # Drawing a key runs Python, which could move the cork under our hands.
            return self.write(encode(message, True, PY_SSIZE_T_MAX))
        size = payload_size(message)
        wire = header_size(size, False) + size
        if wire > LARGE:
            return self.send_large(message, size)
        if not self.in_read and not self.flush_due:
            self.flush_soon()
        full = self.corked_size + wire > CORK_SIZE
        if PyBytes_CheckExact(message):
            dst = write_header(self.room_for(wire), FIN | BINARY, size, False, 0)
            memcpy(dst, PyBytes_AS_STRING(message), size)
        else:
            dst = write_header(self.room_for(wire), FIN | TEXT, size, False, 0)
            if PyUnicode_IS_ASCII(message):
                memcpy(dst, PyUnicode_DATA(message), size)
            else:
                write_utf8(dst, size, message)
        self.corked_size += wire
        return self.turn_if_much() if full else SENT

    cdef object turn_if_much(self):
        """What is awaited after a write: the next turn, unless this read has brought as much."""
        return SENT if self.in_read and self.read_wrote <= 2 * READ_SIZE else Turn()

    cdef object send_large(self, object message, Py_ssize_t size):
        """Send one message past the cork, and its payload without a copy where that can be."""
        cdef uint8_t head[MAX_HEADER_SIZE]
        cdef const uint8_t* payload
        cdef Py_ssize_t n, sent
        cdef uint8_t opcode = BINARY
        if PyUnicode_CheckExact(message) and not PyUnicode_IS_ASCII(message):
            return self.write(encode(message, False, PY_SSIZE_T_MAX))
        self.check_loop()
        self.write_out()
        if PyUnicode_CheckExact(message):
            opcode = TEXT
            payload = <uint8_t*>PyUnicode_DATA(message)
        else:
            payload = <uint8_t*>PyBytes_AS_STRING(message)
        n = write_header(head, FIN | opcode, size, False, 0) - head
        self.read_wrote += n + size
        sent = wsf_send(self.fd, head, n, payload, size) if self.may_send() else 0
        if sent < n:
            self.write_rest(PyBytes_FromStringAndSize(<char*>head + sent, n - sent))
            sent = n
        if sent - n < size:
            if opcode == BINARY:
                self.write_rest(memoryview(message)[sent - n :])
            else:
                self.write_rest(
                    PyBytes_FromStringAndSize(<char*>payload + (sent - n), size - (sent - n))
                )
        return self.turn_if_much()

    def write(self, wire: bytes) -> Any:
        """Write whole frames, in order with all that is sent.

        Returns:
            To be awaited or not: it lets the loop turn once where much was written in one turn.

        Raises:
            StateError: this is not the thread of the event loop.
        """
        cdef const uint8_t* data
        cdef Py_ssize_t size, sent
        cdef bint full
        if not isinstance(wire, bytes):
            raise TypeError(f"expected bytes, {type(wire).__name__} found")
        data, size = <uint8_t*>PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire)
        if self._ready and not self.asked:
            self.find_socket()
        if size <= LARGE:
            if not self.in_read and not self.flush_due:
                self.flush_soon()
            full = self.corked_size + size > CORK_SIZE
            memcpy(self.room_for(size), data, size)
            self.corked_size += size
            return self.turn_if_much() if full else SENT
        self.check_loop()
        self.write_out()
        self.read_wrote += size
        sent = wsf_send(self.fd, data, size, NULL, 0) if self.may_send() else 0
        if sent < size:
            self.write_rest(memoryview(wire)[sent:] if sent else wire)
        return self.turn_if_much()

    def flush(self) -> None:
        """Write what is held back."""
        if not self.in_read:
            self.flush_due = False
        self.write_out()

    def _all_sent(self) -> bool:
        """Tell if a plain socket has taken all that was written: then nothing delays its end."""
        return self.holds_nothing()

    cdef int check_loop(self) except -1:
        if not self.in_read and _get_running_loop() is not self._loop:
            raise outside_loop()
        return 0

    cdef int flush_soon(self) except -1:
        self.check_loop()
        self._loop.call_soon(self.flush)
        self.flush_due = True
        return 0

    cdef inline uint8_t* room_for(self, Py_ssize_t size) except NULL:
        """Where in the cork so many bytes may be written: no more than CORK_SIZE."""
        while self.corked_size + size > CORK_SIZE:
            self.write_out()
        if self.corked is NULL:
            self.corked, self.shared.cork = self.shared.cork, NULL
            if self.corked is NULL:
                self.corked = <uint8_t*>PyMem_RawMalloc(CORK_SIZE)
                if self.corked is NULL:
                    raise MemoryError
        return self.corked + self.corked_size

    cdef int write_out(self) except -1:
        """Write what is held back, and hand the memory on to the next connection."""
        cdef uint8_t* corked
        cdef Py_ssize_t size, sent
        cdef object rest = None
        # This may run Python, and that send, in a finalizer or a signal handler: so it comes first.
        cdef bint direct = self.corked is not NULL and self.may_send()
        corked, size = self.corked, self.corked_size
        if corked is NULL:
            return 0
        sent = wsf_send(self.fd, corked, size, NULL, 0) if direct and not self.behind else 0
        if sent < size:
            rest = PyBytes_FromStringAndSize(<char*>corked + sent, size - sent)
        self.corked, self.corked_size = NULL, 0
        self.read_wrote += size
        if self.shared.cork is NULL:
            self.shared.cork = corked
        else:
            PyMem_RawFree(corked)
        if rest is not None:
            self.write_rest(rest)
        return 0

    cdef inline bint may_send(self) except -1:
        """Whether bytes may go straight to the socket."""
        return self.fd >= 0 and self.holds_nothing()

    cdef int find_socket(self) except -1:
        self.asked = True
        self.fd = self._transport.get_extra_info("socket").fileno()
        return 0

    cdef inline bint holds_nothing(self) except -1:
        """Whether a plain transport has written all that it was given."""
        if not self.plain:
            return False
        if self.behind:
            # One that closes may have thrown away what it held, and nothing can follow that.
            self.behind = (
                self._transport.get_write_buffer_size() > 0 or self._transport.is_closing()
            )
        return not self.behind

    cdef int write_rest(self, object rest) except -1:
        """Leave to the transport what the socket did not take."""
        self.behind = True
        # One whose socket has failed would log a warning for each write, until it tells us.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(rest)
        return 0


@cython.freelist(8)
cdef class Receive:
    """The next message, to be awaited: by ``recv``, or by ``async for``, which ends quietly.

    It has the methods of a coroutine, so that a task can be made of it, and no other state than the
    stream's, so that one object serves a whole iteration.
    """

    cdef MessageStream stream
    cdef bint iterating

    def __cinit__(self, MessageStream stream not None, bint iterating):
        self.stream = stream
        self.iterating = iterating

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef MessageStream stream = self.stream
        if stream.position < PyList_GET_SIZE(stream.batch):
            raise StopIteration(stream.pop())
        return self.wait_or_end()

    cdef Waiter wait_or_end(self):
        if self.stream._over:
            raise self.stream._ended(self.iterating)
        return self.stream.begin_to_wait()

    def send(self, value):
        return self.__next__()

    def throw(self, error, value=None, traceback=None):
        raise thrown(error, value)

    def close(self):
        pass


# The same as Receive.__next__, without the exception that a message is wrapped in, or at least
# without its traceback: 60 ns a message instead of 400.

cdef PySendResult send_receive(
    PyObject* receive, PyObject* value, PyObject** result
) except PYGEN_ERROR:
    cdef Receive self = <Receive>receive
    cdef MessageStream stream = self.stream
    if stream.position < PyList_GET_SIZE(stream.batch):
        answer = stream.pop()
        Py_INCREF(answer)
        result[0] = <PyObject*>answer
        return PYGEN_RETURN
    answer = self.wait_or_end()
    Py_INCREF(answer)
    result[0] = <PyObject*>answer
    return PYGEN_NEXT


cdef PyObject* next_of_receive(PyObject* receive) except? NULL:
    cdef Receive self = <Receive>receive
    cdef MessageStream stream = self.stream
    if stream.position < PyList_GET_SIZE(stream.batch):
        PyErr_SetObject(StopIteration, stream.pop())
        return NULL
    answer = self.wait_or_end()
    Py_INCREF(answer)
    return <PyObject*>answer


wsf_set_slots(<PyTypeObject*>Receive, send_receive, next_of_receive)


cdef class Waiter:
    """What a task waits on: a future in the eyes of ``asyncio.Task``, that can be used again.

    A future would have the task go on one turn of the loop later. This one lets it go on at once.
    """

    cdef public bint _asyncio_future_blocking
    cdef object loop
    cdef object callback
    cdef object context

    def __init__(self, loop):
        self.loop = loop

    cdef int wake(self) except -1:
        callback, context = self.callback, self.context
        self.callback = self.context = None
        try:
            if in_task(self.loop):
                self.loop.call_soon(callback, self, context=context)
            elif context is None:
                callback(self)
            else:
                try:
                    PyContext_Enter(context)
                except RuntimeError:  # it is the one that we are called in
                    self.loop.call_soon(callback, self, context=context)
                    return 0
                try:
                    callback(self)
                finally:
                    PyContext_Exit(context)
        except (SystemExit, KeyboardInterrupt) as exc:
            # The transport would take it for an error of its own.
            self.loop.call_soon(raise_in_loop, exc)
        return 0

    def get_loop(self):
        return self.loop

    def add_done_callback(self, callback, *, context=None):
        self.callback, self.context = callback, context

    def remove_done_callback(self, callback):
        removed = int(self.callback is not None)
        self.callback = self.context = None
        return removed

    def cancel(self, msg=None):
        if self.callback is None:
            return False
        callback, context = self.callback, self.context
        self.callback = self.context = None
        # The task is told by a future of its own, since the next may wait here before it goes on.
        cancelled = self.loop.create_future()
        cancelled.cancel(msg)
        self.loop.call_soon(callback, cancelled, context=context)
        return True

    def result(self):
        pass


cdef bint in_task(object loop) except -1:
    if CURRENT_TASKS is not None:
        return loop in CURRENT_TASKS
    return current_task(loop) is not None


cdef class Sent:
    """Nothing to wait for. It keeps no state: one object, ``SENT``, serves all."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def send(self, value):
        raise StopIteration

    def throw(self, error, value=None, traceback=None):
        raise thrown(error, value)

    def close(self):
        pass


cdef object SENT = Sent()
