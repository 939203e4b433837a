"""Samples of many mels, with a bound on memory: long ones in windows, equally long windows together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor


class Vocoder(Protocol):
    """Mel spectrograms (natural logarithm, IndexTTS-2's bands) to samples."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    @property
    def hop(self) -> int:
        """Samples of a mel frame."""
        ...

    @property
    def halo(self) -> int:
        """Frames on either side beyond which a frame's samples hear nothing at all."""
        ...

    def __call__(self, mel: Tensor) -> Tensor:
        """mel (B, 80, T) -> samples (B, hop * T) in [-1, 1], in single precision, each row as if alone"""
        ...


@dataclass(frozen=True)
class Window:
    """Frames `start` to `stop` of a row's mel, of which the samples of `first` to `last` are kept."""

    row: int
    start: int
    stop: int
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def windows(row: int, frames: int, chunk: int, halo: int) -> Iterator[Window]:
    """The fewest windows of at most `chunk` frames that keep each frame once, `halo` away from every cut.

    They are equally long and end where the row ends, so that they go together and none needs padding: what
    a vocoder does at an end, it does at a row's own.

    >>> [(w.start, w.stop, w.first, w.last) for w in windows(0, 25, 10, 2)]
    [(0, 10, 0, 8), (6, 16, 8, 14), (12, 22, 14, 20), (15, 25, 20, 25)]
    >>> [(w.start, w.stop, w.first, w.last) for w in windows(0, 12, 10, 2)]
    [(0, 8, 0, 6), (4, 12, 6, 12)]
    """
    if chunk <= 2 * halo and frames > chunk:
        raise ValueError(f"a chunk of {chunk} frames is all halo: it needs {2 * halo + 1}")
    # Each cut costs a halo on both of its sides.
    count = 1 if frames <= chunk else math.ceil((frames - 2 * halo) / (chunk - 2 * halo))
    length = math.ceil((frames + (count - 1) * 2 * halo) / count)
    first = 0
    while first < frames:
        start = max(0, min(first - halo, frames - length))
        stop = start + length
        last = frames if stop == frames else stop - halo
        yield Window(row, start, stop, first, last)
        first = last


@torch.inference_mode()
def speak(vocoder: Vocoder, mels: Sequence[Tensor], chunk: int) -> list[Tensor]:
    """mels (80, T_i) -> samples (hop * T_i,): each as if alone, to a rounding.

    At most `chunk` frames go through the vocoder at once, over all rows.
    """
    hop = vocoder.hop
    samples = [mel.new_empty(hop * mel.shape[1], dtype=torch.float32) for mel in mels]
    cut = [
        window for row, mel in enumerate(mels) for window in windows(row, mel.shape[1], chunk, vocoder.halo)
    ]
    cut.sort(key=lambda window: window.length)
    for length, group in groupby(cut, key=lambda window: window.length):
        alike = list(group)
        rows = max(1, chunk // length)
        for at in range(0, len(alike), rows):
            together = alike[at : at + rows]
            mel = torch.stack([mels[window.row][:, window.start : window.stop] for window in together])
            for window, heard in zip(together, vocoder(mel), strict=True):  # (hop * length,)
                kept = heard[(window.first - window.start) * hop : (window.last - window.start) * hop]
                samples[window.row][window.first * hop : window.last * hop] = kept
    return samples
