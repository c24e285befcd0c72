"""An echo of wsfast to talk to, frame by frame."""

import asyncio
import sys
from pathlib import Path

import pytest
from wires import CLOSE, frame

# Any import mode of pytest finds the helpers of these tests.
sys.path.append(str(Path(__file__).parent))

import rawpeer

PATIENCE = 60  # seconds, after which an echo is a hang
NORMAL_CLOSURE = (1000).to_bytes(2, "big")


@pytest.fixture(params=["server", "client"])
def role(request):
    """What wsfast is."""
    return request.param


@pytest.fixture
def masked(role):
    """Whether what is sent to it must be masked."""
    return role == "server"


@pytest.fixture
def converse(role, masked):
    """Sends chunks, meanwhile receives until what came is enough, and then closes."""
    echoing = rawpeer.echoing_server if role == "server" else rawpeer.echoing_client

    async def conversation(chunks, enough):
        async with echoing() as peer:
            _, received = await asyncio.gather(peer.send(chunks), peer.receive_until(enough))
            if received[-1][0] != CLOSE:
                await peer.send([frame(masked, CLOSE, NORMAL_CLOSURE)])
                assert await peer.receive() == (CLOSE, NORMAL_CLOSURE)
            return received

    def run(chunks, enough):
        return asyncio.run(asyncio.wait_for(conversation(chunks, enough), PATIENCE))

    return run
