"""IndexTTS-2 as the farm's own programs meet it: a machine joins, waits for a checkpoint and is measured."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from farm.db import Begin
from farm.embedded import Servers
from farm.enrolment import Request, enrol
from farm.readiness import Candidate
from farm.settings import Settings
from farm.tables import Worker
from tests.farms import ROOT, eventually
from tests.live import live_farm

pytestmark = pytest.mark.slow


def measured(engine: str, home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasks.measure", engine, "--seconds", "0"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "FARM_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_measured_with_a_voice_of_nobody_and_an_untrained_checkpoint(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Which knows hardly any Chinese, and whose speech no guard would let pass."""
    done = measured(f"indextts2:directory={checkpoint},codes=60", tmp_path)
    assert done.returncode == 0, done.stderr
    *steps, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [step["batch"] for step in steps] == [1]
    assert last["speed"] > 0
    assert last["peak_mib"] > 500


def test_without_a_checkpoint_the_measurement_says_how_to_get_one(tmp_path: Path) -> None:
    done = measured("indextts2", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no checkpoint of indextts2" in done.stderr
    assert "farm models add indextts2 DIR" in done.stderr


def test_a_machine_that_joins_waits_for_its_checkpoint_and_goes_on_when_it_is_there(
    checkpoint: Path, servers: Servers, begin: Begin, tmp_path: Path
) -> None:
    config = Settings(home=tmp_path / "machine", beat_s=0.2)
    told: list[str] = []
    with live_farm(servers, begin, tmp_path) as farm:

        def row() -> Worker:
            with farm.begin() as session:
                return session.query(Worker).one()

        token = farm.token(engine="indextts2:codes=60", gpu_class="cpu")
        [papers] = enrol(config, Request(farm.url, token))
        candidate = Candidate(papers, config, told.append)
        thread = threading.Thread(target=candidate.prepare, kwargs={"careless": False}, daemon=True)
        thread.start()
        eventually(lambda: row().facts.get("step") == "waiting for a checkpoint")
        assert any("BAD weights" in line and "`farm models add indextts2 DIR`" in line for line in told)
        assert row().benchmark is None
        command = [sys.executable, "-m", "farm.cli", "models", "add", "indextts2", str(checkpoint)]
        environment = {**os.environ, "FARM_HOME": str(config.home)}
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
        thread.join(300)
        assert not thread.is_alive()
        assert row().benchmark
