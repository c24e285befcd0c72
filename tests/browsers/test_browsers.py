"""Browsers as clients: their own WebSocket API, in a page that wsfast has served them.

``dial`` comes with the page, see page.html.
"""

import pytest
from bidi import WANTED

if not WANTED:
    pytest.skip(
        "tests in browsers: `make browsers` runs them, or WSFAST_BROWSERS=chromium pytest",
        allow_module_level=True,
    )

MIB = 1 << 20


# Messages


@pytest.mark.parametrize(
    "text", ["", "Hello", "Grüße, いろは, 🦊", "x" * 125, "x" * 126, "🦊" * 20_000]
)
def test_text(browser, text):
    script = """async (text) => {
        const socket = await dial("/echo").opened;
        socket.send(text);
        return await socket.next();
    }"""
    assert browser.run(script, text) == text


@pytest.mark.parametrize("size", [0, 1, 126, 65_536])
def test_binary_as_array_buffer(browser, size):
    script = """async (size) => {
        const socket = await dial("/echo").opened;
        socket.send(Uint8Array.from({ length: size }, (_, i) => i));
        const received = await socket.next();
        return [received.constructor.name, Array.from(new Uint8Array(received))];
    }"""
    assert browser.run(script, size) == ["ArrayBuffer", [i % 256 for i in range(size)]]


def test_binary_as_blob(browser):
    script = """async () => {
        const socket = await dial("/echo").opened;
        socket.binaryType = "blob";
        socket.send(new Blob(["Grüße, ", new Uint8Array([240, 159, 166, 138])]));
        const received = await socket.next();
        return [received.constructor.name, await received.text()];
    }"""
    assert browser.run(script) == ["Blob", "Grüße, 🦊"]


def test_10_mib_of_text(browser):
    script = """async (size) => {
        const socket = await dial("/echo").opened;
        const text = "0123456789abcdeß".repeat(size / 17);
        socket.send(text);
        return (await socket.next()) === text;
    }"""
    assert browser.run(script, 10 * MIB)


def test_10_mib_of_binary(browser):
    script = """async (size) => {
        const socket = await dial("/echo").opened;
        const sent = Uint8Array.from({ length: size }, (_, i) => i ^ (i >> 8) ^ (i >> 16));
        socket.send(sent);
        const received = new Uint8Array(await socket.next());
        return received.length === size && received.every((byte, i) => byte === sent[i]);
    }"""
    assert browser.run(script, 10 * MIB)


def test_many_messages_in_order(browser):
    script = """async (count) => {
        const socket = await dial("/flood").opened;
        socket.send(String(count));
        for (let i = 0; i < count; i++) {
            const received = await socket.next();
            if (received !== String(i)) throw Error(`${received} instead of ${i}`);
        }
        return (await socket.closed).code;
    }"""
    assert browser.run(script, 10_000) == 1000


def test_a_message_in_fragments_is_one_message(browser):
    script = """async () => {
        const socket = await dial("/fragments").opened;
        ["whole", "frag", "", "ments"].forEach((text) => socket.send(text));
        return [await socket.next(), await socket.next()];
    }"""
    assert browser.run(script) == ["whole", "fragments"]


def test_a_browser_answers_a_ping(browser):
    script = """async () => await dial("/ping").next()"""
    assert browser.run(script) == "the pong came"


# Opening


def test_compression_is_agreed_on(browser):
    script = """async () => {
        const socket = await dial("/echo").opened;
        const text = "all the same ".repeat(100_000);
        for (let i = 0; i < 3; i++) {
            socket.send(text);
            if ((await socket.next()) !== text) return "another text";
        }
        return socket.extensions;
    }"""
    assert browser.run(script).startswith("permessage-deflate")


def test_the_subprotocol_of_both_is_chosen(browser):
    script = """async () => {
        const socket = await dial("/chat", ["chat.v1", "chat.v2"]).opened;
        return socket.protocol;
    }"""
    assert browser.run(script) == "chat.v2"


def test_no_subprotocol_where_none_is_offered(browser):
    assert browser.run("""async () => (await dial("/chat").opened).protocol""") == ""


def test_the_server_sees_origin_and_cookies(browser, site):
    script = """async () => {
        const socket = dial("/headers");
        return [await socket.next(), await socket.next()];
    }"""
    assert browser.run(script) == [site.origin, "visitor=4711"]


@pytest.mark.parametrize(
    "path", ["/elsewhere", "/nowhere"], ids=["403 for its origin", "404 for its path"]
)
def test_a_refused_handshake_is_an_error(browser, path):
    closed = browser.run("async (path) => await dial(path).closed", path)
    assert closed == {"code": 1006, "reason": "", "wasClean": False, "erred": True}


# Closing


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1000, "done"), (4711, "Grüße")])
def test_the_page_closes(browser, site, code, reason):
    script = """async (code, reason) => {
        const socket = await dial("/watched").opened;
        socket.close(code, reason);
        return await socket.closed;
    }"""
    closed = browser.run(script, code, reason)
    assert (closed["code"], closed["wasClean"], closed["erred"]) == (code, True, False)
    assert site.endings.get(timeout=30) == (code, reason, True)


def test_the_page_closes_without_a_code(browser, site):
    script = """async () => {
        const socket = await dial("/watched").opened;
        socket.close();
        return await socket.closed;
    }"""
    closed = browser.run(script)
    assert (closed["code"], closed["wasClean"]) == (1005, True)
    assert site.endings.get(timeout=30) == (1005, "", True)


def test_the_page_goes_away(browser, site):
    browser.run("""async () => { await dial("/watched").opened; }""")
    browser.open(site.origin)
    assert site.endings.get(timeout=30) == (1001, "", True)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "later"), (1011, "sorry"), (4711, "Grüße")]
)
def test_the_server_closes(browser, code, reason):
    script = """async (code, reason) => {
        const socket = await dial(`/close/${code}`).opened;
        socket.send(reason);
        return await socket.closed;
    }"""
    expected = {"code": code, "reason": reason, "wasClean": True, "erred": False}
    assert browser.run(script, code, reason) == expected


def test_the_server_vanishes(browser):
    script = """async () => {
        const socket = await dial("/abort").opened;
        socket.send("now");
        return await socket.closed;
    }"""
    closed = browser.run(script)
    assert (closed["code"], closed["reason"], closed["wasClean"]) == (1006, "", False)


# Back-pressure


def test_a_slow_server_is_seen_as_buffered_amount(browser):
    """What the server does not receive stays with the page, and gets there in the end."""
    script = """async (size, count) => {
        const socket = await dial("/slow").opened;
        // Random bytes: compression must not make little of them.
        const message = new Uint8Array(size);
        const atOnce = 65536;
        for (let i = 0; i < size; i += atOnce) {
            crypto.getRandomValues(message.subarray(i, i + atOnce));
        }
        for (let i = 0; i < count; i++) socket.send(message);
        socket.send("all");
        // Long enough for a server that does receive to have it all: an echo of as much.
        const other = await dial("/echo").opened;
        for (let i = 0; i < count; i++) other.send(message);
        for (let i = 0; i < count; i++) await other.next();
        const held = socket.bufferedAmount;
        dial("/release");
        const total = Number(await socket.next());
        return [held > 0, total, socket.bufferedAmount];
    }"""
    size, count = MIB, 12
    assert browser.run(script, size, count) == [True, size * count, 0]
