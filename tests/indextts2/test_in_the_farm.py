"""IndexTTS-2 as the farm's own programs meet it: measured on a machine, with the small checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.farms import ROOT

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
