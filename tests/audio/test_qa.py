"""What is plainly wrong with a take is named, and an honest take passes."""

import numpy as np
import pytest
from audio_signals import RATE, joined, silence, speech, tone

from farm.audio.qa import check_take
from farm.engine import Audio


def complaint(audio: Audio, characters: float = 10, language: str = "zh", pace: float = 1.0) -> str:
    return str(check_take(audio, characters, language, pace) or "")


@pytest.mark.parametrize(
    ("language", "characters", "seconds"),
    # As espeak-ng says them; Latin letters count 0.35.
    [("en", 4.55, 0.87), ("en", 0.7, 0.32), ("en", 44.1, 8.67), ("zh", 38, 10.98), ("zh", 1, 0.34),
     ("ja", 19, 2.31), ("ko", 20, 3.98)],
)  # fmt: skip
def test_an_honest_take_passes(language: str, characters: float, seconds: float) -> None:
    assert not complaint(speech(seconds + 0.3, level=0.1), characters, language)


def test_a_slow_or_fast_pace_is_expected_when_it_was_asked_for() -> None:
    assert not complaint(speech(45), 100, "zh", pace=0.5)
    assert not complaint(speech(12), 100, "zh", pace=2.0)
    assert "too long" in complaint(speech(45), 100, "zh", pace=2.0)


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (silence(0), "empty"),
        (silence(3), "silent"),
        (tone(300, 3, level=0.005), "nearly silent"),
        (Audio(np.full(RATE, np.nan, np.float32), RATE), "not numbers"),
        (Audio(np.clip(tone(300, 3).samples * 9, -1, 1), RATE), "clipped"),
        (speech(9), "runs away"),
    ],
)
def test_what_is_wrong_is_named(audio: Audio, expected: str) -> None:
    assert expected in complaint(audio)


def test_half_a_sentence_is_too_short() -> None:
    assert "too short" in complaint(speech(9), 100)


def test_a_quiet_word_in_a_long_silence_is_not_near_silence() -> None:
    assert not complaint(joined(silence(1), tone(300, 0.8, level=0.05), silence(1)), 4)


def test_a_handful_of_samples_at_full_scale_is_not_clipping() -> None:
    take = speech(5)
    take.samples[::5000] = 1.0
    assert not complaint(take, 20)


def test_a_take_of_one_sample_is_checked() -> None:
    assert "silent" in complaint(Audio(np.zeros(1, np.float32), RATE))


def test_ten_seconds_for_45_characters_pass() -> None:
    assert check_take(speech(10), 45, "zh") is None


def test_many_short_exclamations_may_pause_between_them() -> None:
    assert "too long" in complaint(speech(6.1), 10.1, "en")
    assert check_take(speech(6.1), 10.1, "en", sentences=3) is None
