"""Recordings for tests: a file of a voice, and a row of one that may be used."""

import io

import soundfile

from farm import recordings
from farm.db import Begin
from farm.storage import Store
from tests.audio.audio_signals import joined, silence, speech

RATE = 24_000
AGREED = str(recordings.CONSENT)


def file(seconds: float = 4.0, seed: int = 0, *, around_s: float = 0.0) -> io.BytesIO:
    """A WAV file of somebody who speaks, with silence around it."""
    quiet = silence(around_s, RATE)
    written = io.BytesIO()
    spoken = joined(quiet, speech(seconds, seed, RATE), quiet)
    soundfile.write(written, spoken.samples, RATE, format="WAV", subtype="PCM_16")
    written.seek(0)
    return written


def recorded(begin: Begin, store: Store, name: str = "Mother", seed: int = 0, agreed: str = AGREED) -> int:
    """A recording; its id."""
    return recordings.add(begin, store, file(seed=seed), f"{name}.wav", name=name, by="ann", agreed=agreed)
