"""Denoising takes the noise and leaves the voice; trimming leaves every word."""

import numpy as np
import pytest
from audio_signals import joined, silence, speech
from test_quality import VOICE, active, powers, with_noise

from farm.audio.cleaning import LONGEST_S, cut, denoised, speech_in
from farm.audio.quality import measure
from farm.engine import Audio, Samples


def band_db(samples: Samples, rate: int, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(10 * np.log10(power[(hertz >= low) & (hertz < high)].sum()))


@pytest.mark.parametrize("snr_db", [10, 15, 20])
@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_the_ratio_of_speech_to_noise_grows_by_ten_decibels_and_more(snr_db: float, rate: int) -> None:
    noisy = with_noise(speech(8, rate=rate), snr_db)
    before, after = measure(noisy), measure(denoised(noisy))
    assert after.snr_db is not None
    assert before.snr_db is not None
    assert after.snr_db >= before.snr_db + 10


@pytest.mark.parametrize("snr_db", [15, 20])
def test_the_voice_keeps_its_energy_where_voices_have_it(snr_db: float) -> None:
    noisy = with_noise(VOICE, snr_db)
    heard = np.repeat(active(powers(VOICE)), len(VOICE.samples) // len(powers(VOICE)))
    rate, clean, better = VOICE.sample_rate, VOICE.samples[heard], denoised(noisy).samples[heard]
    for low, high in ((100, 300), (300, 1000), (1000, 2400)):
        lost_db = band_db(clean, rate, low, high) - band_db(better, rate, low, high)
        assert abs(lost_db) < 1, f"{low} to {high} Hz"


def test_what_comes_out_is_nearer_to_the_clean_voice_than_what_went_in() -> None:
    noisy = with_noise(VOICE, 15)
    before, after = noisy.samples - VOICE.samples, denoised(noisy).samples - VOICE.samples
    assert np.mean(after**2) < 0.6 * np.mean(before**2)


def test_a_clean_voice_is_left_as_it_is() -> None:
    assert np.abs(denoised(VOICE).samples - VOICE.samples).max() < 1e-5


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1.0003])
def test_the_length_stays(seconds: float) -> None:
    audio = Audio(
        np.random.default_rng(0).standard_normal(round(22_050 * seconds)).astype(np.float32), 22_050
    )
    assert len(denoised(audio).samples) == len(audio.samples)
    assert np.isfinite(denoised(audio).samples).all()


@pytest.mark.parametrize("snr_db", [20, 40])
def test_silence_at_the_ends_goes_and_every_word_stays(snr_db: float) -> None:
    rate = VOICE.sample_rate
    lengthened = with_noise(joined(silence(2, rate), VOICE, silence(3, rate)), snr_db)
    start_s, end_s = speech_in(lengthened)
    assert 1.7 < start_s < 2.1
    assert 9.7 < end_s < 10.5


def test_nothing_is_cut_where_nobody_speaks() -> None:
    assert speech_in(silence(5)) == (0.0, 5.0)


def test_fifteen_seconds_at_most_are_kept() -> None:
    long = speech(20)
    assert cut(long, 2.0, 20.0).seconds == LONGEST_S
    assert np.array_equal(cut(long, 2.0, 3.0).samples, long.samples[44_100:66_150])
