"""Frames and messages: the wire to objects, and back. No idea what a connection is."""

from typing import TYPE_CHECKING

from .._backend import USE_EXTENSIONS
from .received import Close, CompressedMessage, Ping, Pong

if TYPE_CHECKING or not USE_EXTENSIONS:
    from .codec_py import Frame, FrameParser, serialize_frame, split_frames
    from .keys_py import masking_key
    from .memory_py import memory_of
    from .messages_py import MessageDecoder, MessageEncoder, encode_message
else:
    from .codec_c import Frame, FrameParser, serialize_frame, split_frames
    from .keys_c import masking_key
    from .memory_c import memory_of
    from .messages_c import MessageDecoder, MessageEncoder, encode_message

__all__ = [
    "Close",
    "CompressedMessage",
    "Frame",
    "FrameParser",
    "MessageDecoder",
    "MessageEncoder",
    "Ping",
    "Pong",
    "encode_message",
    "masking_key",
    "memory_of",
    "serialize_frame",
    "split_frames",
]
