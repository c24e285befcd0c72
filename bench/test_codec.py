"""Messages off the wire and onto it, against the compiled and the Python code of the peers."""

import pytest
from peers import MAX_SIZE, aiohttp_feed, aiohttp_sender, websockets_feed, wsproto_feed
from texts import text_of

import wsfast
from wsfast.frames import messages_py

READ = 65536


def reads_of(wire: bytes, size: int = READ) -> list[bytes]:
    return [wire[i : i + size] for i in range(0, len(wire), size)]


def masked_wire(text: str, count: int) -> bytes:
    return wsfast.MessageEncoder(wsfast.Role.CLIENT).encode_all([text] * count)


def wsfast_feed(decoder_class=wsfast.MessageDecoder):
    return decoder_class(wsfast.Role.SERVER, max_size=MAX_SIZE).feed


def draining(feed, reads, text):
    """Feed every read and drop the messages, as a server does; they are checked here, once."""
    assert {message for read in reads for message in feed(read)} == {text}

    def run() -> int:
        return sum(len(feed(read)) for read in reads)

    return run


@pytest.mark.parametrize(
    ("name", "size", "bars"),
    [
        ("ascii", 16, (15, 80, 200)),
        ("ascii", 100, (15, 80, 200)),
        ("mixed", 100, (6, 20, 50)),
        ("russian", 100, (6, 20, 50)),
        ("emoji", 100, (6, 20, 50)),
        ("ascii", 1 << 20, (1.5, 2, 10)),
        ("mixed", 1 << 20, (None, None, None)),
    ],
)
def test_decoder(row, name, size, bars):
    text = text_of(name, size)
    reads = reads_of(masked_wire(text, max(1, (1 << 20) // size)))
    row(
        f"MessageDecoder, {name}, {size} B",
        draining(wsfast_feed(), reads, text),
        {
            "aiohttp (compiled)": (draining(aiohttp_feed(), reads, text), bars[0]),
            "websockets": (draining(websockets_feed(), reads, text), bars[1]),
            "wsproto": (draining(wsproto_feed(), reads, text), bars[2]),
        },
    )


def test_pure_decoder(row):
    text = text_of("ascii", 100)
    reads = reads_of(masked_wire(text, 2000))
    row(
        "MessageDecoder in Python, ascii, 100 B",
        draining(wsfast_feed(messages_py.MessageDecoder), reads, text),
        {"websockets (C mask)": (draining(websockets_feed(), reads, text), 1.5)},
    )


@pytest.mark.parametrize(("role", "bar"), [(wsfast.Role.SERVER, 4), (wsfast.Role.CLIENT, 5)])
def test_encode_message(row, role, bar):
    text = text_of("ascii", 100)
    send = aiohttp_sender(client=role is wsfast.Role.CLIENT)
    # Masked frames differ with every key: what they carry is compared before.
    peer = wsfast.Role.SERVER if role is wsfast.Role.CLIENT else wsfast.Role.CLIENT
    for wire in (send(text), wsfast.encode_message(text, role)):
        assert wsfast.MessageDecoder(peer).feed(wire) == [text]
    row(
        f"encode_message, {role.value}, 100 B",
        lambda: len(wsfast.encode_message(text, role)),
        {"aiohttp": (lambda: len(send(text)), bar)},
    )


@pytest.mark.parametrize("size", [1, 1024, 65536])
def test_16_mib_in_reads_of(row, size):
    """Linear for every cut of the wire: a byte costs the same in a message 16 times as long."""
    text = text_of("mixed", 1 << 20)
    long_reads = reads_of(masked_wire(text * 16, 1), size)
    short_reads = reads_of(masked_wire(text, 1), size)
    row(
        f"MessageDecoder, 16 MiB in reads of {size} B",
        draining(wsfast_feed(), long_reads, text * 16),
        {"1/16 of it": (draining(wsfast_feed(), short_reads, text), None)},
        rounds=3,
    )
