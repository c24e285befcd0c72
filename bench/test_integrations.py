"""Other people's libraries, as they are and on wsfast, over real sockets."""

import os

import bench_websocket_client
import bench_websockets
import pytest
from table import report


@pytest.fixture(autouse=True)
def own_core():
    """The last core for this process, and the first for the servers that it starts."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    bench_websockets.pin(-1)
    yield
    os.sched_setaffinity(0, cores)


def test_websocket_client():
    bars = {"plain": 50, "wsaccel": 3}
    for name, ratio in bench_websocket_client.ratios().items():
        row, _, way = name.rpartition(" against ")
        report(row, None, {way: (ratio, bars[way])})


def test_websockets_echo_server():
    for name, ratio in bench_websockets.ratios().items():
        report(name, None, {"plain": (ratio, 1.8 if "64 KiB" in name else 1.2)})
