"""daphne on wsfast: ``patch()`` and ``unpatch()``. Django's channels are reached through it.

============================================  =====================================================
seam                                          what changes
============================================  =====================================================
``daphne.ws_protocol.WebSocketProtocol``
``.onMessage``                                texts are decoded in C
``.serverSend``                               texts are encoded in C
============================================  =====================================================

Frames are autobahn's (``wsfast.integrations.autobahn``), which is most of what there is to gain.
With that in place, these two are half of the time of a long text outside ASCII; of a short one,
nearly all is the event loops of Twisted and asyncio, one on top of the other.
"""

from __future__ import annotations

from typing import Any

from ..kernels import decode_utf8, encode_utf8
from ._rewrite import exchange_call
from ._seams import Function, Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


def patch() -> bool:
    """Run daphne on wsfast: what is imported already, and what will be.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


def _on_message(original: Function, module: Any) -> Function:
    return exchange_call(original, "decode", decode_utf8, "utf8")


def _server_send(original: Function, module: Any) -> Function:
    def encode(content: Any) -> Any:
        return encode_utf8(content) if type(content) is str else content.encode("utf8")

    return exchange_call(original, "encode", encode, "utf8")


integration = Integration(
    "daphne",
    versions=("4.2.3", "4.2.2", "4.2.1", "4.2.0", "4.1.2", "4.1.1", "4.1.0", "4.0.0"),
    seams=(
        Seam(
            "daphne.ws_protocol",
            "WebSocketProtocol.onMessage",
            ("826cc86d0e2a",),
            _on_message,
        ),
        Seam(
            "daphne.ws_protocol",
            "WebSocketProtocol.serverSend",
            ("345f21330d2a",),
            _server_send,
        ),
    ),
    gains="long texts outside ASCII are decoded and encoded in C; what frames gain is autobahn's",
)
