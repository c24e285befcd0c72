"""The opening handshake on a bare socket, of both roles; no code of wsfast."""

import base64
import hashlib
import re

from peer import Deflate, WrongError

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_NAME = "permessage-deflate"

# Each is well formed. The words in front of "=" are what RFC 7692 section 7.1 calls them.
_OFFERS = [
    _NAME,
    f"{_NAME}; client_max_window_bits",
    f"{_NAME}; client_max_window_bits; server_no_context_takeover",
    f"{_NAME}; client_max_window_bits=11; client_no_context_takeover",
    f"{_NAME}; server_max_window_bits=10",
]
_ANSWERS = [
    _NAME,
    f"{_NAME}; server_no_context_takeover",
    f"{_NAME}; client_no_context_takeover; client_max_window_bits=10",
    f"{_NAME}; server_max_window_bits=11",
]


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def request(number, key, offer=None, *, method="GET", version="13"):
    """What a client asks, in the name of life ``number``."""
    extensions = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
    return (
        f"{method} /{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n{extensions}\r\n"
    ).encode()


def new_key(rng):
    return base64.b64encode(rng.randbytes(16)).decode()


def response(key, answer=None):
    """What a server answers."""
    extensions = f"Sec-WebSocket-Extensions: {answer}\r\n" if answer else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_of(key)}\r\n{extensions}\r\n"
    ).encode()


async def ask(peer, number, *, compressed, behind=b""):
    """Be the client. ``behind`` goes out with the request, before the answer is known."""
    key = new_key(peer.rng)
    offer = peer.rng.choice(_OFFERS) if compressed else None
    await peer.write(request(number, key, offer) + behind)
    line, *fields = await peer.read_head()
    if line != "HTTP/1.1 101 Switching Protocols":
        raise WrongError(f"answered with {line!r}")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    if headers["sec-websocket-accept"] != accept_of(key):
        raise WrongError("wrong Sec-WebSocket-Accept")
    agreed = headers.get("sec-websocket-extensions")
    if compressed is not (agreed is not None):
        raise WrongError(f"{offer!r} was offered, and {agreed!r} was answered")
    if compressed:
        peer.deflate = _terms_of(agreed, offer, ours="client", theirs="server")


async def read_request(peer):
    """Be the server: the number of the life, and the headers."""
    line, *fields = await peer.read_head()
    number = int(re.fullmatch(r"GET /(\d+) HTTP/1\.1", line)[1])
    return number, dict(field.split(": ", 1) for field in fields)


def answer(peer, headers):
    """The bytes that let a client in, compressed where it has asked for that and chance agrees."""
    agreed = None
    if "Sec-WebSocket-Extensions" in headers and peer.rng.random() < 0.9:
        agreed = peer.rng.choice(_ANSWERS)
        peer.deflate = _terms_of(agreed, "", ours="server", theirs="client")
    return response(headers["Sec-WebSocket-Key"], agreed)


def _terms_of(agreed, offer, *, ours, theirs):
    bits = re.search(rf"{ours}_max_window_bits=(\d+)", agreed)
    return Deflate(
        bits=int(bits[1]) if bits else 15,
        takeover=f"{ours}_no_context_takeover" not in agreed + offer,
        their_takeover=f"{theirs}_no_context_takeover" not in agreed,
    )
