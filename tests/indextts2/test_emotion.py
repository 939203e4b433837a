from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.emotion import (
    BIAS,
    EIGHT,
    Bank,
    combined,
    intensified,
    normalise,
    scaled,
    weights,
)
from tests.indextts2.recipe import draw

COUNTS = (3, 17, 2, 8, 4, 5, 10, 24)
eight = st.lists(st.floats(0, 1), min_size=8, max_size=8)


def bank() -> Bank:
    return Bank(draw("spk_matrix", (73, 192)), draw("emo_matrix", (73, 1280)), COUNTS)


def written_out(weights: Tensor, style: Tensor, base: Tensor) -> Tensor:
    """One row in float64, straight from the formula."""
    speakers, emotions = draw("spk_matrix", (73, 192)).double(), draw("emo_matrix", (73, 1280)).double()
    mixed, start = (1 - weights.double().sum()) * base.double(), 0
    for weight, count in zip(weights.double(), COUNTS, strict=True):
        group = speakers[start : start + count]
        best = (group @ style.double() / group.norm(dim=1)).argmax()
        mixed, start = mixed + weight * emotions[start + best], start + count
    return mixed


def rows(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """weights (B, 8), style (B, 192), base (B, 1280)"""
    random = torch.Generator().manual_seed(count)
    return (
        torch.rand(count, 8, generator=random) / 4,
        torch.randn(count, 192, generator=random),
        torch.randn(count, 1280, generator=random),
    )


def test_each_emotion_comes_from_the_speaker_most_like_the_voice() -> None:
    weights, style, base = (each[0] for each in rows(1))
    mixed = bank().blend(weights, style, base)
    assert (mixed - written_out(weights, style, base)).abs().max() < 1e-5


def test_a_row_does_not_depend_on_who_shares_its_batch() -> None:
    given = rows(16)
    together = bank().blend_all(*given)
    for row in range(16):
        alone = bank().blend(*(each[row] for each in given))
        assert torch.equal(alone, together[row])


def test_no_weights_leave_the_voice_as_it_is() -> None:
    _, style, base = (each[0] for each in rows(1))
    assert torch.equal(bank().blend(torch.zeros(8), style, base), base)
    assert bank().blend(torch.zeros(8), style, base.half()).dtype == torch.float16


def test_random_speakers_follow_from_the_rows_own_generator() -> None:
    weights, style, base = rows(3)
    together = bank().blend_all(weights, style, base, [Random(seed) for seed in (5, 6, 5)])
    alone = bank().blend(weights[0], style[0], base[0], Random(5))
    assert torch.equal(together[0], alone)
    assert not torch.allclose(alone, bank().blend(weights[0], style[0], base[0], Random(6)))
    assert not torch.allclose(alone, bank().blend(weights[0], style[0], base[0]))


def test_random_speakers_are_of_the_emotion_asked_for() -> None:
    only_sad = torch.tensor([0.0, 0, 1, 0, 0, 0, 0, 0])
    sad = draw("emo_matrix", (73, 1280))[20:22]
    heard = {
        int(
            (bank().blend(only_sad, torch.ones(192), torch.zeros(1280), Random(seed)) == sad)
            .all(1)
            .int()
            .argmax()
        )
        for seed in range(20)
    }
    assert heard == {0, 1}


def test_a_bank_of_another_checkpoint_is_refused() -> None:
    with pytest.raises(Rejected, match="73 speakers and 72 emotions"):
        Bank(torch.zeros(73, 192), torch.zeros(72, 1280), COUNTS)
    with pytest.raises(Rejected, match="not of one checkpoint"):
        Bank(torch.zeros(73, 192), torch.zeros(73, 1280), COUNTS[:7])


@given(eight)
def test_normalised_weights_leave_a_fifth_to_the_voice(given: list[float]) -> None:
    normal = normalise(given)
    assert sum(normal) <= 0.8 + 1e-9
    if sum(each * bias for each, bias in zip(given, BIAS, strict=True)) <= 0.8:
        assert normal == tuple(each * bias for each, bias in zip(given, BIAS, strict=True))


@given(eight, st.floats(0, 0.999))
def test_scaled_weights_are_cut_to_four_decimals(given: list[float], alpha: float) -> None:
    assert scaled(given, alpha) == tuple(int(each * alpha * 10000) / 10000 for each in given)


def test_a_scale_of_one_or_more_leaves_every_decimal() -> None:
    third = (1 / 3,) * 8
    assert scaled(third, 1.0) == scaled(third, 7.0) == third
    assert scaled(third, -1.0) == (0.0,) * 8


@given(eight, st.floats(0.5, 2.0))
def test_intensity_never_takes_more_than_the_whole_voice(given: list[float], intensity: float) -> None:
    strong = intensified(given, intensity)
    assert sum(strong) <= max(1.0, sum(given)) + 1e-9
    if sum(given) * intensity <= 1:
        assert strong == pytest.approx([each * intensity for each in given])


@pytest.mark.parametrize("intensity", [0.49, 2.01, -1.0])
def test_an_intensity_out_of_range_is_refused(intensity: float) -> None:
    with pytest.raises(Rejected, match=r"from 0\.5 to 2\.0"):
        intensified((0.0,) * 8, intensity)


@given(eight, eight, st.floats(0, 1))
def test_words_and_weights_together_take_no_more_than_the_stronger(
    words: list[float], given: list[float], share: float
) -> None:
    both = combined(words, given, share)
    assert sum(both) <= max(sum(words), sum(given)) + 1e-9
    assert combined(words, given, 0) == pytest.approx(words)
    assert combined(words, given, 1) == pytest.approx(given)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(Rejected, match="from 0 to 1"):
        combined((0.0,) * 8, (0.0,) * 8, 1.5)


def test_weights_are_named_and_unknown_ones_refused() -> None:
    assert weights(dict.fromkeys(EIGHT, 0.1)) == (0.1,) * 8
    with pytest.raises(Rejected, match="no emotion bored"):
        weights({"bored": 0.5})
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(Rejected, match="from 0 to 1"):
            weights({"happy": wrong})
