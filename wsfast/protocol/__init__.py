"""The protocol without sockets and without a clock: handshakes, extensions, connections."""
