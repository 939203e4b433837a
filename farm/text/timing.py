"""When each sentence of a segment ends in its audio, judged by its pauses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from farm.text.segments import Sentence

_FRAME_S = 0.01
_LEAST_PAUSE = 8
"""Frames; shorter quiet is a stop consonant."""
# A frame is quiet when it is this far below the loudest tenth of the speech (-26 dB).
_QUIET = 0.05
# How much farther, in frames, a pause one frame longer may be: commas pause too, but less.
_WORTH = 3.0

Floats = NDArray[np.float64]
Frames = NDArray[np.int64]


def sentence_times(
    samples: NDArray[np.float32], sample_rate: int, sentences: Sequence[Sentence]
) -> list[float]:
    """The end of each sentence in seconds, ascending; the last is the duration.

    `samples` is mono, (T,), in [-1, 1]. An estimate, by spoken length and the time spent speaking, is moved
    to the middle of the nearest and longest pause, if one is nearer to it than to the neighbouring estimates.
    """
    duration = len(samples) / sample_rate
    lengths = np.array([sentence.length for sentence in sentences], dtype=np.float64)
    if len(lengths) < 2:
        return [duration] * len(lengths)
    shares = (
        np.cumsum(lengths) / lengths.sum() if lengths.sum() > 0 else np.linspace(0, 1, len(lengths) + 1)[1:]
    )
    hop = max(1, round(sample_rate * _FRAME_S))
    heard, pauses = _heard_and_pauses(samples, hop)
    ends = _snapped(shares * heard[-1], heard, pauses) * hop / sample_rate if heard[-1] else shares * duration
    ends[-1] = duration
    return [float(end) for end in np.minimum(np.maximum.accumulate(ends), duration)]


def _heard_and_pauses(samples: NDArray[np.float32], hop: int) -> tuple[Frames, Frames]:
    """Frames of speech before each frame (F + 1,), and begin and end of each pause in it (P, 2)."""
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    energy = np.einsum("fh,fh->f", frames, frames)
    quiet = energy <= _QUIET**2 * np.quantile(energy, 0.9) if len(energy) else np.zeros(0, dtype=bool)
    stretches = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    at_edge = (stretches[:, 0] == 0) | (stretches[:, 1] == len(quiet))
    long = stretches[:, 1] - stretches[:, 0] >= _LEAST_PAUSE
    steps = np.zeros(len(quiet) + 1, dtype=np.int64)
    steps[stretches[at_edge | long, 0]] = 1
    steps[stretches[at_edge | long, 1]] = -1
    speaking = 1 - np.cumsum(steps)[:-1]
    return np.concatenate([[0], np.cumsum(speaking)]), stretches[long & ~at_edge]


def _snapped(estimates: Floats, heard: Frames, pauses: Frames) -> Floats:
    """Where each of `estimates` (S,), in frames heard, most likely lies, in frames."""
    plain = np.searchsorted(heard, estimates).astype(np.float64)
    if not len(pauses):
        return plain
    around = np.concatenate([[0.0], estimates])
    before = (around[:-1] + around[1:]) / 2
    behind = np.append(before[1:], heard[-1])
    at = heard[pauses[:, 0]]
    near = (at > before[:, None]) & (at < behind[:, None])
    worth = _WORTH * (pauses[:, 1] - pauses[:, 0])
    cost = np.where(near, np.abs(at - estimates[:, None]) - worth, np.inf)
    middles = pauses.mean(axis=1)[cost.argmin(axis=1)]
    return np.where(near.any(axis=1), middles, plain)
