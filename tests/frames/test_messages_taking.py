"""Messages in parts, before they are complete; and texts that are not decoded."""

import tracemalloc

import pytest
from wires import BINARY, CLOSE, PING, TEXT, TEXTS, feed_all, fragments, frame

from wsfast.exceptions import InvalidUtf8, MessageTooBig, ProtocolError
from wsfast.frames.received import Close, CompressedMessage, Ping
from wsfast.rfc6455 import Role

RSV1 = 0x40

MIB = 1 << 20


@pytest.fixture(params=[True, False], ids=["str", "bytes"])
def decode(request):
    return request.param


@pytest.fixture
def decoder(messages, role, decode):
    return messages.MessageDecoder(role, decode=decode)


def cut_off(wire, count=1):
    """A wire without its last bytes, and those."""
    return wire[:-count], wire[-count:]


class TestTakingParts:
    def test_between_messages_there_is_nothing_to_take(self, decoder, masked):
        assert decoder.take_partial() is None
        decoder.feed(frame(masked, TEXT, b"whole"))
        assert decoder.take_partial() is None
        assert not decoder.unfinished

    def test_of_a_header_there_is_nothing_to_take(self, decoder, masked):
        decoder.feed(frame(masked, BINARY, b"Hello")[:1])
        assert decoder.take_partial() is None
        assert not decoder.unfinished

    def test_what_was_taken_does_not_come_again(self, decoder, masked):
        most, last = cut_off(frame(masked, BINARY, b"Hello"), 2)
        assert decoder.feed(most) == []
        assert decoder.unfinished
        assert decoder.take_partial() == b"Hel"
        assert decoder.take_partial() is None
        assert decoder.unfinished
        assert decoder.feed(last) == [b"lo"]
        assert not decoder.unfinished

    def test_the_rest_may_be_empty(self, messages, role, masked):
        decoder = messages.MessageDecoder(role)
        begin, end = fragments(masked, TEXT, [b"Hello", b""])
        decoder.feed(begin)
        assert decoder.take_partial() == "Hello"
        assert decoder.feed(end) == [""]

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_parts_of_text_are_whole_characters(self, decoder, decode, masked, text):
        """At every byte: none is lost, none comes twice."""
        wire = frame(masked, TEXT, text.encode())
        parts = []
        for place in range(len(wire)):
            parts += decoder.feed(wire[place : place + 1])
            part = decoder.take_partial()
            if part is not None:
                parts.append(part)
        if decode:
            assert "".join(parts) == text
        else:
            assert b"".join(parts) == text.encode()
            assert all(part.decode() is not None for part in parts)

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_a_character_that_is_cut_stays(self, messages, role, masked, size):
        decoder = messages.MessageDecoder(role)
        begin, end = fragments(
            masked, TEXT, ["a𝄞".encode()[: 1 + size], "a𝄞b".encode()[1 + size :]]
        )
        decoder.feed(begin)
        assert decoder.take_partial() == "a"
        assert decoder.take_partial() is None
        assert decoder.feed(end) == ["𝄞b"]

    def test_control_frames_stand_between_parts(self, decoder, masked):
        begin, end = fragments(masked, BINARY, [b"Hel", b"lo"])
        assert decoder.feed(begin + frame(masked, PING, b"!")) == [Ping(b"!")]
        assert decoder.take_partial() == b"Hel"
        assert decoder.feed(frame(masked, PING)[:1]) == []
        assert decoder.take_partial() is None
        assert decoder.feed(frame(masked, PING)[1:] + end) == [Ping(), b"lo"]

    def test_the_next_message_begins_anew(self, decoder, masked):
        begin, end = fragments(masked, BINARY, [b"one", b"two"])
        decoder.feed(begin)
        decoder.take_partial()
        assert decoder.feed(end + frame(masked, BINARY, b"three")) == [b"two", b"three"]

    def test_of_a_compressed_message_nothing_is_taken(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, compression=True)
        begin, end = fragments(masked, TEXT, [b"Hel", b"lo"], rsv=RSV1)
        decoder.feed(begin)
        assert decoder.unfinished
        assert decoder.take_partial() is None
        assert decoder.feed(end) == [CompressedMessage(TEXT, b"Hello")]

    def test_after_a_close_there_is_nothing_to_take(self, decoder, masked):
        decoder.feed(frame(masked, BINARY, b"begun", fin=False))
        assert decoder.feed(frame(masked, CLOSE)) == [Close()]
        assert decoder.take_partial() is None
        assert not decoder.unfinished

    def test_after_an_error_there_is_nothing_to_take(self, decoder, masked):
        decoder.feed(frame(masked, BINARY, b"begun", fin=False))
        with pytest.raises(ProtocolError):
            decoder.feed(frame(masked, BINARY, b"another"))
        assert decoder.take_partial() is None
        assert not decoder.unfinished

    def test_a_message_without_end_takes_no_memory(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_size=None)
        decoder.feed(frame(masked, BINARY, bytes(64 * 16384))[:14])
        piece = bytes(16384)
        tracemalloc.start()
        try:
            for _ in range(63):
                decoder.feed(piece)
                assert len(decoder.take_partial()) > 16000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < MIB // 4


