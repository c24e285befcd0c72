"""wsfast and the libraries that its users' peers run understand each other, whoever serves.

WSFAST_INTEROP=all tries every peer, and fails where one is not installed; otherwise those that the
tests install anyway.
"""

import os
from itertools import count

import pytest
import rig
from capabilities import BEHAVIOURS, EVERYDAY, PEERS, WSFAST

pytestmark = pytest.mark.timeout(2 * rig.PATIENCE)

TRIED = PEERS if os.environ.get("WSFAST_INTEROP") == "all" else EVERYDAY
conversations = count()


def cases(pairs):
    """Every behaviour of every pair that is capable of it, on plain TCP and on TLS."""
    return [
        pytest.param(server, client, behaviour, tls, id=f"{name}-{'wss' if tls else 'ws'}-{what}")
        for name, server, client in pairs
        for tls in (False, True)
        for what, behaviour in BEHAVIOURS.items()
        if behaviour.possible(server, client)
    ]


@pytest.mark.parametrize(
    ("server", "client", "behaviour", "tls"),
    cases((name, WSFAST, peer) for name, peer in TRIED.items()),
)
def test_a_client_of_theirs(programs, certificates, server, client, behaviour, tls):
    try_out(programs, certificates, server, client, behaviour, tls)


@pytest.mark.parametrize(
    ("server", "client", "behaviour", "tls"),
    cases((name, peer, WSFAST) for name, peer in TRIED.items() if peer.is_server),
)
def test_a_server_of_theirs(programs, certificates, server, client, behaviour, tls):
    try_out(programs, certificates, server, client, behaviour, tls)


@pytest.mark.parametrize(
    ("server", "client", "behaviour", "tls"), cases([("wsfast", WSFAST, WSFAST)])
)
def test_both_ends_of_ours(programs, certificates, server, client, behaviour, tls):
    try_out(programs, certificates, server, client, behaviour, tls)


def try_out(programs, certificates, server, client, behaviour, tls):
    try:
        hold_a_conversation(programs, certificates, server, client, behaviour, tls)
    except BaseException:
        programs.end_all()
        raise


def hold_a_conversation(programs, certificates, server, client, behaviour, tls):
    serving, calling = programs.server(server, tls), programs.client(client)
    conversation = str(next(conversations))
    address = f"127.0.0.1:{serving.port}{behaviour.path}?{conversation}"
    calling.write(
        uri=f"{'wss' if tls else 'ws'}://{address}",
        authority=str(certificates.authority) if tls else None,
        subprotocols=behaviour.subprotocols,
        compression=behaviour.compression,
        steps=behaviour.all_steps(),
    )
    answer = calling.read()
    assert "error" not in answer, answer["error"]
    assert answer["received"] == [rig.seen(rig.build(message)) for message in behaviour.received]
    assert answer["subprotocol"] == behaviour.subprotocol
    assert answer["compressed"] is behaviour.compression
    report = serving.read()
    while report["conversation"] != conversation:
        report = serving.read()
    assert "error" not in report, report["error"]
    if behaviour.closed_by == "server":
        assert answer["closed"] == list(behaviour.closed)
    elif server.tells_close_frame:
        assert report["closed"] == list(behaviour.closed)
