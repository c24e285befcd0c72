"""A library on wsfast for as long as a block lasts."""

from contextlib import contextmanager


@contextmanager
def patched(integration):
    assert integration.patch()
    try:
        yield
    finally:
        integration.unpatch()
