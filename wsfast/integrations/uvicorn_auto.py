"""uvicorn's ``--ws auto``, its default, on wsfast: ``patch()`` and ``unpatch()``.

====================================================  =============================================
seam                                                  what changes
====================================================  =============================================
``AutoWebSocketsProtocol``, of                        it is wsfast's class of ``.uvicorn``, where it
``uvicorn.protocols.websockets.auto``                 was ``WebSocketsSansIOProtocol``
====================================================  =============================================

It is looked up by every ``Config.load()``. Who names a class with ``--ws`` has the one named, and
who has no websockets installed has wsproto or nothing, as before.

What is left of the time of a small message is the application's and, with one message in flight,
the system calls: ``.uvicorn`` itself takes some half a microsecond.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from ._seams import Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


def patch() -> bool:
    """Run uvicorn on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _auto(original: Any, module: Any) -> Any:
    if getattr(original, "__name__", None) != "WebSocketsSansIOProtocol":
        return original
    functions = [value for value in vars(original).values() if isinstance(value, FunctionType)]
    if any(function.__module__ != original.__module__ for function in functions):
        return original  # somebody has put a method of their own there
    from .uvicorn import WebSocketProtocol

    # By the name that logs and programs know.
    names = {name: getattr(original, name) for name in ("__module__", "__qualname__")}
    return type(original.__name__, (WebSocketProtocol,), names | {"__doc__": original.__doc__})


integration = Integration(
    "uvicorn",
    versions=("0.52.1", "0.52.2", "0.52.3", "0.52.4", "0.53.0", "0.54.0"),
    seams=(
        Seam(
            "uvicorn.protocols.websockets.auto",
            "AutoWebSocketsProtocol",
            (
                *("0bbcec989384", "fb74fea74c03"),
                # Left as they are: the class for wsproto, and none.
                *("142b7556afc9", "an instance of NoneType"),
            ),
            _auto,
        ),
    ),
    gains=(
        "WebSocket servers with --ws auto, the default: 5 to 7 times as many small messages where "
        "many are in flight, twice as many long ones; reaches every ASGI framework"
    ),
)
