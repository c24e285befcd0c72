"""The protocol without sockets and without a clock: handshakes, extensions, connections."""

from .auth import basic_auth, basic_challenge, check_basic_auth
from .connection import Connection, Event, State
from .deflate import Deflate
from .headers import Headers
from .http import HttpLimits, Request, Response
from .negotiation import is_upgrade
from .reader_h1 import RequestReader, ResponseReader
from .upgrade_h1 import Accepted, ClientHandshake, accept, accept_key
from .uri import Uri, parse_uri

__all__ = [
    "Accepted",
    "ClientHandshake",
    "Connection",
    "Deflate",
    "Event",
    "Headers",
    "HttpLimits",
    "Request",
    "RequestReader",
    "Response",
    "ResponseReader",
    "State",
    "Uri",
    "accept",
    "accept_key",
    "basic_auth",
    "basic_challenge",
    "check_basic_auth",
    "is_upgrade",
    "parse_uri",
]
