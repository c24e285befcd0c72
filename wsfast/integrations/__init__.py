"""Other people's libraries on wsfast, without a change to them or to the programs that use them.

One module a library, each with ``patch()`` and ``unpatch()``; it opens with its table of seams.
``KNOWN`` names them all by the distribution that they patch.
"""

from __future__ import annotations

from . import websocket_client, websockets
from ._seams import Integration

__all__ = ["KNOWN", "patch_installed"]

KNOWN: dict[str, Integration] = {
    module.integration.distribution: module.integration for module in (websocket_client, websockets)
}


def patch_installed() -> list[Integration]:
    """Patch every library that is known and installed.

    Returns:
        Those that run on wsfast, now or as soon as they are imported.
    """
    return [known for known in KNOWN.values() if known.installed and known.patch()]
