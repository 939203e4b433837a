"""The Procfile's processes, run by hand against servers of one's own."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from farm.audio.probe import probe
from farm.db import Begin
from farm.embedded import Servers
from farm.up import NAMES
from tests.conftest import place
from tests.farms import ROOT, SHORT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def environment(servers: Servers, begin: Begin) -> Iterator[dict[str, str]]:
    """What a person sets who brings a PostgreSQL and a Redis."""
    with place() as folder:
        yield {
            **os.environ,
            **SHORT,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FARM_HOME": str(folder / "home"),
            "FARM_DATABASE_URL": servers.database_url,
            "FARM_BROKER_URL": servers.broker_url,
            "FARM_PORT": "18600",
            "FARM_API_PORT": "18601",
        }


def test_any_procfile_runner_makes_a_farm(environment: dict[str, str], tmp_path: Path) -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(lines) == set(NAMES)
    subprocess.run(["farm", "migrate"], env=environment, check=True)
    out = tmp_path / "book.m4b"
    story = ROOT / "farm" / "data" / "two-bridges.md"
    with ExitStack() as running:
        for line in lines.values():
            process = subprocess.Popen(
                shlex.split(line), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            running.callback(process.wait, 60)
            running.callback(process.terminate)
        render = ["farm", "render", str(story), "-o", str(out), "--chapters", "2"]
        done = subprocess.run(render, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert [mark.title for mark in probe(out).chapters] == ["Chapter Two: The Letter from Leeds"]
    assert not (Path(environment["FARM_HOME"]) / "servers").exists(), "no private servers were started"
