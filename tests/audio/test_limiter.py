"""The limiter keeps true peaks under its ceiling, and does nothing else."""

import numpy as np
import pytest
from audio_signals import cut, silence, speech, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.audio.limiter import BLOCK, Limiter
from farm.audio.truepeak import true_peaks
from farm.engine import Samples

RATE = 44_100
LOUD = speech(3, 1, RATE, level=0.6).samples


def limited(samples: Samples, ceiling_db: float = -3.0, sizes: tuple[int, ...] = (65_536,)) -> Samples:
    limiter = Limiter(ceiling_db, RATE)
    return np.concatenate([*(limiter.feed(piece) for piece in cut(samples, sizes)), limiter.flush()])


@pytest.mark.parametrize("ceiling_db", [-1.0, -3.0, -6.0])
def test_no_true_peak_passes_the_ceiling(ceiling_db: float) -> None:
    for seed in range(4):
        result = limited(speech(2, seed, RATE, level=0.7).samples, ceiling_db)
        assert 20 * np.log10(true_peaks(result, 0.0).max()) <= ceiling_db + 0.05


def test_a_square_wave_at_full_scale_is_held() -> None:
    square = np.sign(tone(200, 1, RATE).samples)
    assert true_peaks(limited(square), 0.0)[1000:-1000].max() <= 10 ** (-2.95 / 20)


def test_quiet_audio_passes_bit_for_bit() -> None:
    quiet = speech(3, 2, RATE, level=0.05).samples
    assert np.array_equal(limited(quiet), quiet)


def test_only_the_neighbourhood_of_a_peak_is_turned_down() -> None:
    samples = tone(300, 3, RATE, level=0.3).samples.copy()
    samples[RATE : RATE + 100] *= 3
    result = limited(samples)
    away = np.r_[0 : RATE - 1000, RATE + 1100 : len(samples)]
    assert np.array_equal(result[away], samples[away])
    assert np.abs(result).max() < 0.71


def test_the_limited_time_is_counted() -> None:
    limiter = Limiter(-3.0, RATE)
    limiter.feed(np.where(np.arange(RATE) == RATE // 2, 0.9, 0.0).astype(np.float32))
    limiter.flush()
    assert 0.005 < limiter.limited / RATE < 0.04


@pytest.mark.parametrize("length", [0, 1, 500, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17])
def test_as_many_samples_come_out_as_went_in(length: int) -> None:
    assert len(limited(np.resize(LOUD, length))) == length


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=5))
def test_pieces_and_the_whole_give_the_same_samples(sizes: list[int]) -> None:
    samples = LOUD if min(sizes) > 50 else LOUD[:20_000]
    assert np.array_equal(limited(samples, sizes=tuple(sizes)), limited(samples, sizes=(len(samples),)))


def test_the_gain_is_what_the_plain_definition_says() -> None:
    """The least gain needed within the look-ahead, and of that a triangular mean as wide."""
    samples, width, edge = LOUD[:30_000], 441, 2000
    padded = np.pad(samples, edge)
    needed = 10 ** (-3 / 20) / np.maximum(true_peaks(padded, 0.0), 10 ** (-3 / 20))
    least = np.array([needed[max(0, n - width) : n + width + 1].min() for n in range(len(padded))])
    triangle = np.convolve(np.ones(width + 1), np.ones(width + 1)) / (width + 1) ** 2
    gain = np.convolve(least, triangle, "same")[edge:-edge]
    assert gain.min() < 0.8
    assert np.allclose(limited(samples), samples * gain, atol=1e-6)


def test_silence_stays_silent() -> None:
    assert not limited(silence(1, RATE).samples).any()
