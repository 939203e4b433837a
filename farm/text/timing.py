"""When each sentence of a segment ends in its audio, judged by its pauses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from farm.text.segments import Sentence

_FRAME_S = 0.01
_LEAST_PAUSE_S = 0.08
# A frame is quiet when it is this far below the loudest tenth of the speech (-26 dB).
_QUIET = 0.05

Floats = NDArray[np.float64]


def sentence_times(
    samples: NDArray[np.float32], sample_rate: int, sentences: Sequence[Sentence]
) -> list[float]:
    """The end of each sentence in seconds, ascending; the last is the duration.

    `samples` is mono, (T,), in [-1, 1]. An estimate by spoken length is moved to the middle of the nearest
    pause (80 ms of quiet or more), if that is nearer to it than to the neighbouring estimates.
    """
    duration = len(samples) / sample_rate
    lengths = np.array([sentence.length for sentence in sentences], dtype=np.float64)
    if len(lengths) < 2:
        return [duration] * len(lengths)
    shares = (
        np.cumsum(lengths) / lengths.sum() if lengths.sum() > 0 else np.linspace(0, 1, len(lengths) + 1)[1:]
    )
    speech, pauses = _speech_and_pauses(samples, sample_rate)
    estimates = speech[0] + shares * (speech[1] - speech[0])
    ends = _snapped(estimates, pauses, speech)
    ends[-1] = duration
    return [float(end) for end in np.minimum(np.maximum.accumulate(ends), duration)]


def _speech_and_pauses(samples: NDArray[np.float32], sample_rate: int) -> tuple[tuple[float, float], Floats]:
    """Where the speech begins and ends (s), and the middles of the pauses inside it (P,) (s)."""
    hop = max(1, round(sample_rate * _FRAME_S))
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    energy = np.einsum("fh,fh->f", frames, frames) / hop
    quiet = energy <= _QUIET**2 * np.quantile(energy, 0.9) if len(energy) else np.ones(0, dtype=bool)
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0, append=0))
    begins, ends = edges[::2], edges[1::2]
    loud = np.flatnonzero(~quiet)
    if not len(loud):
        return (0.0, len(samples) / sample_rate), np.zeros(0)
    seconds = hop / sample_rate
    inside = (begins > loud[0]) & (ends < loud[-1]) & ((ends - begins) * seconds >= _LEAST_PAUSE_S - 1e-9)
    return (loud[0] * seconds, (loud[-1] + 1) * seconds), (begins + ends)[inside] / 2 * seconds


def _snapped(estimates: Floats, pauses: Floats, speech: tuple[float, float]) -> Floats:
    """`estimates` (S,) moved to the nearest of `pauses` (P,) that is no nearer to their neighbours."""
    if not len(pauses):
        return estimates.copy()
    around = np.concatenate([[speech[0]], estimates])
    before = (around[:-1] + around[1:]) / 2
    behind = np.append(before[1:], speech[1])
    nearest = pauses[np.abs(estimates[:, None] - pauses).argmin(axis=1)]
    return np.where((nearest > before) & (nearest < behind), nearest, estimates)
