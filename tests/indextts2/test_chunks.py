"""Vocoding in windows: no row is changed by where it is cut or by who goes through with it."""

import random
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.vocoders.chunks import Vocoder, speak, windows
from tests.indextts2 import truth
from tests.indextts2.test_bigvgan import PUBLISHED, SMALL, folded, vocoder


class Watched:
    """A vocoder that notes what goes through it."""

    def __init__(self, inner: BigVGAN, halo: int | None = None) -> None:
        self.inner, self.sample_rate, self.hop = inner, inner.sample_rate, inner.hop
        self.halo = inner.halo if halo is None else halo
        self.seen: list[tuple[int, int]] = []

    def __call__(self, mel: Tensor) -> Tensor:
        self.seen.append((mel.shape[0], mel.shape[2]))
        return self.inner(mel)


def mels(lengths: Sequence[int], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(20, length, generator=generator) for length in lengths]


def alone(made: Vocoder, mel: Tensor) -> Tensor:
    return made(mel[None])[0]


def worst(made: Vocoder, rows: Sequence[Tensor], chunk: int) -> float:
    spoken = speak(made, rows, chunk)
    return max(truth.error(samples, alone(made, row)) for samples, row in zip(spoken, rows, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(0, 80), st.integers(0, 2**16))
def test_every_row_is_what_it_is_alone(lengths: list[int], more: int, seed: int) -> None:
    made = vocoder(SMALL)
    assert worst(made, mels(lengths, seed), 2 * made.halo + 1 + more) <= 1e-5


def test_every_row_of_the_references_net_is_what_it_is_alone() -> None:
    made, chance = vocoder(PUBLISHED, folded("bigvgan_tiny")), random.Random(4)
    rows = mels([chance.randint(1, 250) for _ in range(3)])
    for chunk in (2 * made.halo + 49,):
        assert worst(made, rows, chunk) <= 1e-4


def test_without_what_lies_beyond_a_cut_the_samples_would_be_others() -> None:
    deaf = Watched(vocoder(SMALL), halo=0)
    assert worst(deaf, mels([60]), 20) > 1e-2


@given(st.integers(1, 3000), st.integers(0, 40), st.integers(1, 500))
def test_windows_keep_each_frame_once_and_hear_around_it(frames: int, halo: int, more: int) -> None:
    chunk = 2 * halo + more
    cut = list(windows(3, frames, chunk, halo))
    assert [frame for window in cut for frame in range(window.first, window.last)] == list(range(frames))
    assert len({window.length for window in cut}) == 1
    for window in cut:
        assert window.length <= chunk
        assert window.start == 0 or window.first - window.start >= halo
        assert window.stop == frames or window.stop - window.last >= halo


def test_no_more_than_a_chunk_goes_through_at_once() -> None:
    watched = Watched(vocoder(SMALL))
    speak(watched, mels([200, 30, 30, 30, 10, 400]), 70)
    assert max(rows * frames for rows, frames in watched.seen) <= 70


def test_equally_long_windows_of_several_rows_go_together() -> None:
    watched = Watched(vocoder(SMALL))
    speak(watched, mels([30, 12, 30, 30]), 60)
    assert watched.seen == [(1, 12), (2, 30), (1, 30)]


def test_a_chunk_must_hold_more_than_its_halo() -> None:
    made = vocoder(SMALL)
    with pytest.raises(ValueError, match=f"it needs {2 * made.halo + 1}"):
        speak(made, mels([200]), 2 * made.halo)


def test_a_row_without_frames_has_no_samples() -> None:
    empty, short = speak(vocoder(SMALL), mels([0, 3]), 70)
    assert (empty.shape, short.shape) == ((0,), (24,))
