"""A recording of a voice is measured as an ear would, and each weakness is named with what helps."""

from dataclasses import replace

import numpy as np
import pytest
from audio_signals import joined, silence, speech, tone

from farm.audio.quality import Grade, Quality, active, advice, grade, measure, powers
from farm.engine import Audio, Samples

RATE = 24_000
VOICE = speech(8, rate=RATE)


def spoken(audio: Audio = VOICE) -> Samples:
    """What lies in the frames where someone speaks."""
    size = len(audio.samples) // len(powers(audio))
    return audio.samples[np.repeat(active(powers(audio)), size)]


def with_noise(audio: Audio, snr_db: float, seed: int = 0) -> Audio:
    """White noise, so many dB below the speech."""
    level = np.sqrt(np.mean(spoken(audio) ** 2)) / 10 ** (snr_db / 20)
    noise = level * np.random.default_rng(seed).standard_normal(len(audio.samples))
    return Audio((audio.samples + noise).astype(np.float32), audio.sample_rate)


def below(audio: Audio, hertz: float) -> Audio:
    """Nothing above `hertz`."""
    spectrum = np.fft.rfft(audio.samples)
    spectrum[round(hertz * len(audio.samples) / audio.sample_rate) :] = 0
    return Audio(np.fft.irfft(spectrum, len(audio.samples)).astype(np.float32), audio.sample_rate)


def amplified(audio: Audio, times: float, most: float = 1.0) -> Audio:
    return Audio(np.clip(times * audio.samples, -most, most), audio.sample_rate)


def said(audio: Audio) -> str:
    return " ".join(str(one.says) for one in advice(measure(audio)))


def test_a_good_recording_is_good_and_needs_no_advice() -> None:
    quality = measure(with_noise(VOICE, 40))
    assert grade(quality) == Grade.GOOD
    assert advice(quality) == []


def test_its_length_is_told_and_too_little_is_called_so() -> None:
    assert measure(VOICE).seconds == 8.0
    short, too_short = speech(4.5, rate=RATE), speech(2, rate=RATE)
    assert grade(measure(short)) == Grade.FAIR
    assert grade(measure(too_short)) == Grade.POOR
    assert "It lasts 4.5 s; from 6 to 15 s" in said(short)


@pytest.mark.parametrize("softer", [1.0, 0.5, 0.05])
def test_clipping_is_seen_also_when_the_recording_was_made_softer_afterwards(softer: float) -> None:
    loud = amplified(VOICE, 12)
    share = np.mean(np.abs(loud.samples) >= 1)
    assert share > 0.01
    quality = measure(amplified(loud, softer))
    assert quality.clipped == pytest.approx(share, abs=0.4 * share)  # a single sample tells nothing
    assert grade(quality) == Grade.POOR
    assert "cut off at the top" in said(amplified(loud, softer))


@pytest.mark.parametrize("audio", [VOICE, tone(60, 5), tone(440, 5), amplified(VOICE, 0.02), silence(4)])
def test_what_is_not_clipped_is_not_called_so(audio: Audio) -> None:
    assert measure(audio).clipped == 0


@pytest.mark.parametrize("db", [-70, -60, -50, -40])
def test_the_noise_floor_is_that_of_the_pauses(db: float) -> None:
    noise = 10 ** (db / 20) * np.random.default_rng(1).standard_normal(len(VOICE.samples))
    assert measure(Audio((VOICE.samples + noise).astype(np.float32), RATE)).noise_db == pytest.approx(
        db, abs=1
    )


def test_digital_silence_has_no_level() -> None:
    assert measure(VOICE).noise_db is None
    assert measure(VOICE).snr_db is None


def test_what_stands_still_in_a_recording_is_no_noise() -> None:
    shifted = Audio(with_noise(VOICE, 40).samples + np.float32(0.2), RATE)
    assert measure(shifted).noise_db == measure(with_noise(VOICE, 40)).noise_db


