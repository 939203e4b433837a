"""What a machine finds out about itself before it is given work."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile

from farm.audio.quality import measure as quality_of
from farm.engine import Audio, Speech, SpeechFailure, Utterance
from farm.errors import Rejected
from farm.gpu import CLASSES
from farm.text.lengths import spoken_length
from models.simulated import Simulated
from tasks.measure import Step, measure, passage, readable, utterances, verdict
from tasks.stand_in import recording
from tests.farms import ROOT
from tests.nvml import RTX_3060, driver

NO_SIGN = SpeechFailure("text", "It has no sign for this.")


class Small(Simulated):
    """A card with room for so many utterances at once; a batch goes as fast as a single one."""

    def __init__(self, room: int, kind: str = "memory") -> None:
        super().__init__(speed=float("inf"))
        self.room, self.kind = room, kind

    def speak(
        self, batch: Sequence[Utterance], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
        for at, outcome in super().speak(batch, stop):
            yield at, outcome if at < self.room else SpeechFailure(self.kind, "out of memory")


def run(engine: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasks.measure", engine, *options]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_speed_is_the_engines_and_every_step_is_told(tmp_path: Path) -> None:
    *steps, last = lines(run("simulated:speed=200,batch=64", "--seconds", "3", FARM_HOME=str(tmp_path)))
    assert [step["batch"] for step in steps] == [2**at for at in range(len(steps))]
    assert 100 < last["speed"] <= 205
    assert last["batch"] == steps[-1]["batch"]
    assert last["peak_mib"] == max(step["peak_mib"] for step in steps) > 10


def test_the_preview_engine_is_measured_with_real_speech(tmp_path: Path) -> None:
    *steps, last = lines(run("preview", "--seconds", "1", FARM_HOME=str(tmp_path)))
    assert last["speed"] == max(step["speed"] for step in steps) > 1


def test_a_slow_machine_stops_when_another_batch_would_take_too_long(tmp_path: Path) -> None:
    *steps, last = lines(run("simulated:speed=30", "--seconds", "0", FARM_HOME=str(tmp_path)))
    assert [step["batch"] for step in steps] == [1]
    assert last["batch"] == 1


def test_a_card_that_is_nearly_full_gets_no_larger_batch(tmp_path: Path) -> None:
    card = RTX_3060.replace(",512", ",11300")
    machine = {"FARM_HOME": str(tmp_path), "FARM_GPU": "GPU-3060", "FARM_WORKER_CLASS": "12g"}
    *steps, last = lines(run("simulated:speed=6000", **machine, **driver(card)))
    assert len(steps) == 1
    assert last["peak_mib"] == 11300


def test_what_cannot_be_measured_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = run("espresso", FARM_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no engine called espresso" in done.stderr
    done = run("preview", FARM_HOME=str(tmp_path), FARM_WORKER_CLASS="99g")
    assert done.stderr == "There is no GPU class 99g.\n"


def test_the_largest_batch_is_the_last_that_fitted() -> None:
    steps = list(measure(Small(room=5), 20, "", 60))
    assert [step.batch for step in steps] == [1, 2, 4]


def test_an_engine_that_cannot_speak_one_segment_is_refused_with_its_reason() -> None:
    with pytest.raises(Rejected, match="cannot speak here: out of memory"):
        list(measure(Small(room=0), 20, "", 60))
    with pytest.raises(Rejected, match="cannot speak here"):
        list(measure(Small(room=3, kind="engine"), 20, "", 60))


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_spoken_is_as_long_as_the_class_allows(name: str) -> None:
    longest = CLASSES[name].longest_segment
    for language in ("zh", "en"):
        assert 0.8 * longest <= spoken_length(passage(language, longest)) <= longest


def test_a_batch_is_in_the_languages_that_the_engine_speaks() -> None:
    engine = Simulated()
    voice = engine.voice_print({})
    assert readable(engine, voice) == ["zh", "en"]
    assert [each.language for each in utterances(["zh", "en"], voice, 40, 4)] == ["zh", "en", "zh", "en"]
    engine.languages = frozenset({"ko", "xx"})
    assert readable(engine, voice) == ["ko"]
    engine.languages = frozenset({"xx"})
    with pytest.raises(Rejected, match="knows none of our languages"):
        readable(engine, voice)


def test_a_language_whose_sentences_the_engine_refuses_is_left_out() -> None:
    class Lettered(Small):
        """Its vocabulary has no Chinese characters."""

        def speak(
            self, batch: Sequence[Utterance], stop: Callable[[], bool]
        ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
            lettered = [at for at, each in enumerate(batch) if each.text.isascii()]
            yield from ((at, NO_SIGN) for at in range(len(batch)) if at not in lettered)
            for at, outcome in super().speak([batch[at] for at in lettered], stop):
                yield lettered[at], outcome

    engine = Lettered(room=2)
    assert readable(engine, engine.voice_print({})) == ["en"]
    assert [step.batch for step in measure(engine, 20, "", 60)] == [1, 2]


def test_the_voice_of_nobody_is_always_the_same_and_would_do_as_a_recording(tmp_path: Path) -> None:
    content = recording()
    assert recording() == content
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    quality = quality_of(Audio(samples, rate))
    assert quality.seconds == 5.0
    assert quality.speech > 0.5
    assert quality.clipped == 0


def test_the_verdict_is_the_best_of_all_steps() -> None:
    assert verdict([Step(1, 5.0, 900), Step(2, 8.0, 1400), Step(4, 7.0, 1300)]) == Step(4, 8.0, 1400)
