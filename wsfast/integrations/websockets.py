"""websockets (asyncio, sync, trio, sans-I/O and legacy) on wsfast: ``patch()`` and ``unpatch()``.

==================================================  ===============================================
seam                                                what changes
==================================================  ===============================================
``websockets.protocol.Protocol.parse``              all complete frames are split off at once, in C,
                                                    and not read piece by piece through generators
``websockets.protocol.Protocol.send_text``,         a message is framed in C, past a ``Frame`` and
``send_binary``                                     its checks
``websockets.frames.Frame.serialize``               other frames are written at once, in C
``websockets.frames.apply_mask``                    what is left to mask is masked in C
``websockets.*.messages.Assembler.get``             texts are decoded in C
``websockets.*.connection.Connection.send``         texts are encoded in C; on asyncio, a message
                                                    goes to the transport without a context manager
``websockets.asyncio.connection.Connection``:       what a read brings is queued at once; a message
``data_received``, ``recv``                         that is there is handed out without waiting
``websockets.legacy.framing.Frame.read``            a frame that is there is taken at once
``websockets.legacy.framing.apply_mask``            as above
``websockets.legacy.protocol.prepare_data``         texts are encoded in C
``websockets.legacy.protocol``:                     a message of one frame comes and goes past four
``WebSocketCommonProtocol.read_message``, ``send``  coroutines; texts are decoded in C
==================================================  ===============================================

``*`` is ``asyncio``, ``sync`` and ``trio``. Each is patched as soon as the program imports it, and
so is ``legacy``, which warns when it is imported. uvicorn and sanic run on the sans-I/O protocol,
uvicorn's ``--ws websockets`` on ``legacy``.

What is rare stays the library's own; the private modules beside this one say what that is, and what
is left of the time. With asyncio, glibc is made to keep the blocks that are read into
(``keep_blocks``), which concerns the whole process and outlasts ``unpatch()``.
"""

from __future__ import annotations

from . import _deflate, _websockets_asyncio, _websockets_legacy, _websockets_protocol
from ._seams import Integration, Seam

__all__ = ["integration", "patch", "unpatch"]


def patch() -> bool:
    """Run websockets on wsfast: what is imported already, and what will be.

    Connections that are open go on parsing as they began.

    Returns:
        Whether it does; if not, a RuntimeWarning has said why.
    """
    return integration.patch()


def unpatch() -> None:
    """Put back all that ``patch`` has replaced."""
    integration.unpatch()


# Compiled, and in Python for where it was not.
_APPLY_MASK = (
    "built-in websocket.speedups.apply_mask",
    *("552db1b0bdf7", "3f068edd00c2", "7d98ff4cffa8"),
)

# Of each function, the originals in all these versions, from the newest to the oldest.
integration = Integration(
    "websockets",
    versions=(
        *("17.4", "17.3", "17.2", "17.1", "17.0.1", "17.0"),
        *("16.1.1", "16.1", "16.0"),
        *("15.0.1", "15.0"),
        "14.2",
    ),
    seams=(
        Seam(
            "websockets.protocol",
            "Protocol.parse",
            ("45aaf900644b", "23201830ee7d"),
            _websockets_protocol.parse,
        ),
        Seam(
            "websockets.protocol",
            "Protocol.send_text",
            ("9268f18e580a", "5bdf49719ceb", "36d30c8a151f"),
            _websockets_protocol.send_text,
        ),
        Seam(
            "websockets.protocol",
            "Protocol.send_binary",
            ("a001f8bb8a65", "f6ebf3fa9d30", "9543982ea2bc"),
            _websockets_protocol.send_binary,
        ),
        Seam(
            "websockets.frames",
            "Frame.serialize",
            ("2aeba0b89df2", "1a3913bbca0b"),
            _websockets_protocol.serialize,
        ),
        Seam(
            "websockets.frames",
            "apply_mask",
            _APPLY_MASK,
            _websockets_protocol.apply_mask,
        ),
        Seam(
            "websockets.asyncio.messages",
            "Assembler.get",
            (
                *("2db634a947dc", "d5b2879d5a7f", "4347014cd4f4", "31309630d493", "c6c3428844eb"),
                "2e9f82e20660",
            ),
            _websockets_asyncio.decode,
        ),
        Seam(
            "websockets.asyncio.connection",
            "Connection.data_received",
            ("19c5a13dd8eb", "9dd300d27dd4", "72972c0eeb7e"),
            _websockets_asyncio.data_received,
        ),
        Seam(
            "websockets.asyncio.connection",
            "Connection.recv",
            ("23199c9dbd0d", "9d6bcae1e361", "f094a0e25ab1"),
            _websockets_asyncio.recv,
        ),
        Seam(
            "websockets.sync.messages",
            "Assembler.get",
            ("fc73dd376bd8", "4e571a6a4fca", "2f534fb9baa6", "c9981d3de63c"),
            _websockets_asyncio.decode,
        ),
        Seam(
            "websockets.trio.messages",
            "Assembler.get",
            ("950edb5fea22", "72f9df2d4e6c", "ca5bd3a560d7"),
            _websockets_asyncio.decode,
        ),
        Seam(
            "websockets.asyncio.connection",
            "Connection.send",
            ("5617d820f825", "d182944aba05", "a8ae9dce36de", "423c48eb5dbe"),
            _websockets_asyncio.send,
        ),
        Seam(
            "websockets.sync.connection",
            "Connection.send",
            ("2536c8537f97", "fa5ba8bd01ba", "12f1d6ddfe45", "aa268518b8e7", "cb3996203643"),
            _websockets_asyncio.encode,
        ),
        Seam(
            "websockets.trio.connection",
            "Connection.send",
            ("ed8728f0245d",),
            _websockets_asyncio.encode,
        ),
        Seam(
            "websockets.legacy.framing",
            "apply_mask",
            _APPLY_MASK,
            _websockets_protocol.apply_mask,
        ),
        Seam(
            "websockets.legacy.framing",
            "Frame.read",
            ("4f431678b603",),
            _websockets_legacy.read,
        ),
        Seam(
            "websockets.legacy.protocol",
            "prepare_data",
            ("4005814e1908", "c8fec38716fe", "64de7f9a98a8"),
            _websockets_asyncio.encode,
        ),
        Seam(
            "websockets.legacy.protocol",
            "WebSocketCommonProtocol.read_message",
            ("854f09ea6320", "4133f013ff95", "463fde62d32e"),
            _websockets_legacy.read_message,
        ),
        Seam(
            "websockets.legacy.protocol",
            "WebSocketCommonProtocol.send",
            ("0ee065b66ee9", "dccd0bc002c7", "e6e35fcb635e"),
            _websockets_legacy.send,
        ),
    ),
    gains=(
        "all messages, most where many short ones are in flight, and long texts outside ASCII; "
        "also in uvicorn and sanic, which run on it"
    ),
    deflate=_deflate.zlib_of("websockets.extensions.permessage_deflate"),
)