@pytest.mark.parametrize("db", [15, 20, 30, 40])
def test_the_ratio_of_speech_to_noise_is_estimated_within_two_decibels(db: float) -> None:
    assert measure(with_noise(VOICE, db)).snr_db == pytest.approx(db, abs=2)


def test_noise_is_advised_upon_by_how_much_it_is() -> None:
    assert [grade(measure(with_noise(VOICE, db))) for db in (10, 20, 30)] == [
        Grade.POOR,
        Grade.FAIR,
        Grade.GOOD,
    ]
    assert "Denoise it here" in said(with_noise(VOICE, 20))


def test_a_loud_recording_in_a_noisy_room_is_told_of_its_pauses() -> None:
    assert "Its pauses are as loud as -45 dB" in said(
        Audio(
            (
                4 * VOICE.samples + 0.0056 * np.random.default_rng(2).standard_normal(len(VOICE.samples))
            ).astype(np.float32),
            RATE,
        )
    )


@pytest.mark.parametrize("hertz", [3_400, 4_000, 6_000, 9_000])
@pytest.mark.parametrize("snr_db", [None, 30])
def test_a_voice_without_its_upper_band_is_noticed_though_noise_fills_it(
    hertz: float, snr_db: float | None
) -> None:
    muffled = below(VOICE, hertz)
    heard = with_noise(muffled, snr_db) if snr_db else muffled
    assert measure(heard).bandwidth_hz == pytest.approx(hertz, abs=250)


def test_the_whole_band_is_heard_where_it_is_there() -> None:
    assert measure(with_noise(VOICE, 40)).bandwidth_hz > 10_000


def test_a_telephone_is_recognised() -> None:
    assert grade(measure(below(VOICE, 3_400))) == Grade.POOR
    assert grade(measure(below(VOICE, 6_000))) == Grade.FAIR
    assert "as on a telephone" in said(below(VOICE, 3_400))


@pytest.mark.parametrize("snr_db", [20, 40])
def test_the_share_of_speech_is_that_of_the_time_in_which_someone_speaks(snr_db: float) -> None:
    assert measure(with_noise(VOICE, snr_db)).speech == pytest.approx(1, abs=0.1)
    half = with_noise(joined(silence(4, RATE), VOICE, silence(4, RATE)), snr_db)
    assert measure(half).speech == pytest.approx(0.5, abs=0.06)


def test_long_pauses_are_advised_upon() -> None:
    quiet = with_noise(joined(silence(6, RATE), VOICE, silence(6, RATE)), 40)
    assert grade(measure(quiet)) == Grade.FAIR
    assert "Trim the silence here" in said(quiet)


def test_what_was_done_already_is_not_advised_again() -> None:
    noisy = measure(with_noise(joined(silence(6, RATE), VOICE, silence(6, RATE)), 20))
    said = [str(one.says) for one in advice(noisy, trimmed=True, denoised=True)]
    assert said == [
        f"The voice is only {noisy.snr_db:.0f} dB above the noise. Record in a quieter room.",
        f"Only {noisy.speech:.0%} of it is speech. Record without long pauses.".replace("%", " %"),
    ]


@pytest.mark.parametrize("audio", [silence(5), tone(440, 5), silence(0.1), with_noise(VOICE, -10)])
def test_a_recording_without_speech_is_said_to_have_none(audio: Audio) -> None:
    assert measure(audio).speech == 0
    assert "No speech stands out in it" in said(audio)
    assert grade(measure(audio)) == Grade.POOR


def test_the_worst_comes_first() -> None:
    good = Quality(8.0, 0.0, -70.0, 40.0, 12_000, 0.9)
    grades = [one.grade for one in advice(replace(good, seconds=5.0, snr_db=5.0, bandwidth_hz=6_000))]
    assert grades == [Grade.POOR, Grade.FAIR, Grade.FAIR]
