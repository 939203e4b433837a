"""Sentence times inside a segment's audio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from farm.text.segments import Sentence
from farm.text.timing import sentence_times

RATE = 22_050


def speech(*seconds: float) -> NDArray[np.float32]:
    """Noise and quiet in turn, beginning with noise."""
    noise = np.random.default_rng(1).normal(0, 0.1, round(sum(seconds) * RATE) + len(seconds))
    loud = np.concatenate(
        [np.full(round(length * RATE), index % 2 == 0) for index, length in enumerate(seconds)]
    )
    return np.where(loud, noise[: len(loud)], noise[: len(loud)] * 0.001).astype(np.float32)


def sentences(*lengths: float) -> list[Sentence]:
    return [Sentence(end + 1, length) for end, length in enumerate(lengths)]


def test_an_estimate_moves_to_the_middle_of_the_pause_beside_it() -> None:
    samples = speech(2.0, 0.4, 3.0, 0.3, 1.0)
    times = sentence_times(samples, RATE, sentences(10, 12, 5))
    assert times == pytest.approx([2.2, 5.55, 6.7], abs=0.02)


def test_of_two_pauses_near_an_estimate_the_longer_one_ends_the_sentence() -> None:
    samples = speech(1.7, 0.1, 0.4, 0.35, 2.0)
    assert sentence_times(samples, RATE, sentences(1, 1))[0] == pytest.approx(2.375, abs=0.02)


def test_the_silence_around_the_speech_belongs_to_no_estimate() -> None:
    samples = np.concatenate([np.zeros(RATE, np.float32), speech(4.0), np.zeros(2 * RATE, np.float32)])
    assert sentence_times(samples, RATE, sentences(1, 1)) == pytest.approx([3.0, 7.0], abs=0.02)


def test_breaths_shorter_than_a_pause_and_pauses_far_away_are_left_alone() -> None:
    assert sentence_times(speech(2.0, 0.05, 2.0), RATE, sentences(3, 5))[0] == pytest.approx(1.52, abs=0.03)
    assert sentence_times(speech(0.3, 0.2, 5.5), RATE, sentences(1, 1, 1))[1] == pytest.approx(4.07, abs=0.03)


def test_without_speech_or_sentences_there_is_still_an_answer() -> None:
    silence = np.zeros(RATE, np.float32)
    assert sentence_times(silence, RATE, sentences(1, 3)) == pytest.approx([0.25, 1.0])
    assert sentence_times(silence, RATE, sentences(0, 0)) == pytest.approx([0.5, 1.0])
    assert sentence_times(silence, RATE, sentences(4)) == [1.0]
    assert sentence_times(silence, RATE, []) == []
    assert sentence_times(silence[:0], RATE, sentences(1, 2)) == [0.0, 0.0]


@given(
    st.lists(st.floats(0.02, 1), min_size=1, max_size=8),
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
    st.sampled_from([8_000, RATE, 44_100]),
)
def test_times_ascend_to_the_duration(seconds: list[float], lengths: list[float], rate: int) -> None:
    samples = speech(*seconds)
    times = sentence_times(samples, rate, sentences(*lengths))
    assert times == sorted(times)
    assert len(times) == len(lengths)
    assert times[0] >= 0
    assert times[-1] == len(samples) / rate
