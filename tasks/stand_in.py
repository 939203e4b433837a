"""A recording of nobody, for measuring engines that speak with recordings: none ships with the farm."""

import io

import numpy as np
import soundfile

RATE = 24_000  # Hz
SECONDS = 5.0
PITCH_HZ, SWAY_HZ = 120.0, 15.0
SYLLABLES_PER_S = 3.5
VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""The first three formants of ɑ, i, u, ɛ and ɔ in Hz (Peterson and Barney 1952)."""
WIDTH_HZ = 90.0
TILT = 1.2  # harmonics fall off with this power of their number
BREATH = 0.03
PEAK = 0.5


def recording() -> bytes:
    """A WAV file, mono, 16 bits: vowels of a buzzing voice, with breath and pauses. Always the same."""
    time_s = np.arange(round(SECONDS * RATE)) / RATE
    pitch_hz = PITCH_HZ + SWAY_HZ * np.sin(2 * np.pi * 0.4 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    syllable = np.floor(time_s * SYLLABLES_PER_S).astype(int)
    formants = np.asarray(VOWELS, float)[syllable % len(VOWELS)].T  # (3, samples)
    voice = np.zeros_like(time_s)
    for number in range(1, int(0.4 * RATE / (PITCH_HZ + SWAY_HZ))):
        near = WIDTH_HZ**2 / (WIDTH_HZ**2 + (number * pitch_hz - formants) ** 2)
        voice += near.sum(axis=0) * np.sin(number * phase) / number**TILT
    voice /= np.abs(voice).max()
    voice += BREATH * np.random.default_rng(0).standard_normal(len(time_s))
    voice *= np.abs(np.sin(np.pi * SYLLABLES_PER_S * time_s)) ** 0.5 * (syllable % 7 < 6)
    written = io.BytesIO()
    soundfile.write(written, PEAK * voice / np.abs(voice).max(), RATE, format="WAV", subtype="PCM_16")
    return written.getvalue()
