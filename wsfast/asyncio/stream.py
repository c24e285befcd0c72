"""The hot path of a connection, from the backend in use."""

from typing import TYPE_CHECKING

from .._backend import USE_EXTENSIONS

if TYPE_CHECKING or not USE_EXTENSIONS:
    from .stream_py import MessageStream, read_buffer
else:
    from .stream_c import MessageStream, read_buffer

__all__ = ["MessageStream", "read_buffer"]