class TestLimitsOfTheWholeMessage:
    def test_max_size_counts_what_was_taken(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_size=8)
        decoder.feed(frame(masked, BINARY, b"12345", fin=False))
        assert decoder.take_partial() == b"12345"
        with pytest.raises(MessageTooBig, match="9"):
            decoder.feed(frame(masked, 0, b"6789"))

    def test_and_no_longer_when_it_has_ended(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_size=8)
        for _ in range(3):
            decoder.feed(frame(masked, BINARY, b"12345", fin=False))
            decoder.take_partial()
            assert decoder.feed(frame(masked, 0, b"678")) == [b"678"]

    def test_max_fragments_counts_what_was_taken(self, messages, role, masked):
        decoder = messages.MessageDecoder(role, max_fragments=2)
        for _ in range(2):
            decoder.feed(frame(masked, 0 if decoder.unfinished else BINARY, b"1", fin=False))
            decoder.take_partial()
        with pytest.raises(MessageTooBig):
            decoder.feed(frame(masked, 0, b"3"))

    @pytest.mark.parametrize("bad", [b"ab\xffcd", b"\xe2\x82a", b"abc\xe2\x82"])
    def test_an_error_stands_where_it_would_without(self, messages, role, masked, decode, bad):
        def failure(takes):
            decoder = messages.MessageDecoder(role, decode=decode)
            pieces = fragments(masked, TEXT, ["aé".encode(), b"", *(bytes([b]) for b in bad)])
            for piece in pieces:
                try:
                    decoder.feed(piece)
                except InvalidUtf8 as exc:
                    return exc.args
                if takes:
                    decoder.take_partial()
            pytest.fail("it is not UTF-8")

        assert failure(True) == failure(False)


class TestTextAsBytes:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_text_is_bytes(self, messages, role, masked, way, text):
        decoder = messages.MessageDecoder(role, decode=False)
        received = feed_all(decoder, way(frame(masked, TEXT, text.encode())))
        assert received == [text.encode()]
        assert type(received[0]) is bytes

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_in_fragments_too(self, messages, role, masked, way, text):
        decoder = messages.MessageDecoder(role, decode=False)
        payload = text.encode()
        pieces = [payload[:7], payload[7:8], payload[8:]]
        wire = b"".join(fragments(masked, TEXT, pieces))
        assert feed_all(decoder, way(wire)) == [payload]

    @pytest.mark.parametrize("bad", [b"\xff", b"a" * 100 + b"\xed\xa0\x80", b"\xe2\x82"])
    def test_it_must_be_utf8_all_the_same(self, messages, role, masked, bad):
        errors = []
        for decode in (False, True):
            decoder = messages.MessageDecoder(role, decode=decode)
            with pytest.raises(InvalidUtf8) as info:
                decoder.feed(frame(masked, TEXT, bad))
            errors.append(info.value.args)
        assert errors[0] == errors[1]

    def test_control_frames_are_as_ever(self, messages):
        decoder = messages.MessageDecoder(Role.CLIENT, decode=False)
        wire = frame(False, PING, b"a") + frame(False, CLOSE, b"\x03\xe8bye")
        assert decoder.feed(wire) == [Ping(b"a"), Close(1000, "bye")]
