"""Other people's libraries on wsfast, without a change to them or to the programs that use them.

One module a library, each with ``patch()`` and ``unpatch()``; it opens with its table of seams.
``KNOWN`` has them all by the distribution that they patch, and imports none before it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from ._seams import Integration

__all__ = ["KNOWN", "patch", "patched", "unpatch"]

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
        The names of those that run on wsfast. Of any other that the program imports, a
        RuntimeWarning says why it does not: at once, or when it is imported.

    Raises:
        ValueError: no such library is known, or no such ``deflate``.
        ImportError: what ``deflate`` names is not installed; the text says what to install.
    """
    names, zlib = resolve(libraries, deflate)
    from ._notices import say_what_runs

    known = {name: KNOWN[name] for name in names if libraries or KNOWN[name].installed}
    refused = None
    for integration in known.values():
        try:
            integration.patch_silently(zlib)
        except RuntimeWarning as warning:  # warnings are errors here; the others are patched first
            refused = refused or warning
    say_what_runs([*known.values()])
    if refused is not None:
        raise refused
    return [name for name, integration in known.items() if integration.patched]


def unpatch(*libraries: str) -> None:
    """Put back what ``patch`` has replaced.

    Args:
        libraries: the names they are installed by; all that are known, if none.

    Raises:
        ValueError: no such library is known.
    """
    for name in resolve(libraries)[0]:
        KNOWN[name].unpatch()


def patched() -> list[str]:
    """Tell which libraries run on wsfast now, in this process.

    A program that has to be on wsfast can see to that at its start:

        assert "websockets" in wsfast.patched()

    Returns:
        The names that they are installed by: of all that ``patch`` has put on wsfast, here or by
        ``python -m wsfast run``, those of which nobody has taken a part back since. What is not
        imported yet will run on wsfast when it is.
    """
    loaded = [name for name, module in _MODULES.items() if f"{__name__}.{module}" in sys.modules]
    return [name for name in loaded if KNOWN[name].patched]


def resolve(
    libraries: Iterable[str], deflate: str | None = None
) -> tuple[list[str], ModuleType | None]:
    """Find out what ``patch`` or ``unpatch`` was told.

    Returns:
        The names of the libraries, and what they should compress with.

    Raises:
        ValueError: no such library is known, or no such ``deflate``.
        ImportError: what ``deflate`` names is not installed; the text says what to install.
    """
    names = list(libraries)
    for name in names:
        if name not in KNOWN:
            raise ValueError(unknown(name))
    if deflate is None:
        return names or list(KNOWN), None
    from ._deflate import stand_in

    return names or list(KNOWN), stand_in(deflate)


def unknown(library: str) -> str:
    """Say of a name that it is not known, which ones are, and which one may have been meant."""
    from difflib import get_close_matches

    close = " or ".join(get_close_matches(library, KNOWN, 2, 0.5))
    known = f"wsfast does not know {library!r}; it knows {', '.join(KNOWN)}"
    return f"{known}. Did you mean {close}?" if close else known
