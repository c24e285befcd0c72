"""Every error that wsfast raises.

::

    WebSocketError
      ProtocolError          the peer broke RFC 6455 (close code 1002)
        InvalidUtf8          text that is not UTF-8 (1007)
        MessageTooBig        a limit was passed (1009)
      HandshakeError         the opening handshake was refused or malformed
      ConnectionClosed       the connection is no longer open; says which close frames crossed
      StateError             the caller used an object in a state that does not allow it

An error knows its consequence: the close code that RFC 6455 asks for, and a short ``reason`` that
never changes its spelling, for logs and tests to match on. The text says what was wrong and where.

A wrong argument is a plain ``TypeError`` or ``ValueError``, and text that UTF-8 cannot carry is
Python's own ``UnicodeEncodeError``.
"""

from __future__ import annotations

from typing import Any

from .rfc6455 import CloseCode

__all__ = [
    "ConnectionClosed",
    "HandshakeError",
    "InvalidUtf8",
    "MessageTooBig",
    "ProtocolError",
    "StateError",
    "WebSocketError",
]


class WebSocketError(Exception):
    """Base of all errors of wsfast."""


class ProtocolError(WebSocketError):
    """The peer broke a rule of RFC 6455: fail the connection (section 7.1.7).

    Attributes:
        reason: the rule, as a short constant such as ``"reserved_bits"``.
        close_code: the code for the close frame that tells the peer.
        completed: the frames or messages that the same ``feed`` had completed before the error.
            They are valid: handle them first.
    """

    close_code = CloseCode.PROTOCOL_ERROR

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.completed: list[Any] = []

    def __str__(self) -> str:
        return str(self.args[1])


class InvalidUtf8(ProtocolError):
    """Text, or the reason of a close frame, is not UTF-8 (sections 5.6, 5.5.1 and 8.1)."""

    close_code = CloseCode.INVALID_PAYLOAD


class MessageTooBig(ProtocolError):
    """A message or frame passes a limit that was set (section 10.4)."""

    close_code = CloseCode.MESSAGE_TOO_BIG


class HandshakeError(WebSocketError):
    """The opening handshake was refused, or was malformed (RFC 6455 section 4).

    Attributes:
        reason: what was wrong, as a short constant such as ``"origin"``.
        response: a server's answer: on the server the one to send, on the client the one that
            came; None where none did.
    """

    def __init__(self, reason: str, text: str, response: Any = None) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.response = response

    def __str__(self) -> str:
        return str(self.args[1])


class ConnectionClosed(WebSocketError):
    """The connection is no longer open (RFC 6455 section 7).

    Attributes:
        received: the close frame that the peer sent, a ``Close``; None if none came.
        sent: the close frame that we sent; None if none was.
        received_first: whether the peer was the first to close.
    """

    def __init__(
        self, received: Any = None, sent: Any = None, received_first: bool = False
    ) -> None:
        super().__init__(received, sent, received_first)
        self.received = received
        self.sent = sent
        self.received_first = received_first

    @property
    def clean(self) -> bool:
        """Whether close frames went both ways (section 7.1.4)."""
        return self.received is not None and self.sent is not None

    @property
    def code(self) -> int:
        """The close code of the connection: what the peer sent, else 1006 (section 7.1.5)."""
        return int(self.received.code if self.received else CloseCode.ABNORMAL_CLOSURE)

    @property
    def reason(self) -> str:
        """The close reason of the connection: what the peer sent, else nothing (section 7.1.6)."""
        return str(self.received.reason) if self.received else ""

    def __str__(self) -> str:
        frames = [
            f"received {_told(self.received)}" if self.received else "",
            f"sent {_told(self.sent)}" if self.sent else "",
        ]
        if not self.received_first:
            frames.reverse()
        return "; then ".join(filter(None, frames)) or "no close frame was received or sent"


class StateError(WebSocketError):
    """The caller used an object in a state that does not allow it."""


def _told(close: Any) -> str:
    return f"{int(close.code)} {close.reason}".rstrip()
