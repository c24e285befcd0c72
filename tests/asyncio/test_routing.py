"""Which route or page a request is for, first alone, then on a server."""

import pytest
from raw import Peer, page, request
from wires import TEXT

from wsfast.asyncio.handlers import Callbacks
from wsfast.asyncio.routing import Page, Route, Router
from wsfast.asyncio.server import serve
from wsfast.exceptions import HandshakeError
from wsfast.protocol.http import Headers, Request, Response

HERE = ("127.0.0.1", 0)


async def handler(ws):
    await ws.send(repr(ws.path_params))


def asked(target, host="localhost", *, upgrade=True):
    headers = Headers({"Host": host})
    if upgrade:
        headers.add("Upgrade", "websocket")
    return Request("GET", target, headers)


def found(router, *args, **options):
    """Who answers a request, and the named segments; None if nobody does."""
    try:
        return router.find(asked(*args, **options))
    except HandshakeError:
        return None


# Paths.


@pytest.mark.parametrize(
    ("pattern", "target", "params"),
    [
        ("/", "/", {}),
        ("/", "/?query", {}),
        ("/", "http://localhost", {}),
        ("/", "/a", None),
        ("/chat", "/chat", {}),
        ("/chat", "/chat/", None),
        ("/chat", "/Chat", None),
        ("/chat", "/ch%61t", {}),
        ("/chat/", "/chat/", {}),
        ("/chat/{room}", "/chat/tea", {"room": "tea"}),
        ("/chat/{room}", "/chat/tea?lang=en", {"room": "tea"}),
        ("/chat/{room}", "/chat/", None),
        ("/chat/{room}", "/chat/tea/time", None),
        ("/chat/{room}", "/chat/t%C3%A9", {"room": "té"}),
        ("/chat/{room}", "/chat/a%2Fb", {"room": "a/b"}),
        ("/chat/{room}", "/chat/a+b", {"room": "a+b"}),
        ("/{a}/and/{b}", "/1/and/2", {"a": "1", "b": "2"}),
        ("/{a}/and/{b}", "/1/or/2", None),
        ("/ä", "/%C3%A4", {}),
        ("/x", "*", None),
    ],
)
def test_a_path_is_matched_segment_by_segment(pattern, target, params):
    route = Route(pattern, handler)
    assert found(Router([route]), target) == (None if params is None else (route, params))


@pytest.mark.parametrize("path", ["", "chat", "/{}", "/{a", "/a}", "/x{a}", "/{a b}", "/{a}/{a}"])
def test_a_path_that_cannot_be_is_an_error(path):
    with pytest.raises(ValueError, match="path"):
        Route(path, handler)


# Hosts.


