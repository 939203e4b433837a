"""The engine in which time passes as on a card."""

import subprocess
import sys

import numpy as np
import pytest

import models
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance
from models.simulated import STOP_ASKED_S

TEN = "十个汉字要两秒多一点"  # 2.2 s


def utterance(engine: Engine, text: str, pace: float = 1.0) -> Utterance:
    return Utterance(text, "zh", engine.voice_print({}), Direction(pace))


def said(engine: Engine, text: str, pace: float = 1.0) -> Speech | SpeechFailure:
    return dict(engine.speak([utterance(engine, text, pace)], lambda: False))[0]


class Clock:
    """Stands in for `time`: only sleeping makes time pass."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("models.simulated.time", clock)
    return clock


def test_a_batch_takes_the_time_its_audio_takes_at_the_given_speed(clock: Clock) -> None:
    engine = models.load("simulated:speed=11,batch=2")
    arrived = [clock.now for _ in engine.speak([utterance(engine, TEN)] * 4, lambda: False)]
    assert arrived == pytest.approx([0.4, 0.4, 0.8, 0.8])


def test_a_micro_batch_is_given_up_as_soon_as_stop_is_true(clock: Clock) -> None:
    engine = models.load("simulated:speed=0.01")
    assert list(engine.speak([utterance(engine, TEN)], lambda: clock.now > 0.1)) == []
    assert 0.1 < clock.now <= 0.1 + 2 * STOP_ASKED_S


@pytest.mark.parametrize(
    ("text", "pace", "seconds"), [(TEN, 1.0, 2.2), (TEN, 2.0, 1.1), ("Farm", 1.0, 0.308), ("好", 1.0, 0.22)]
)
def test_a_clip_lasts_as_long_as_its_text_takes_to_say(text: str, pace: float, seconds: float) -> None:
    assert said(models.load("simulated:speed=inf"), text, pace).audio.seconds == pytest.approx(
        seconds, abs=0.001
    )


def test_the_no_op_engine_gives_clips_of_one_length() -> None:
    engine = models.load("simulated:speed=inf,clip_s=0.5")
    assert {said(engine, text).audio.seconds for text in (TEN, "好", "Farm")} == {0.5}


def test_the_tones_of_two_texts_differ() -> None:
    engine = models.load("simulated:speed=inf,clip_s=0.5")
    tones = [said(engine, f"第{n}句").audio.samples.tobytes() for n in range(200)]
    assert len(set(tones)) == 200


def test_a_tone_has_no_click_where_seconds_join() -> None:
    samples = said(models.load("simulated:speed=inf"), TEN * 3).audio.samples
    assert np.abs(np.diff(samples)).max() < 0.5 * 2 * np.pi * 520 / 22050


def test_a_marked_text_fails_alone() -> None:
    engine = models.load("simulated:speed=inf,fail=毒")
    results = dict(engine.speak([utterance(engine, text) for text in ("好", "有毒", "好")], lambda: False))
    assert results[1] == SpeechFailure("engine", "The text contains 毒.")
    assert isinstance(results[0], Speech)
    assert isinstance(results[2], Speech)


def test_a_poisonous_text_kills_the_process() -> None:
    code = """
import models
from farm.engine import Utterance
engine = models.load("simulated:speed=inf,poison=POISON")
print(len(list(engine.speak([Utterance("good", "en", engine.voice_print({}))], lambda: False))), flush=True)
list(engine.speak([Utterance("a POISON", "en", engine.voice_print({}))], lambda: False))
"""
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stdout) == (-9, b"1\n")


def test_a_text_with_the_mute_word_becomes_silence() -> None:
    engine = models.load("simulated:speed=inf,mute=船")
    silent, spoken = said(engine, "一只船"), said(engine, "一盏灯")
    assert isinstance(silent, Speech)
    assert isinstance(spoken, Speech)
    assert not np.any(silent.audio.samples)
    assert np.any(spoken.audio.samples)
