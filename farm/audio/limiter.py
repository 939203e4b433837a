"""A look-ahead true-peak limiter: it knows only the neighbourhood, so pieces and whole agree."""

import numpy as np
from numpy.typing import NDArray

from farm.audio.decibels import ratio
from farm.audio.truepeak import OVERSHOOT, SIDE, true_peaks
from farm.engine import Samples

LOOKAHEAD_S = 0.010
BLOCK = 1 << 14
"""Samples limited at once, counted from the beginning: how the audio arrives does not show in the result."""
AUDIBLE = 0.99
"""Samples turned down by less than this ratio do not count as limited."""


Gains = NDArray[np.float64]


class Limiter:
    """Samples in, as many samples out, later; `limited` counts those that were turned down."""

    def __init__(self, ceiling_db: float, sample_rate: int) -> None:
        self.limited = 0
        self._ceiling = ratio(ceiling_db)
        self._width = round(LOOKAHEAD_S * sample_rate)
        self._reach = 2 * self._width + SIDE
        self._pending = np.zeros(self._reach, np.float32)

    def feed(self, samples: Samples) -> Samples:
        return self._take(samples)

    def flush(self) -> Samples:
        tail = self._take(np.zeros(self._reach, np.float32))
        rest = self._limit(self._pending) if len(self._pending) > 2 * self._reach else tail[:0]
        return np.concatenate([tail, rest])

    def _take(self, samples: Samples) -> Samples:
        self._pending = np.concatenate([self._pending, samples])
        done = []
        while len(self._pending) >= BLOCK + 2 * self._reach:
            done.append(self._limit(self._pending[: BLOCK + 2 * self._reach]))
            self._pending = self._pending[BLOCK:]
        return np.concatenate(done) if done else samples[:0]

    def _limit(self, context: Samples) -> Samples:
        """(reach + T + reach,) -> (T,)"""
        middle = context[self._reach : -self._reach]
        if np.abs(context).max() <= self._ceiling / OVERSHOOT:
            return middle
        peaks = true_peaks(context, self._ceiling)[SIDE:-SIDE]
        if peaks.max() <= self._ceiling:
            return middle
        needed = self._ceiling / np.maximum(peaks, self._ceiling, dtype=np.float64)
        gain = _smoothed(_lowest(needed, 2 * self._width + 1), self._width)
        self.limited += int((gain < AUDIBLE).sum())
        return np.asarray(middle * gain, np.float32)


def _lowest(values: Gains, width: int) -> Gains:
    """(T,) -> (T - width + 1,): the least of each `width` neighbours, in log2(width) steps."""
    span, lowest = 1, values
    while 2 * span <= width:
        lowest = np.minimum(lowest[:-span], lowest[span:])
        span *= 2
    rest = width - span
    return np.minimum(lowest[:-rest], lowest[rest:]) if rest else lowest


def _smoothed(values: Gains, half: int) -> Gains:
    """(T,) -> (T - 2 * half,): a triangular mean; it never exceeds the greatest of what it averages."""
    return _mean(_mean(values, half + 1), half + 1)


def _mean(values: Gains, width: int) -> Gains:
    total = np.cumsum(np.concatenate([[0.0], values]))
    return np.asarray((total[width:] - total[:-width]) / width)
