"""Nothing grows with segments: two thousand of them, with the small checkpoint."""

import subprocess
import sys
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.indextts2 import truth, variants

ROOT = Path(__file__).parents[2]
SEGMENTS, WARM = 2176, 128
"""All, and those until the nets' own kernels are there."""
NEAR = 0.02
STOP, ENDS = 65, 1.0
"""The code that ends speech, and its bias: some nine codes a segment, so that this ends, too."""
LISTENED_S = 1

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def soon_silent(content: Mapping[str, Mapping[str, Tensor]]) -> Mapping[str, Any]:
    content["model"]["mel_head.bias"][STOP] = ENDS
    return content


@pytest.fixture
def directory(checkpoint: Path, tmp_path: Path) -> Path:
    brief = variants.copy(checkpoint, tmp_path / "brief")
    variants.change(brief / "gpt.pth", soon_silent)
    return brief


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A short one: the flow matching walks with all of it."""
    path = tmp_path / "voice.wav"
    with wave.open(str(truth.path("spk_24k.wav"))) as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(LISTENED_S * whole.getframerate()))
    return path


def test_memory_is_flat_over_two_thousand_segments(directory: Path, recording: Path) -> None:
    command = [sys.executable, "-m", "tests.indextts2.long_speech", directory, recording, str(SEGMENTS)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [tuple(map(int, line.split())) for line in said.splitlines()]
    assert lines[-1][0] == SEGMENTS
    assert sum(failed for _, failed, _ in lines) < 0.05 * SEGMENTS
    resident = [held for done, _, held in lines if done >= WARM]
    middle = sorted(resident)[len(resident) // 2]
    assert max(abs(held - middle) for held in resident) <= NEAR * middle
