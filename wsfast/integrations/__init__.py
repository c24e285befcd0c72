"""Other people's libraries on wsfast, without a change to them or to the programs that use them.

One module a library, each with ``patch()`` and ``unpatch()``; it opens with its table of seams.
``KNOWN`` has them all by the distribution that they patch, and imports none before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._seams import Integration

__all__ = ["KNOWN", "patch", "unpatch"]

_MODULES = {
    "uvicorn": "uvicorn_auto",
    "websockets": "websockets",
    "wsproto": "wsproto",
    "aiohttp": "aiohttp",
    "tornado": "tornado",
    "autobahn": "autobahn",
    "daphne": "daphne",
    "websocket-client": "websocket_client",
    "ws4py": "ws4py",
    "gevent-websocket": "gevent_websocket",
    "eventlet": "eventlet",
}


class _Known(Mapping[str, "Integration"]):
    """Every integration, by its distribution."""

    def __getitem__(self, distribution: str) -> Integration:
        module = import_module(f".{_MODULES[distribution]}", __name__)
        integration: Integration = module.integration
        return integration

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KNOWN: Mapping[str, Integration] = _Known()


def patch(*libraries: str, deflate: str | None = None) -> list[str]:
    """Run libraries on wsfast: what the program has imported of them, and what it will import.

    Nothing is imported for that, and a library of an unknown version runs as it is. Calling it
    again changes nothing; ``unpatch`` takes it all back.

        import wsfast
        wsfast.patch()
        wsfast.patch("websockets", "tornado", deflate="zlib-ng")

    Args:
        libraries: the names they are installed by; all that are known and installed, if none.
        deflate: what those that are bound to zlib should compress with from now on: ``"zlib-ng"``,
            ``"isal"``, or ``"zlib"`` again. None, the default, leaves it as it is.

    Returns:
        The names of those that run on wsfast; of any other, a RuntimeWarning has said why it does
        not.

    Raises:
        ValueError: no such library is known, or no such ``deflate``.
        ImportError: what ``deflate`` names is not installed; the text says what to install.
    """
    names = _names(libraries)
    zlib = None
    if deflate is not None:
        from ._deflate import stand_in

        zlib = stand_in(deflate)
    patched = []
    for name in names:
        integration = KNOWN[name]
        if (libraries or integration.installed) and integration.patch(zlib):
            patched.append(name)
    return patched


def unpatch(*libraries: str) -> None:
    """Put back what ``patch`` has replaced.

    Args:
        libraries: the names they are installed by; all that are known, if none.

    Raises:
        ValueError: no such library is known.
    """
    for name in _names(libraries):
        KNOWN[name].unpatch()


def _names(libraries: tuple[str, ...]) -> list[str]:
    for name in libraries:
        if name not in KNOWN:
            raise ValueError(f"wsfast does not know {name!r}; it knows {', '.join(KNOWN)}")
    return list(libraries or KNOWN)
