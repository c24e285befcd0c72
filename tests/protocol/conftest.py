"""Both roles, and both ways to read."""

import pytest
from connections import READINGS, ConnectionPair, Peer

from wsfast.protocol.connection import Connection
from wsfast.rfc6455 import Role


@pytest.fixture(params=Role, ids=lambda role: role.value)
def role(request):
    """Which end we are."""
    return request.param


@pytest.fixture(params=READINGS, ids=lambda reading: reading.__name__)
def reading(request):
    """How a connection is given what arrives."""
    return request.param


@pytest.fixture
def connect(role, reading):
    """Make a connection, and give the peer at its other end."""

    def connect(**options):
        return Peer(Connection(role, **options), reading)

    return connect


@pytest.fixture
def peer(connect):
    return connect()


@pytest.fixture
def connection(peer):
    """The connection at whose other end the peer is."""
    return peer.connection


@pytest.fixture
def make_pair(reading):
    def make_pair(**options):
        return ConnectionPair(reading, **options)

    return make_pair


@pytest.fixture
def pair(make_pair):
    return make_pair()
