"""Cheap checks of one take, so that what is plainly wrong is never accepted; milliseconds, numpy only."""

from collections.abc import Mapping

import numpy as np

from farm.audio.decibels import ratio
from farm.engine import Audio, Samples
from farm.messages import Message

SECONDS_PER_CHARACTER: Mapping[str, float] = {"zh": 0.23, "en": 0.19, "ja": 0.16, "ko": 0.19}
"""Per spoken character (one Han character counts 1, a Latin letter 0.35), at an ordinary narrator's pace."""
SHORTEST, LONGEST = 0.5, 2.5
"""Of the expected duration, between which every voice and engine stays."""
ALLOWANCE_S = 1.0
"""A short take may swallow that much, and pause that much at each sentence, without being wrong."""
RUNAWAY_S = 0.8
"""Per spoken character; no one speaks that slowly."""
NEAR_SILENCE_DB = -40.0
WINDOW_S = 0.4
FULL_SCALE = 0.9995
CLIPPED_SHARE = 0.002


def expected_s(characters: float, language: str) -> float:
    """Seconds that so many spoken characters usually take."""
    return characters * SECONDS_PER_CHARACTER.get(language, 0.2)


def check_take(
    audio: Audio, characters: float, language: str, pace: float = 1.0, sentences: int = 1
) -> Message | None:
    """What is wrong with a take of so many spoken characters, or None. `pace` 2.0 is twice as fast."""
    if not len(audio.samples):
        return Message("The take is empty.")
    if not np.isfinite(audio.samples).all():
        return Message("The take has samples that are not numbers.")
    return _check_level(audio) or _check_duration(audio.seconds, characters, language, pace, sentences)


def _check_level(audio: Audio) -> Message | None:
    magnitudes = np.abs(audio.samples)
    if not magnitudes.any():
        return Message("The take is silent.")
    if _loudest(audio) < ratio(NEAR_SILENCE_DB):
        return Message("The take is nearly silent: nowhere above {db} dB.", {"db": NEAR_SILENCE_DB})
    clipped = np.count_nonzero(magnitudes > FULL_SCALE) / len(magnitudes)
    if clipped > CLIPPED_SHARE:
        return Message(
            "The take is clipped: {percent} % of it is at full scale.", {"percent": round(100 * clipped, 1)}
        )
    return None


def _loudest(audio: Audio) -> float:
    """RMS of the loudest 0.4 seconds."""
    hop = max(1, min(round(WINDOW_S * audio.sample_rate), len(audio.samples)))
    whole: Samples = audio.samples[: len(audio.samples) // hop * hop].reshape(-1, hop)
    return float(np.sqrt(np.einsum("th,th->t", whole, whole).max() / hop))


def _check_duration(
    seconds: float, characters: float, language: str, pace: float, sentences: int
) -> Message | None:
    expected = expected_s(characters, language) / pace
    values = {"seconds": round(seconds, 1), "expected": round(expected, 1)}
    if seconds > max(characters * RUNAWAY_S / min(pace, 1.0), 2 * ALLOWANCE_S):
        return Message("The take runs away: {seconds} s where about {expected} s were expected.", values)
    if seconds > LONGEST * expected + ALLOWANCE_S * max(sentences, 1):
        return Message("The take is too long: {seconds} s where about {expected} s were expected.", values)
    if seconds < SHORTEST * expected - ALLOWANCE_S:
        return Message("The take is too short: {seconds} s where about {expected} s were expected.", values)
    return None
