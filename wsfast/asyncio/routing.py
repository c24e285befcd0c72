"""Which handler or page a request is for: paths, hosts, and their patterns.

Knows requests and responses, and neither sockets nor the opening handshake: whether a request is a
good one is decided after it has found its route.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from ..exceptions import HandshakeError
from ..protocol.http import Request, Response
from ..protocol.negotiation import is_upgrade
from .handlers import Handler, check_handler

if TYPE_CHECKING:
    from ..protocol.negotiation import Origins

__all__ = ["Page", "Route", "Router"]

PageAnswer: TypeAlias = Response | Callable[[Request], Response | Awaitable[Response]]

_NAME = re.compile(r"\{(\w+)\}")


class _Target:
    """What has a path and perhaps a host: matches requests."""

    def __init__(self, path: str, host: str | None) -> None:
        if not path.startswith("/"):
            raise ValueError(f"path {path!r} must begin with a slash")
        # A segment is a text that must be there, or the name that it is found under.
        self._segments = [_segment(path, segment) for segment in path.split("/")]
        names = [name for name, _ in self._segments if name]
        if len(names) != len(set(names)):
            raise ValueError(f"path {path!r} names two segments alike")
        self.path = path
        self.host = host.lower() if host is not None else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def match(self, segments: Sequence[str], host: str) -> dict[str, str] | None:
        """Give the named segments of a path that is ours, else None."""
        if len(segments) != len(self._segments):
            return None
        if self.host is not None and not _is_host(host, self.host):
            return None
        params = {}
        for found, (name, text) in zip(segments, self._segments, strict=True):
            if name:
                if not found:
                    return None
                params[name] = found
            elif found != text:
                return None
        return params


class Route(_Target):
    """A handler of connections, and the terms on which they are accepted.

    What is left out is taken from ``serve()``.

    Args:
        path: such as "/chat/{room}". A segment in braces stands for any one segment that is not
            empty; ``ws.path_params`` holds it by its name, with percent signs decoded: it may
            contain anything, slashes included.
        handler: as for ``serve()``, but not a Router.
        host: the host that clients must have asked for, with or without a port; "*.example.com"
            for all names below one. None for any.
        subprotocols: the sub-protocols spoken, the preferred one first (RFC 6455 section 1.9).
        select_subprotocol: picks the sub-protocol instead, as for ``serve()``.
        origins: the origins that are let in, as for ``serve()`` (RFC 6455 section 10.2).

    Raises:
        ValueError: a path that cannot be.
        TypeError: a handler that cannot be called.
    """

    def __init__(
        self,
        path: str,
        handler: Handler,
        *,
        host: str | None = None,
        subprotocols: Sequence[str] | None = None,
        select_subprotocol: Callable[[list[str]], str | None] | None = None,
        origins: Origins | None = None,
    ) -> None:
        super().__init__(path, host)
        self.handler = check_handler(handler)
        terms: dict[str, Any] = {
            "subprotocols": subprotocols,
            "select_subprotocol": select_subprotocol,
            "origins": origins,
        }
        self.terms = {name: value for name, value in terms.items() if value is not None}


class Page(_Target):
    """A plain answer over HTTP, to GET and HEAD, at the port of the WebSocket.

    Args:
        path: as for ``Route``.
        answer: a Response, or a function, plain or async, that makes one of the Request.
        host: as for ``Route``.

    Raises:
        ValueError: a path that cannot be.
        TypeError: an answer that is neither.
    """

    def __init__(self, path: str, answer: PageAnswer, *, host: str | None = None) -> None:
        super().__init__(path, host)
        if not isinstance(answer, Response) and not callable(answer):
            raise TypeError(f"answer must be a Response or a function, not {answer!r}")
        self._answer = answer

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request, or give what must be awaited for the answer."""
        if request.method not in ("GET", "HEAD"):
            text = f"{request.method} is not possible here"
            return Response.plain(405, text, {"Allow": "GET, HEAD"})
        return self._answer if isinstance(self._answer, Response) else self._answer(request)


class Router:
    """Routes and pages: a handler for ``serve()`` that has others by path and host.

    The first in order that matches is taken: for a request to upgrade, the first Route; for any
    other, the first Page. Where only the other kind matches, that one answers: a page as always, a
    route with 426 (Upgrade Required). Where nothing matches, the answer is 404.

    Args:
        targets: ``Route`` and ``Page`` objects.

    Raises:
        TypeError: something else among them.
    """

    def __init__(self, targets: Iterable[Route | Page]) -> None:
        self._targets = tuple(targets)
        for target in self._targets:
            if not isinstance(target, (Route, Page)):
                raise TypeError(f"a Router is made of Route and Page objects, not {target!r}")

    @property
    def routes(self) -> list[Route]:
        """The routes alone."""
        return [target for target in self._targets if isinstance(target, Route)]

    def find(self, request: Request) -> tuple[Route | Page, dict[str, str]]:
        """Find who is to answer a request.

        Returns:
            The route or page, and the named segments of the path.

        Raises:
            HandshakeError: nobody is; ``response`` is a 404.
        """
        segments = [unquote(segment) for segment in request.path.split("/")]
        host = request.host
        wanted = Route if is_upgrade(request) else Page
        second = None
        for target in self._targets:
            params = target.match(segments, host)
            if params is None:
                continue
            if isinstance(target, wanted):
                return target, params
            second = second or (target, params)
        if second is None:
            text = "there is nothing at this path"
            raise HandshakeError("not_found", text, Response.plain(404, text))
        return second


def _segment(path: str, segment: str) -> tuple[str, str]:
    """The name of a segment of a pattern, or else its text."""
    match = _NAME.fullmatch(segment)
    if match:
        return match[1], ""
    if "{" in segment or "}" in segment:
        raise ValueError(f"path {path!r}: braces hold a name, and a whole segment: '/{{name}}/'")
    return "", segment


def _is_host(asked: str, pattern: str) -> bool:
    """Tell if the value of a Host header is the host, or one of the hosts, of a pattern."""
    name = asked if _has_port(pattern) else re.sub(r":\d*$", "", asked)
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and name != pattern[1:]
    return name == pattern


def _has_port(host: str) -> bool:
    return re.search(r":\d+$", host) is not None
