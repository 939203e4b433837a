"""The simulated engine speaks with recordings, so that whole books can be spoken so without a net."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from farm.engine import Speech, Utterance, VoicePrint
from farm.errors import Rejected
from farm.voices import preset

ENGINE = models.load("simulated:speed=inf")


def recording(folder: Path, content: bytes = b"a voice") -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / f"{sha256}.wav").write_bytes(content)
    return {"recording": sha256, "path": str(folder / f"{sha256}.wav")}


def say(voice: VoicePrint) -> Any:
    ((_, said),) = ENGINE.speak([Utterance("今天天气很好。", "zh", voice)], lambda: False)
    assert isinstance(said, Speech)
    return said.audio.samples


def test_a_recording_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    here, there = recording(tmp_path / "here"), recording(tmp_path / "there")
    assert here["path"] != there["path"]
    assert ENGINE.voice_print(here).key == ENGINE.voice_print(there).key
    assert "path" not in ENGINE.voice_print(here).data


def test_each_voice_sounds_differently(tmp_path: Path) -> None:
    voices = [recording(tmp_path, b"one"), recording(tmp_path, b"other"), preset("deep").to_json()]
    heard = [say(ENGINE.voice_print(voice)) for voice in voices]
    assert len({samples.tobytes() for samples in heard}) == 3
    assert np.array_equal(heard[0], say(ENGINE.voice_print(voices[0])))


@pytest.mark.parametrize("path", ["/nowhere/a.wav", None])
def test_a_recording_that_is_not_there_is_refused(path: str | None) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        ENGINE.voice_print({"recording": "5e" * 32, "path": path})


def test_a_file_of_another_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="is not the recording"):
        ENGINE.voice_print({**recording(tmp_path), "recording": "5e" * 32})
