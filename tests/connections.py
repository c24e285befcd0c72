"""Connections under test: one against a peer that is written by hand, or two back to back."""

import zlib

from wires import CLOSE, FIN, PING, PONG, frame

from wsfast.exceptions import MessageTooBig, ProtocolError
from wsfast.frames import FrameParser
from wsfast.protocol.connection import Connection, State
from wsfast.rfc6455 import Role

RSV1 = 0x40


def in_one_call(connection, data, now, seen):
    """Read as everybody does; ``seen`` is called with each event."""
    for event in connection.receive_data(data, now):
        seen(event)


def in_its_parts(connection, data, now, seen):
    """Read as an adapter does that has the messages straight from the decoder."""
    items, error = [], None
    if connection.failure is None:
        try:
            items = connection.decoder.feed(data)
        except ProtocolError as exc:
            items, error = exc.completed, exc
    connection.heard = True
    try:
        for item in items:
            if isinstance(item, (str, bytes)):
                connection.active = True
                seen(item)
            else:
                seen(connection.handle(item, now))
    except ProtocolError as exc:
        error = exc
    if error is not None:
        connection.fail(error)


READINGS = (in_one_call, in_its_parts)


def other(role):
    return Role.CLIENT if role is Role.SERVER else Role.SERVER


def close_payload(code, reason=""):
    return code.to_bytes(2, "big") + reason.encode()


class Peer:
    """The other end of a connection: writes by hand, reads frames, and obeys no rule by itself."""

    def __init__(self, connection, reading):
        self.connection = connection
        self.now = 0.0
        self._reading = reading
        self._masks = connection.role is Role.SERVER
        self._parser = FrameParser(other(connection.role), max_frame_size=None, allowed_rsv=RSV1)

    def frame(self, opcode, payload=b"", **options):
        return frame(self._masks, opcode, payload, **options)

    def sends(self, *wires):
        """Send all of it at once; what it is to the connection."""
        events = []
        self._reading(self.connection, b"".join(wires), self.now, events.append)
        return events

    def says(self, opcode, payload=b"", **options):
        return self.sends(self.frame(opcode, payload, **options))

    def closes(self, code=None, reason=""):
        return self.says(CLOSE, b"" if code is None else close_payload(code, reason))

    def hears(self):
        """What the connection sends: opcodes and payloads."""
        return [
            (frame.opcode, frame.payload)
            for frame in self._parser.feed(self.connection.data_to_send())
        ]

    def hears_frames(self):
        """The same, with all that a header says: first bytes and payloads."""
        return [
            ((FIN if frame.fin else 0) | frame.rsv | frame.opcode, frame.payload)
            for frame in self._parser.feed(self.connection.data_to_send())
        ]

    def pings_heard(self):
        return [payload for opcode, payload in self.hears() if opcode == PING]

    def pongs_heard(self):
        return [payload for opcode, payload in self.hears() if opcode == PONG]


class ConnectionPair:
    """A client and a server, and the wire between them."""

    def __init__(self, reading, **options):
        self.now = 0.0
        self.client = Connection(Role.CLIENT, **options)
        self.server = Connection(Role.SERVER, **options)
        self.both = (self.client, self.server)
        self.events = {self.client: [], self.server: []}
        self._reading = reading

    def other(self, connection):
        return self.server if connection is self.client else self.client

    def carry(self, connection):
        """Carry to the other end what a connection sends; whether that was anything."""
        data = connection.data_to_send()
        to = self.other(connection)
        self._reading(to, data, self.now, self.events[to].append)
        return bool(data)

    def settle(self):
        """Carry until nobody has anything to send, then TCP to its end where someone ends it."""
        while any([self.carry(self.client), self.carry(self.server)]):
            pass
        if any(connection.must_disconnect for connection in self.both):
            self.end()

    def end(self):
        """End TCP."""
        for connection in self.both:
            connection.receive_eof()

    def states(self):
        return tuple(connection.state for connection in self.both)

    @property
    def is_closed(self):
        return self.states() == (State.CLOSED, State.CLOSED)


class Codec:
    """A small permessage-deflate: takes over contexts, and flushes after every piece."""

    threshold = 10

    def __init__(self):
        self.releases = 0
        self._compressor = zlib.compressobj(wbits=-15)
        self._decompressor = zlib.decompressobj(wbits=-15)

    def compress(self, payload):
        return self.compress_piece(payload, True)

    def compress_piece(self, piece, last):
        data = self._compressor.compress(piece) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return data[:-4] if last else data

    def decompress(self, payload, max_size):
        try:
            data = self._decompressor.decompress(
                payload + b"\x00\x00\xff\xff", 0 if max_size is None else max_size + 1
            )
        except zlib.error as exc:
            raise ProtocolError("bad_deflate", f"message cannot be inflated: {exc}") from None
        if max_size is not None and len(data) > max_size:
            raise MessageTooBig("message_too_big", f"message passes max_size, {max_size} bytes")
        return data

    def release(self):
        self.releases += 1
