"""What a program gives to be called for a connection: a coroutine function, or callbacks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["Callbacks", "Handler"]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Plain functions that are called for what happens to a connection, without any task.

    They must not block. An exception out of one is logged and closes the connection with 1011.

    Attributes:
        on_open: called with the WebSocket when it is open, before any message.
        on_message: called with the WebSocket and each message, ``str`` or ``bytes``.
        on_close: called with the WebSocket when it is closed; ``ws.close_code`` tells why.
    """

    on_open: Callable[[WebSocket], object] | None = None
    on_message: Callable[[WebSocket, Any], object] | None = None
    on_close: Callable[[WebSocket], object] | None = None


# One task a connection, or none.
Handler: TypeAlias = "Callable[[WebSocket], Coroutine[Any, Any, object]] | Callbacks"


def check_handler(handler: Handler) -> Handler:
    """Give a handler back.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(handler, Callbacks) and not callable(handler):
        raise TypeError(f"handler must be a coroutine function or Callbacks, not {handler!r}")
    return handler
