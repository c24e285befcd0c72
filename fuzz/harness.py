"""What the fuzzers share: how an input is read as choices, and how a harness is run.

``python fuzz/fuzz_x.py [libFuzzer's options]`` fuzzes with atheris, and keeps what it finds worth
keeping in ``fuzz/corpus/x``. ``python fuzz/fuzz_x.py --once FILE...`` replays inputs, and needs no
atheris. Both need a compiled wsfast: installed, or built in place and found by PYTHONPATH.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_REPLAY = sys.argv[1:2] == ["--once"]


class Choices:
    """Reads an input from its start; what is not there reads as zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        taken = self._data[self._position : self._position + count]
        self._position += count
        return taken

    def number(self) -> int:
        """The next byte."""
        return self.take(1)[0] if self else 0

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.number() % len(options)]

    def cuts(self) -> Sequence[int]:
        """Where to cut: a byte says at how many places, two bytes for each; 7 is byte by byte."""
        count = self.number() % 8
        if count == 7:
            return range(64)
        return [int.from_bytes(self.take(2), "big") for _ in range(count)]

    def rest(self) -> bytes:
        return self.take(len(self._data))


def instrumented() -> AbstractContextManager[object]:
    """Whatever is imported within guides the fuzzer by the branches it takes."""
    if _REPLAY:
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=["wsfast"])


def run(name: str, check: Callable[[bytes], None], seeds: Mapping[str, bytes]) -> None:
    """Replay the files behind ``--once``, or fuzz, beginning with the seeds."""
    if _REPLAY:
        for file in sys.argv[2:]:
            check(Path(file).read_bytes())
            print(f"{file}: ok")
        return
    import atheris

    corpus = Path(__file__).parent / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed, data in seeds.items():
        (corpus / seed).write_bytes(data)
    atheris.Setup([sys.argv[0], f"-artifact_prefix={corpus}/", *sys.argv[1:], str(corpus)], check)
    atheris.Fuzz()
