"""The farm hands out the code it runs, and the same code has the same version everywhere."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from farm import wheel
from tests.farms import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip put the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    made = wheel.build()
    (folder / made.name).write_bytes(made.content)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "--target", folder / "there", folder / made.name]
    subprocess.run(command, check=True, cwd=folder)
    return folder / "there"


def run_there(installed: Path, *command: str) -> str:
    """With the dependencies of this environment, and none of its checkout."""
    environment = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=installed.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_pip_installs_the_wheel_and_its_code_runs(installed: Path) -> None:
    assert run_there(installed, "-c", "import farm; print(farm.__file__)").startswith(str(installed))
    assert "version 0.1" in run_there(installed, "-m", "farm.cli", "--version")
    assert (installed / "bin" / "farm").exists()


def test_who_runs_the_wheel_says_the_same_version_and_makes_the_same_wheel(installed: Path) -> None:
    program = "from farm.wheel import build; w = build(); print(w.version, w.name, len(w.content))"
    mine = wheel.build()
    assert run_there(installed, "-c", program).split() == [mine.version, mine.name, str(len(mine.content))]


def test_the_wheel_has_every_file_of_the_packages_and_nothing_made_beside_them() -> None:
    names = zipfile.ZipFile(BytesIO(wheel.build().content)).namelist()
    tracked = subprocess.run(
        ["git", "ls-files", *wheel.PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert {name for name in tracked if (ROOT / name).is_file()} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(".")]


def test_the_wheel_names_the_extras_that_machines_join_with() -> None:
    archive = zipfile.ZipFile(BytesIO(wheel.build().content))
    metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    extras = [
        line for line in archive.read(metadata).decode().splitlines() if line.startswith("Provides-Extra")
    ]
    assert {"Provides-Extra: gpu", "Provides-Extra: preview"} <= set(extras)


def test_the_same_code_makes_the_same_bytes() -> None:
    first = wheel.build()
    wheel.build.cache_clear()
    again = wheel.build()
    assert first == again
    assert first is not again


def test_other_code_has_another_version(installed: Path) -> None:
    program = "from farm import wheel; print(wheel.build().version)"
    before = run_there(installed, "-c", program)
    marks = installed / "farm" / "messages.py"
    content = marks.read_text()
    marks.write_text(content + "\n")
    try:
        assert run_there(installed, "-c", program) != before
    finally:
        marks.write_text(content)


def test_the_constraints_travel_with_the_code(installed: Path) -> None:
    assert wheel.constraints() == (ROOT / "constraints.txt").read_bytes()
    program = "from farm import wheel; print(wheel.constraints().decode(), end='')"
    assert run_there(installed, "-c", program) == wheel.constraints().decode()
