"""Masking keys: strong, each used once, and none of them after a fork."""

import mmap
import os
import random
import re
import subprocess
import sys

import pytest
from wires import drawn_from

from wsfast.frames import keys_py


@pytest.fixture(scope="module")
def keys(backend):
    return backend.keys


def test_a_key_is_4_bytes(keys):
    key = keys.masking_key()
    assert type(key) is bytes
    assert len(key) == 4


def test_keys_do_not_repeat(keys):
    # Of 100,000 draws among 2**32, two agree about once; a pool used twice agrees throughout.
    drawn = [keys.masking_key() for _ in range(100_000)]
    assert len(set(drawn)) >= len(drawn) - 20


def test_every_bit_is_drawn(keys):
    ones = [0] * 32
    for _ in range(4096):
        word = int.from_bytes(keys.masking_key(), "big")
        for bit in range(32):
            ones[bit] += word >> bit & 1
    assert all(1700 < count < 2400 for count in ones)


def test_keys_are_entropy_of_the_operating_system_each_byte_used_once(keys, entropy):
    assert drawn_from(entropy, keys.masking_key)


def test_a_block_of_entropy_lasts_for_many_keys(keys, entropy):
    for _ in range(2000):
        keys.masking_key()
    assert len(entropy) <= 2


def test_nothing_comes_from_random(keys):
    random.seed(1)
    first = keys.masking_key()
    random.seed(1)
    assert keys.masking_key() != first


def test_whatever_the_entropy_is_it_is_what_comes(keys, monkeypatch):
    """Whoever replaces os.urandom to have the same keys each time gets them, zeros included."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "urandom", bytes)
        while keys.masking_key() != bytes(4):
            pass
        assert keys.masking_key() == bytes(4)
    while keys.masking_key() == bytes(4):  # for the tests to come
        pass


# How a process forks, how it is told that it has, and what draws a key.
FORKS = {
    "by Python": "os.fork",
    "in C": "ctypes.PyDLL(None).fork",  # without the hooks of Python
}
MARKS = {
    "memory that a fork wipes": {"c": "", "py": ""},
    "process ids": {
        "c": "keys.compare_processes()",
        "py": "keys._mark = keys.ProcessMark()",
    },
}
DRAWS = {
    "masking_key": "keys.masking_key()",
    "encode_message": "messages.encode_message(b'', Role.CLIENT)[2:]",
}

# Child and grandchild write their keys into a pipe. In processes of their own: that of the tests
# may have threads, with which Python warns of a fork.
PROGRAM = """
import ctypes, os
from wsfast.rfc6455 import Role
from {keys} import masking_key
import {keys} as keys, {messages} as messages
{mark}

def draw():
    return b"".join([{draw} for _ in range(50)])

draw()
read, write = os.pipe()
child = {fork}()
if child == 0:
    grandchild = {fork}()
    if grandchild == 0:
        os.write(write, draw())
        os._exit(0)
    os.waitpid(grandchild, 0)
    os.write(write, draw() + draw())
    os._exit(0)
os.waitpid(child, 0)
drawn = os.read(read, 600) + draw() + draw()
print(len(drawn) // 4, len({{drawn[i : i + 4] for i in range(0, len(drawn), 4)}}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_no_key_survives_a_fork(backend, fork, mark, draw):
    code = PROGRAM.format(
        keys=backend.keys.__name__,
        messages=backend.messages.__name__,
        mark=mark[backend.name],
        fork=fork,
        draw=draw,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["250", "250"], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a page that a fork wipes is Linux's")
def test_linux_has_a_page_that_a_fork_wipes(keys):
    code = "import wsfast; print(open('/proc/self/smaps').read())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"WSFAST_EXTENSION": "0" if keys is keys_py else "1"},
    )
    # Of each mapping first its size in KiB, then its flags; wf is what we look for.
    fields = re.findall(r"^(?:Size|VmFlags): +(.*)$", done.stdout, re.MULTILINE)
    wiped = sum(
        int(size.removesuffix(" kB")) << 10
        for size, flags in batched_in_twos(fields)
        if "wf" in flags.split()
    )
    # The module in C imports the one in Python for what is rare.
    assert wiped == mmap.PAGESIZE * (1 if keys is keys_py else 2)


def batched_in_twos(items):
    return zip(items[::2], items[1::2], strict=True)
