"""Every error that wsfast raises.

::

    WebSocketError
      ProtocolError          the peer broke RFC 6455 (close code 1002)
        InvalidUtf8          text that is not UTF-8 (1007)
        MessageTooBig        a limit was passed (1009)

An error knows its consequence: the close code that RFC 6455 asks for, and a short ``reason`` that
never changes its spelling, for logs and tests to match on. The text says what was wrong and where.

Misuse by the caller is a plain ``TypeError`` or ``ValueError``, and text that UTF-8 cannot carry is
Python's own ``UnicodeEncodeError``.
"""

from __future__ import annotations

from typing import Any

from .rfc6455 import CloseCode

__all__ = ["InvalidUtf8", "MessageTooBig", "ProtocolError", "WebSocketError"]


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
