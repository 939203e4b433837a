"""Sounds that the audio tests are made of."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from farm.audio.encode import decode
from farm.audio.mastering import Clip
from farm.engine import Audio, Samples

RATE = 22_050


def tone(hertz: float, seconds: float, rate: int = RATE, level: float = 0.3) -> Audio:
    t = np.arange(round(seconds * rate)) / rate
    return Audio((level * np.sin(2 * np.pi * hertz * t)).astype(np.float32), rate)


def silence(seconds: float, rate: int = RATE) -> Audio:
    return Audio(np.zeros(round(seconds * rate), np.float32), rate)


def speech(seconds: float, seed: int = 0, rate: int = RATE, level: float = 0.1) -> Audio:
    """Syllables of a buzzing voice with gaps and breath: peaky, as speech is."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(4.4 * t + seed)) / rate
    buzz = np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * t + np.sin(t + seed)), 0, 1) ** 0.7
    phrases = 0.3 + 0.7 * np.clip(np.sin(2 * np.pi * 0.3 * t) + 0.5, 0, 1)
    voice = (buzz + 0.2 * random.standard_normal(len(t))) * syllables * phrases
    return Audio((level * voice).astype(np.float32), rate)


def joined(*parts: Audio) -> Audio:
    return Audio(np.concatenate([part.samples for part in parts]), parts[0].sample_rate)


def clip(audio: Audio, after: str = "sentence") -> Clip:
    return Clip(lambda: audio, after)


def cut(samples: Samples, sizes: Sequence[int]) -> Iterable[Samples]:
    """`samples` in pieces of these sizes, over and over."""
    start, number = 0, 0
    while start < len(samples):
        size = sizes[number % len(sizes)]
        yield samples[start : start + size]
        start, number = start + size, number + 1


def heard(path: Path) -> Samples:
    return np.concatenate(list(decode(path)))
