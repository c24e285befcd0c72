"""Both roles, and every way in which a wire can arrive."""

import pytest
from wires import WAYS

from wsfast.rfc6455 import Role


@pytest.fixture(scope="module")
def messages(backend):
    """The module of messages of one backend."""
    return backend.messages


@pytest.fixture(params=Role, ids=lambda role: role.value)
def role(request):
    """Who receives."""
    return request.param


@pytest.fixture
def masked(role):
    """Whether what this role receives is masked."""
    return role is Role.SERVER


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    """How a wire is cut into reads."""
    return request.param
