"""Properties of permessage-deflate: any terms, any messages, any cuts, and any bytes at all."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings
from strategies import binaries, mostly, roles

from wsfast.exceptions import MessageTooBig, ProtocolError
from wsfast.protocol.deflate import Deflate
from wsfast.protocol.deflate_codec import BACKENDS, DeflateCodec, load_backend
from wsfast.protocol.extensions import format_extensions, parse_extensions
from wsfast.rfc6455 import Role


def is_installed(name):
    try:
        load_backend(name)
    except ImportError:
        return False
    return True


BYTES_LIKE = [bytes, bytearray, memoryview]
BITS = st.integers(8, 15)


@st.composite
def deflates(draw):
    backend = draw(st.sampled_from([name for name in BACKENDS if is_installed(name)]))
    return Deflate(
        server_no_context_takeover=draw(st.booleans()),
        client_no_context_takeover=draw(st.booleans()),
        server_max_window_bits=draw(st.none() | BITS),
        client_max_window_bits=draw(st.none() | BITS),
        level=draw(st.none() | st.integers(0, BACKENDS[backend].max_level)),
        mem_level=draw(st.integers(1, 9)),
        backend=backend,
    )


# What resembles itself near and far, which is what a window is for.
messages = st.one_of(
    binaries,
    st.builds(
        lambda part, times, gap: (part + bytes(range(256)) * gap) * times + part,
        st.binary(min_size=1, max_size=300),
        st.integers(1, 6),
        st.sampled_from([0, 1, 2, 15, 16, 17]),
    ),
)
takeovers = st.booleans()
codecs = st.builds(
    lambda backend, bits, takeover: DeflateCodec(
        deflate_bits=bits,
        inflate_bits=bits,
        deflate_takeover=takeover,
        inflate_takeover=takeover,
        level=1,
        mem_level=5,
        threshold=0,
        backend=backend,
    ),
    st.sampled_from([name for name in BACKENDS if is_installed(name)]),
    BITS,
    takeovers,
)


def parts_of(draw, message):
    cuts = draw(st.lists(st.integers(0, len(message)), max_size=4).map(sorted))
    return [message[a:b] for a, b in pairwise([0, *cuts, len(message)])]


def agreed(client, server):
    """What both ends work with; None where they come to no terms. By way of the header."""
    offers = parse_extensions(format_extensions(client.offer()))
    answer, on_server = server.accept(offers)
    [answer] = parse_extensions(format_extensions([answer]))
    return client.agree(answer), on_server


@settings(max_examples=300)
@given(data=st.data(), client=deflates(), server=deflates(), sender=roles)
def test_whatever_is_agreed_messages_come_back(data, client, server, sender):
    on_client, on_server = agreed(client, server)
    ends = {Role.CLIENT: on_client.codec(Role.CLIENT), Role.SERVER: on_server.codec(Role.SERVER)}
    source = ends.pop(sender)
    [target] = ends.values()
    history = []
    for _ in range(data.draw(st.integers(1, 5))):
        message = data.draw(
            st.sampled_from(history) if history and data.draw(takeovers) else messages
        )
        history.append(message)
        parts = parts_of(data.draw, message)
        payload = b""
        for i, part in enumerate(parts):
            if data.draw(mostly(st.just(False), st.just(True))):
                source.release()
            payload += source.compress_piece(
                data.draw(st.sampled_from(BYTES_LIKE))(part), i == len(parts) - 1
            )
        if data.draw(mostly(st.just(False), st.just(True))):
            target.release()
        assert target.decompress(payload, len(message)) == message


@settings(max_examples=300)
@given(data=st.data(), codec=codecs)
def test_any_bytes_are_a_message_within_the_limit_or_an_error(data, codec):
    """Spoilt, cut, joined or made up: nothing else is raised, and nothing bigger comes out."""
    sender = DeflateCodec(
        deflate_bits=15,
        inflate_bits=15,
        deflate_takeover=True,
        inflate_takeover=True,
        level=6,
        mem_level=8,
        threshold=0,
    )
    final_block = st.just(bytes.fromhex("f3 48 cd c9 c9 07 00"))
    for _ in range(data.draw(st.integers(1, 4))):
        good = messages.map(sender.compress)
        payload = b"".join(data.draw(st.lists(good | final_block | st.binary(), max_size=4)))
        if payload and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(payload) - 1))
            payload = payload[:place] + data.draw(st.binary(max_size=2)) + payload[place + 1 :]
        limit = data.draw(st.none() | st.integers(0, 3000))
        if data.draw(st.booleans()):
            codec.release()
        failure = None
        try:
            message = codec.decompress(payload, limit)
        except ProtocolError as exc:
            failure = exc
        if failure is not None:
            too_big = isinstance(failure, MessageTooBig)
            assert failure.reason == ("message_too_big" if too_big else "bad_deflate")
            return
        assert type(message) is bytes
        assert limit is None or len(message) <= limit


names = st.sampled_from(
    [
        f"{end}_{what}"
        for end in ("server", "client")
        for what in ("no_context_takeover", "max_window_bits")
    ]
    + ["x"]
)
values = st.none() | st.integers(7, 16).map(str) | st.text(max_size=3)
extensions = st.tuples(
    st.sampled_from(["permessage-deflate", "x"]), st.lists(st.tuples(names, values), max_size=4)
)


@settings(max_examples=300)
@given(server=deflates(), offers=st.lists(extensions, max_size=4))
def test_a_server_never_goes_beyond_what_was_offered(server, offers):
    accepted = server.accept(offers)
    if accepted is None:
        return
    (_, pairs), parameters = accepted
    answer = dict(pairs)
    # The answer is to the first offer that would have been accepted alone.
    offer = next(dict(pairs) for name, pairs in offers if server.accept([(name, pairs)]))
    assert answer.keys() & {"client_max_window_bits"} <= offer.keys()
    assert offer.keys() & {"server_no_context_takeover", "server_max_window_bits"} <= answer.keys()
    server_bits = int(answer.get("server_max_window_bits", 15))
    assert server_bits <= int(offer.get("server_max_window_bits", 15))
    assert parameters.server_max_window_bits == server_bits
    assert parameters.client_max_window_bits == int(answer.get("client_max_window_bits", 15))
