"""Takes as files: FLAC out, and FLAC or WAV back in, bounded, because workers are not trusted."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from farm.engine import Audio
from farm.errors import Rejected

LONGEST_S = 600
RATES = range(8_000, 96_001)
FORMATS = ("FLAC", "WAV", "WAVEX")


def write_flac(file: Path | BinaryIO, audio: Audio) -> None:
    """Write 16-bit mono FLAC. Raises Rejected when a sample is not a number."""
    if not np.isfinite(audio.samples).all():
        raise Rejected("The audio has samples that are not numbers. Render it again.")
    steps = np.clip(np.rint(audio.samples * 32768.0), -32768, 32767).astype(np.int16)
    soundfile.write(file, steps, audio.sample_rate, format="FLAC", subtype="PCM_16")


def read_audio(file: Path | BinaryIO, name: str = "", longest_s: float = LONGEST_S) -> Audio:
    """Read mono FLAC or WAV of at most `longest_s`; `name` is what messages call it. Raises Rejected."""
    name = name or str(getattr(file, "name", "") or "The audio")
    try:
        with soundfile.SoundFile(file) as source:
            _check(source, name, longest_s)
            samples = source.read(dtype="float32")
    except soundfile.LibsndfileError as e:
        raise Rejected("{name} is not readable as FLAC or WAV. Send it again.", name=name) from e
    if not np.isfinite(samples).all():
        raise Rejected("{name} has samples that are not numbers. Render it again.", name=name)
    return Audio(samples, source.samplerate)


def _check(source: soundfile.SoundFile, name: str, longest_s: float) -> None:
    if source.format not in FORMATS:
        raise Rejected("{name} is {format}. Send FLAC or WAV.", name=name, format=source.format)
    if source.channels != 1:
        raise Rejected("{name} has {n} channels. Send mono.", name=name, n=source.channels)
    if source.samplerate not in RATES:
        raise Rejected(
            "{name} has a sample rate of {rate} Hz. Send 8 to 96 kHz.", name=name, rate=source.samplerate
        )
    if source.frames > longest_s * source.samplerate:
        raise Rejected("{name} is longer than {s} seconds. Send it in parts.", name=name, s=longest_s)
