"""Where a redirect leads, and which headers may go along (RFC 9110 section 15.4).

Reads responses; the client decides whether to follow. Opens nothing.
"""

from __future__ import annotations

from urllib.parse import urljoin

from ..exceptions import HandshakeError
from .headers import HeaderItems, Headers, short
from .http import Response
from .uri import Uri, parse_uri

__all__ = ["is_redirect", "redirect_headers", "redirect_target"]

# These are for one origin alone.
_CONFIDENTIAL = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


def is_redirect(response: Response) -> bool:
    """Tell whether a response sends the client elsewhere, rightly or wrongly."""
    return response.status in (301, 302, 303, 307, 308) and "Location" in response.headers


def redirect_target(uri: Uri, response: Response) -> Uri | None:
    """Where a response redirects to (RFC 9110 section 15.4).

    Credentials in the URI stay with it while the origin is the same; those in Location are not
    used.

    Args:
        uri: of the request.
        response: of the server.

    Returns:
        The URI to ask for instead, or None: this is no redirect.

    Raises:
        HandshakeError: the redirect must not be followed: malformed, or from TLS to none.
    """
    if not is_redirect(response):
        return None
    location = response.headers["Location"]
    try:
        # As http, since urljoin joins schemes that it knows.
        base = f"{uri.origin}{uri.target}"
        target = urljoin(base, location).partition("#")[0]
        scheme, colon, rest = target.partition(":")
        scheme = {"http": "ws", "https": "wss"}.get(scheme.lower(), scheme)
        found = parse_uri(scheme + colon + rest)
    except ValueError as exc:
        raise HandshakeError("bad_redirect", f"Location: {short(str(exc))}", response) from None
    if uri.secure and not found.secure:
        raise HandshakeError(
            "insecure_redirect", f"the server redirects from TLS to none, to {found}", response
        )
    same = found.origin == uri.origin
    return Uri(
        found.secure,
        found.host,
        found.port,
        found.target,
        uri.username if same else None,
        uri.password if same else None,
    )


def redirect_headers(headers: HeaderItems, uri: Uri, target: Uri) -> Headers:
    """The headers that may go along to where a redirect leads.

    To another origin neither Authorization, Proxy-Authorization and Cookie go, nor Host.

    Args:
        headers: those that were given for ``uri``.
        uri: of the request.
        target: where the redirect leads.
    """
    kept = Headers(headers)
    if uri.origin == target.origin:
        return kept
    return Headers(
        [(name, value) for name, value in kept.items() if name.lower() not in _CONFIDENTIAL]
    )
