"""What a decoder hands out besides ``str`` and ``bytes``."""

import dataclasses

import pytest

from wsfast.exceptions import InvalidUtf8, ProtocolError
from wsfast.frames.received import Close, CompressedMessage, Ping, Pong
from wsfast.rfc6455 import CloseCode, Opcode


@pytest.mark.parametrize(
    "item", [Ping(b"a"), Pong(b"a"), Close(1000, "a"), CompressedMessage(Opcode.TEXT, b"a")]
)
def test_what_was_received_does_not_change(item):
    for field in dataclasses.fields(item):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, field.name, None)
    assert hash(item) == hash(dataclasses.replace(item))


def test_a_ping_is_not_a_pong():
    assert Ping(b"a") == Ping(b"a")
    assert Ping(b"a") != Ping(b"b")
    assert Ping(b"a") != Pong(b"a")


class TestClose:
    @pytest.mark.parametrize(
        ("payload", "close"),
        [
            (b"", Close(1005, "")),
            (b"\x03\xe8", Close(1000, "")),
            (b"\x03\xe9bye", Close(1001, "bye")),
            (b"\x0f\xa0" + "Grüße €".encode(), Close(4000, "Grüße €")),
            (b"\x03\xe8" + b"x" * 123, Close(1000, "x" * 123)),
        ],
    )
    def test_a_payload_and_back(self, payload, close):
        assert Close.from_payload(payload) == close
        assert close.to_payload() == payload

    def test_nothing_said_is_1005(self):
        assert Close() == Close(CloseCode.NO_STATUS_RECEIVED, "")

    def test_one_byte_is_no_payload(self):
        with pytest.raises(ProtocolError) as info:
            Close.from_payload(b"\x03")
        assert info.value.reason == "close_payload_too_short"

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
    def test_codes_that_must_not_be_sent(self, code):
        with pytest.raises(ProtocolError) as info:
            Close.from_payload(code.to_bytes(2, "big"))
        assert info.value.reason == "close_code"
        with pytest.raises(ValueError, match=f"code {code} must not be sent in a close frame"):
            Close(code, "because").to_payload()

    def test_a_reason_that_is_not_utf8(self):
        with pytest.raises(InvalidUtf8, match=r"bad byte at index 1$"):
            Close.from_payload(b"\x03\xe8a\xff")

    @pytest.mark.parametrize("reason", ["x" * 124, "é" * 62])
    def test_a_reason_that_is_too_long(self, reason):
        with pytest.raises(ValueError, match="reason takes 124 bytes, and there is room for 123"):
            Close(1000, reason).to_payload()

    def test_a_reason_that_cannot_be_encoded(self):
        with pytest.raises(UnicodeEncodeError):
            Close(1000, "\ud800").to_payload()
