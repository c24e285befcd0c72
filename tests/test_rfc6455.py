"""The tables, held against the numbers in the RFC."""

import pytest

from wsfast.rfc6455 import CloseCode, Opcode, may_be_sent


def test_opcodes():
    assert {opcode.name: opcode.value for opcode in Opcode} == {
        "CONTINUATION": 0,
        "TEXT": 1,
        "BINARY": 2,
        "CLOSE": 8,
        "PING": 9,
        "PONG": 10,
    }


def test_close_codes():
    assert [code.value for code in CloseCode] == [*range(1000, 1004), *range(1005, 1016)]


@pytest.mark.parametrize(
    ("codes", "allowed"),
    [
        (range(1000), False),
        (range(1000, 1004), True),
        (range(1004, 1007), False),
        (range(1007, 1015), True),
        (range(1015, 3000), False),
        (range(3000, 5000), True),
        (range(5000, 65536), False),
    ],
)
def test_codes_that_a_close_frame_may_carry(codes, allowed):
    assert {may_be_sent(code) for code in codes} == {allowed}
