"""Loudness agrees with the standard's test signals and with FFmpeg's own meters."""

import numpy as np
import pytest
from audio_signals import cut, joined, silence, speech, tone

from farm.audio.loudness import measure
from farm.audio.truepeak import true_peaks
from farm.engine import Audio

RATE = 44_100


def measured(audio: Audio, sizes: tuple[int, ...] = (65_536,)) -> object:
    return measure(cut(audio.samples, sizes), audio.sample_rate)


def test_a_full_scale_997_hz_sine_is_minus_3_lufs() -> None:
    """ITU-R BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01."""
    loudness = measure([tone(997, 5, RATE, level=1.0).samples], RATE)
    assert loudness.lufs == pytest.approx(-3.01, abs=0.05)
    assert loudness.rms_db == pytest.approx(-3.01, abs=0.02)
    assert loudness.peak_db == pytest.approx(0.0, abs=0.02)


def test_silence_between_words_does_not_count() -> None:
    words = tone(997, 5, RATE, level=0.1)
    alone = measure([words.samples], RATE).lufs
    apart = measure([joined(words, silence(20, RATE), words).samples], RATE).lufs
    assert apart == pytest.approx(alone, abs=0.15)


def test_digital_silence_has_no_level() -> None:
    loudness = measure([silence(3, RATE).samples], RATE)
    levels = (
        loudness.lufs,
        loudness.true_peak_db,
        loudness.rms_db,
        loudness.peak_db,
        loudness.noise_floor_db,
    )
    assert levels == (None,) * 5


def test_nothing_has_no_level() -> None:
    assert measure([], RATE).lufs is None
    assert measure([np.zeros(0, np.float32)], RATE).rms_db is None


@pytest.mark.parametrize("seconds", [0.005, 0.1, 0.39])
def test_audio_shorter_than_the_gate_is_as_loud_as_if_it_went_on(seconds: float) -> None:
    short = measure([tone(1000, seconds, RATE).samples], RATE).lufs
    assert short == pytest.approx(measure([tone(1000, 5, RATE).samples], RATE).lufs, abs=0.3)


def test_the_noise_floor_is_the_quietest_half_second() -> None:
    quiet = tone(997, 1.0, RATE, level=0.001)
    loudness = measure([joined(speech(3, rate=RATE), quiet, speech(3, rate=RATE)).samples], RATE)
    assert loudness.noise_floor_db == pytest.approx(-63.01, abs=0.1)


@pytest.mark.parametrize("sizes", [(1,), (441, 7, 30_011), (100_000,)])
def test_how_the_audio_arrives_does_not_change_what_is_measured(sizes: tuple[int, ...]) -> None:
    audio = speech(0.5 if sizes == (1,) else 6, rate=RATE)
    assert measured(audio, sizes) == measured(audio, (len(audio.samples),))


def test_a_peak_between_the_samples_is_seen() -> None:
    """A sine at a quarter of the sample rate, sampled at 45 degrees: every sample 3 dB under the peak."""
    t = np.arange(RATE)
    samples = (0.5 * np.sin(np.pi / 2 * t + np.pi / 4)).astype(np.float32)
    loudness = measure([samples[2000:]], RATE)
    assert loudness.peak_db == pytest.approx(-9.03, abs=0.02)
    # The abrupt beginning and end ring a little above the sine itself.
    middle = true_peaks(samples, 0.0)[100:-100].max()
    assert 20 * np.log10(middle) == pytest.approx(-6.02, abs=0.05)


def test_both_samples_beside_a_peak_know_of_it() -> None:
    samples = np.zeros(100, np.float32)
    samples[50:52] = 0.5
    peaks = true_peaks(samples, 0.0)
    assert peaks[50] == peaks[51] > 0.6


def test_looking_only_near_the_floor_finds_the_same_highest_peak() -> None:
    for seed in range(5):
        samples = speech(2, seed, RATE, level=0.3).samples
        highest = float(np.abs(samples).max())
        assert true_peaks(samples, highest).max() == true_peaks(samples, 0.0).max()


def test_the_true_peak_agrees_with_brute_force() -> None:
    """Against exact interpolation (by Fourier transform, 16-fold) of a sound that fades at its ends."""
    samples = speech(1, 3, RATE, level=0.3).samples * np.hanning(RATE).astype(np.float32)
    spectrum = np.fft.rfft(samples)
    dense = np.fft.irfft(np.pad(spectrum, (0, 15 * RATE // 2)), 16 * RATE) * 16
    exact = 20 * np.log10(np.abs(dense).max())
    assert 20 * np.log10(true_peaks(samples, 0.0).max()) == pytest.approx(exact, abs=0.15)
