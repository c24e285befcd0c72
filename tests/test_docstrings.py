"""The examples in the docstrings are true, in both twins."""

import doctest

import pytest
from conftest import TWINS

from wsfast import Opcode, Role


@pytest.mark.parametrize("name", TWINS)
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
