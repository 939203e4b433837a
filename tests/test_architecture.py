"""What holds for the code as a whole."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from alembic import command

from farm import errors
from farm.embedded import Servers
from farm.schema import configuration
from farm.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("farm", "tasks", "models", "dashboard")


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def writes_state(node: ast.AST) -> bool:
    """`row.state = …` or `.values(state=…)`; a new row's first state is no move."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(t, ast.Attribute) and t.attr == "state" for t in targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
        inserts = "insert(" in ast.unparse(node.func)
        return not inserts and any(keyword.arg == "state" for keyword in node.keywords)
    return False


def test_one_module_writes_states() -> None:
    writers = {str(path) for path, tree in sources() if any(map(writes_state, ast.walk(tree)))}
    assert writers == {"farm/states.py"}


def test_the_detector_of_writers_sees_what_it_should() -> None:
    for code in ("row.state = 'done'", "update(Job).values(state='done')"):
        assert any(map(writes_state, ast.walk(ast.parse(code))))


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [item.name for item in fields(Settings) if f"FARM_{item.name.upper()}" not in readme]
    assert missing == []


def tree(kind: type) -> Iterator[type]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_status_and_its_place_in_the_drawn_tree() -> None:
    for kind in tree(errors.FarmError):
        assert 400 <= kind("x").status < 600 or kind is errors.FarmError
        assert kind("x").transient == (kind("x").status == 503)
        if kind.__module__ == "farm.errors":
            assert kind.__name__ in (errors.__doc__ or "")


def test_error_templates_are_literal_so_that_they_can_be_translated() -> None:
    kinds = {kind.__name__ for kind in tree(errors.FarmError)} | {"Message"}
    for path, module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                assert node.args or node.keywords, path
                first = node.args[0] if node.args else node.keywords[0].value
                assert not isinstance(first, ast.JoinedStr), f"{path}:{node.lineno} formats its template"


@pytest.mark.parametrize("package", ["dashboard", "tasks.app", "tasks.render", "tasks.house", "models"])
def test_importing_a_package_loads_no_torch(package: str, tmp_path: Path) -> None:
    loaded = modules_after(f"import {package}", tmp_path)
    assert "torch" not in loaded


def test_a_render_worker_knows_no_database_and_no_object_store(tmp_path: Path) -> None:
    loaded = modules_after("import tasks.render", tmp_path)
    assert not loaded & {"sqlalchemy", "psycopg", "boto3", "flask"}


def modules_after(code: str, home: Path) -> set[str]:
    command = f"{code}; import sys; print(' '.join(sys.modules))"
    environment = {
        "PATH": "/usr/bin:/bin",
        "FARM_HOME": str(home),
        "FARM_BROKER_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_migrations_make_the_tables(servers: Servers) -> None:
    command.check(configuration(servers.database_url))
