"""The examples in docstrings are specifications: they hold."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("farm", "tasks", "models", "dashboard")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_the_rules_of_reading_have_examples() -> None:
    rules = [importlib.import_module(name) for name in MODULES if name.startswith("farm.text.")]
    examples = [test for module in rules for test in doctest.DocTestFinder().find(module) if test.examples]
    assert len(examples) > 50
