"""uvicorn's ``--ws auto``, its default, on wsfast: ``patch()`` and ``unpatch()``.

====================================================  =============================================
seam                                                  what changes
====================================================  =============================================
``AutoWebSocketsProtocol``, of                        it is wsfast's class of ``.uvicorn``, where it
``uvicorn.protocols.websockets.auto``                 was ``WebSocketsSansIOProtocol``
``uvicorn.config.Config`` ``.ws_protocol_class``      a ``Config`` that had looked that up before
                                                      has wsfast's class, too
====================================================  =============================================

uvicorn looks the class up before it imports the application, and every connection asks the
``Config`` for it. So ``patch()`` holds for all connections that are opened after it, also where it
is called by the application's module under ``--workers``, ``--reload``, ``fastapi dev`` or
gunicorn.

A class that is named with ``--ws`` is the one that is used, and where websockets is not installed,
wsproto is, or nothing, as before.

What is left of the time of a small message is the application's and, with one message in flight,
the system calls: ``.uvicorn`` itself takes some half a microsecond.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from ._seams import ABSENT, Integration, Seam, fingerprint

__all__ = ["integration", "patch", "unpatch"]

# What is in the place of uvicorn's class, by that class.
_in_place: dict[Any, Any] = {}


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
    _in_place.clear()
    if getattr(original, "__name__", None) != "WebSocketsSansIOProtocol":
        return original
    functions = [value for value in vars(original).values() if isinstance(value, FunctionType)]
    if any(function.__module__ != original.__module__ for function in functions):
        return original  # somebody has put a method of their own there
    from .uvicorn import WebSocketProtocol

    # By the name that logs and programs know.
    names = {name: getattr(original, name) for name in ("__module__", "__qualname__")}
    made = type(original.__name__, (WebSocketProtocol,), names | {"__doc__": original.__doc__})
    _in_place[original] = made
    return made


def _ws_protocol_class(original: Any, module: Any) -> property:
    """Build a property in front of the attribute that ``Config.load`` sets."""

    def get(self: Any) -> Any:
        if "ws_protocol_class" not in vars(self):
            what = f"{type(self).__name__!r} object has no attribute 'ws_protocol_class'"
            raise AttributeError(what, name="ws_protocol_class", obj=self)
        found = vars(self)["ws_protocol_class"]
        return _in_place.get(found, found) if self.ws == "auto" else found

    def put(self: Any, value: Any) -> None:
        vars(self)["ws_protocol_class"] = value

    def delete(self: Any) -> None:
        get(self)
        del vars(self)["ws_protocol_class"]

    return property(get, put, delete)


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
        Seam(
            "uvicorn.config",
            "Config.ws_protocol_class",
            (fingerprint(ABSENT),),
            _ws_protocol_class,
        ),
    ),
    gains=(
        "WebSocket servers with --ws auto, the default: 5 to 7 times as many small messages where "
        "many are in flight, twice as many long ones; reaches every ASGI framework"
    ),
)
