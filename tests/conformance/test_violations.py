"""What came before a violation is echoed before the connection is failed, every time.

Cases 3.4, 4.1.5 and 4.2.5 of the suite ask for it once, and by luck a server can pass them that
closes as soon as it sees the violation.
"""

import pytest
from wires import CLOSE, PING, TEXT, byte_by_byte, fragments, frame, whole

PROTOCOL_ERROR = (1002).to_bytes(2, "big")
INVALID_DATA = (1007).to_bytes(2, "big")

REPEATED = 10


def violations(masked):
    return {
        "reserved bit": (frame(masked, TEXT, b"Hello", rsv=0x40), PROTOCOL_ERROR),
        "reserved opcode of data": (frame(masked, 0x7, b"Hello"), PROTOCOL_ERROR),
        "reserved opcode of control": (frame(masked, 0xF, b"Hello"), PROTOCOL_ERROR),
        "a control frame in fragments": (frame(masked, PING, b"", fin=False), PROTOCOL_ERROR),
        "a continuation of nothing": (frame(masked, 0, b"Hello"), PROTOCOL_ERROR),
        "not UTF-8": (frame(masked, TEXT, b"\xff"), INVALID_DATA),
        "wrong masking": (frame(not masked, TEXT, b"Hello"), PROTOCOL_ERROR),
    }


def closed(received):
    return bool(received) and received[-1][0] == CLOSE


@pytest.mark.parametrize("way", [whole, byte_by_byte])
@pytest.mark.parametrize("violation", violations(True))
def test_echoes_come_before_the_close(converse, masked, violation, way):
    broken, code = violations(masked)[violation]
    sent = [(TEXT, b"first"), (TEXT, b"second"), (TEXT, b"in fragments")]
    wire = (
        frame(masked, *sent[0])
        + frame(masked, *sent[1])
        + b"".join(fragments(masked, TEXT, [b"in ", b"fragments"]))
        + broken
        + frame(masked, PING, b"never read")
    )
    for _ in range(REPEATED):
        *echoes, (_, close) = converse(way(wire), closed)
        assert echoes == sent
        assert close[:2] == code
