"""Peaks between the samples: four-fold oversampling (ITU-R BS.1770-4, annex 2), only where it can matter."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from farm.engine import Samples

SIDE = 12
"""Samples on each side that an interpolated value depends on."""
OVERSHOOT = 2.0
"""How far a peak may stand above both its samples: enough for tones up to a third of the sample rate."""


def _kernel() -> Samples:
    """Windowed sinc, (2 * SIDE, 3): the values at 1/4, 1/2 and 3/4 between two samples."""
    distance = np.arange(1 - SIDE, SIDE + 1)[:, None] - np.array([0.25, 0.5, 0.75])
    window = np.i0(8.0 * np.sqrt(1 - (distance / SIDE) ** 2)) / np.i0(8.0)
    taps = np.sinc(distance) * window
    return np.asarray(taps / taps.sum(axis=0), dtype=np.float32)


KERNEL = _kernel()


def true_peaks(samples: Samples, floor: float) -> Samples:
    """(T,) -> (T,): the magnitude at and next to each sample; below `floor` / OVERSHOOT the sample's own."""
    peaks = np.abs(samples)
    near = np.flatnonzero(np.maximum(peaks[:-1], peaks[1:]) > floor / OVERSHOOT)
    if near.size:
        windows = sliding_window_view(np.pad(samples, (SIDE - 1, SIDE)), 2 * SIDE)[near]
        between = np.abs(windows @ KERNEL).max(axis=1)
        peaks[near] = np.maximum(peaks[near], between)
        peaks[near + 1] = np.maximum(peaks[near + 1], between)
    return peaks
