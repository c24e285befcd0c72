"""A client of other people's, as it is and on wsfast, over real sockets; servers: dropins."""

import os

import bench_websocket_client
import pytest
from loopback import pin
from table import report


@pytest.fixture(autouse=True)
def own_core():
    """The last core for this process, and the first for the servers that it starts."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    pin(-1)
    yield
    os.sched_setaffinity(0, cores)


def test_websocket_client():
    large, small = {"plain": 50, "wsaccel": 3}, {"plain": 2.5, "wsaccel": 1}
    for name, ratio in bench_websocket_client.ratios().items():
        row, _, way = name.rpartition(" against ")
        report(row, None, {way: (ratio, (large if "64 KiB" in name else small)[way])})