@pytest.mark.parametrize(
    ("pattern", "host", "ours"),
    [
        (None, "whatever", True),
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com:8080", True),
        ("Example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "example.com.evil", False),
        ("example.com:80", "example.com:80", True),
        ("example.com:80", "example.com", False),
        ("*.example.com", "www.example.com:80", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("[::1]", "[::1]:80", True),
        ("[::1]", "[::1]", True),
    ],
)
def test_a_host_is_matched_by_its_name_and_its_port_if_the_pattern_has_one(pattern, host, ours):
    router = Router([Route("/", handler, host=pattern)])
    assert (found(router, "/", host) is not None) == ours


def test_the_host_of_an_absolute_target_decides():
    router = Router([Route("/", handler, host="inner.example"), Route("/", handler)])
    inner, outer = router.routes
    assert found(router, "http://inner.example/", "example.com") == (inner, {})
    assert found(router, "http://example.com/", "inner.example") == (outer, {})


# Which of several.


def test_where_nothing_matches_the_answer_is_404():
    with pytest.raises(HandshakeError) as info:
        Router([Route("/a", handler)]).find(asked("/b"))
    assert info.value.reason == "not_found"
    assert info.value.response.status == 404


def test_the_first_that_matches_is_taken():
    routes = [Route("/a", handler, host="x"), Route("/{name}", handler), Route("/a", handler)]
    router = Router(routes)
    assert found(router, "/a", "x") == (routes[0], {})
    assert found(router, "/a") == (routes[1], {"name": "a"})


def test_an_upgrade_is_for_a_route_and_all_else_for_a_page():
    route, here = Route("/", handler), Page("/", Response(200))
    for router in (Router([route, here]), Router([here, route])):
        assert found(router, "/") == (route, {})
        assert found(router, "/", upgrade=False) == (here, {})


def test_where_only_the_other_kind_matches_that_one_answers():
    route, here = Route("/route", handler), Page("/page", Response(200))
    router = Router([route, here])
    assert found(router, "/page") == (here, {})
    assert found(router, "/route", upgrade=False) == (route, {})


# What may be given.


def test_a_router_is_made_of_routes_and_pages():
    with pytest.raises(TypeError, match="handler"):
        Router([handler])


def test_a_handler_must_be_callable():
    with pytest.raises(TypeError, match="handler"):
        Route("/", "handler")


def test_a_page_answers_with_a_response_or_a_function():
    with pytest.raises(TypeError, match="answer"):
        Page("/", b"hello")


# On a server.


def later(request):
    async def answer():
        return Response(200, body=b"later " + request.query.encode())

    return answer()


def fail(request):
    raise RuntimeError("oops")


ROUTER = Router(
    [
        Route("/chat/{room}", handler),
        Route("/sub", handler, subprotocols=["chat"], origins=["https://a.example"]),
        Route("/callbacks/{x}", Callbacks(lambda ws: ws.send(repr(ws.path_params)))),
        Page("/", Response.plain(200, "home")),
        Page("/now", lambda request: Response(200, body=request.path.encode())),
        Page("/later", later),
        Page("/fail", fail),
    ]
)


@pytest.mark.parametrize("path", ["/chat/tea", "/callbacks/tea"])
async def test_the_handler_of_a_route_knows_the_named_segments(path):
    async with serve(ROUTER, *HERE) as server, Peer(server) as peer:
        await peer.open(path)
        opcode, payload = await peer.frame()
        assert opcode == TEXT
        assert payload in (b"{'room': 'tea'}", b"{'x': 'tea'}")
        peer.writer.close()
        await server.close(timeout=0.01)


async def test_a_route_has_its_own_terms():
    async with serve(ROUTER, *HERE, subprotocols=["other"]) as server:
        async with Peer(server) as peer:
            head = await peer.open(
                "/sub", Origin="https://a.example", Sec_WebSocket_Protocol="other, chat"
            )
            assert head.headers["sec-websocket-protocol"] == "chat"
            peer.close()
        async with Peer(server) as peer:
            peer.send(request("/sub", Origin="https://b.example"))
            assert (await peer.head()).status == 403


async def test_what_a_route_leaves_out_it_has_of_the_server():
    async with serve(ROUTER, *HERE, subprotocols=["other"]) as server, Peer(server) as peer:
        head = await peer.open("/chat/tea", Sec_WebSocket_Protocol="other, chat")
        assert head.headers["sec-websocket-protocol"] == "other"
        peer.close()


@pytest.mark.parametrize(
    ("wire", "status", "body"),
    [
        (page("/"), 200, b"home\n"),
        (page("/", "HEAD"), 200, b""),
        (request("/"), 200, b"home\n"),
        (page("/now"), 200, b"/now"),
        (page("/later?x"), 200, b"later x"),
        (page("/later", "HEAD"), 200, b""),
        (page("/fail"), 500, None),
        (page("/nowhere"), 404, None),
        (request("/nowhere"), 404, None),
        (page("/", "POST", Content_Length="3") + b"abc", 405, None),
        (page("/chat/tea"), 426, None),
        (page("/chat/tea", "POST", Content_Length="3") + b"abc", 405, None),
    ],
)
async def test_plain_answers(wire, status, body):
    async with serve(ROUTER, *HERE) as server, Peer(server) as peer:
        peer.send(wire)
        head, got = await peer.answer()
        assert head.status == status
        assert "close" in head.headers["connection"]
        if body is not None:
            assert got == body


async def test_the_answer_to_head_tells_the_length_that_get_would_have():
    async with serve(ROUTER, *HERE) as server, Peer(server) as peer:
        peer.send(page("/", "HEAD"))
        head, _ = await peer.answer()
        assert head.headers["content-length"] == "5"


async def test_405_tells_what_is_allowed():
    async with serve(ROUTER, *HERE) as server, Peer(server) as peer:
        peer.send(page("/", "DELETE"))
        head, _ = await peer.answer()
        assert head.headers["allow"] == "GET, HEAD"


async def test_the_response_of_a_page_serves_again_and_again():
    async with serve(ROUTER, *HERE) as server:
        for _ in range(2):
            async with Peer(server) as peer:
                peer.send(page("/"))
                head, body = await peer.answer()
                assert (head.status, body) == (200, b"home\n")
