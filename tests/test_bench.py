"""What the contest of servers says about wsfast against another revision of itself."""

import sys
from pathlib import Path

import pytest

# Any import mode of pytest finds the benchmarks.
sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from echo.base import Base
from echo.paired import compare
from echo.rows import base_of, floor_of


def turns(*microseconds):
    """Turns of a hundred messages, by the CPU time of one."""
    return [{"messages": 100, "seconds": 1, "cpu_seconds": each * 1e-4} for each in microseconds]


def comparison(ours, base):
    return compare({"wsfast": turns(*ours), "wsfast-base": turns(*base)})["wsfast"]


def test_rounds_are_compared_one_by_one():
    # The machine became slower from round to round, for both alike.
    compared = comparison([1.02, 2.04, 4.08], [1, 2, 4])
    assert [compared.low, compared.median, compared.high] == pytest.approx([1.02] * 3)
    assert str(compared) == "+2.0 % (+2.0 to +2.0)"


def test_a_row_is_worse_where_its_median_is_above_the_tolerance():
    assert comparison([1.04] * 7, [1] * 7).is_worse(0.03)
    assert not comparison([1.02] * 7, [1] * 7).is_worse(0.03)


def test_a_row_is_not_worse_where_a_third_of_its_rounds_is_faster():
    assert not comparison([1.2, 1.2, 1.2, 1.2, 0.9, 0.9, 0.9], [1] * 7).is_worse(0.03)


def test_only_servers_whose_base_took_part_are_compared():
    assert compare({"wsfast": turns(1), "floor": turns(1), "wsfast-callbacks-base": turns(1)}) == {}


def test_a_base_and_a_floor_run_on_the_same_loop():
    assert base_of("wsfast-callbacks@asyncio") == "wsfast-callbacks-base@asyncio"
    assert floor_of("wsfast-callbacks@asyncio") == "floor@asyncio"


def test_a_checkout_that_runs_another_wsfast_is_refused(tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with pytest.raises(ValueError, match=r"imports wsfast from .*: build it in "):
        Base(tmp_path)


def test_a_checkout_without_an_environment_is_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        Base(tmp_path)
