"""The examples in the docstrings are true, in both twins."""

import doctest

import pytest
from conftest import TWINS

from wsfast import Opcode, Role


# A stream needs a loop and a transport: its examples are those of ``serve``.
@pytest.mark.parametrize("name", [name for name in TWINS if name != "stream"])
def test_examples(backend, name):
    module = getattr(backend, name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {**vars(module), "Role": Role, "Opcode": Opcode}
    examples = [
        example
        for public in module.__all__
        for example in finder.find(getattr(module, public), public, module=False, globs=names)
        if example.examples
    ]
    assert examples
    for example in examples:
        assert doctest.DocTestRunner().run(example).failed == 0
