import doctest
import importlib
import pkgutil

import pytest

import farm.text

MODULES = [module.name for module in pkgutil.iter_modules(farm.text.__path__, "farm.text.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_above_the_rules_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_rules_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples
    ]
    assert len(examples) > 50
