"""The choice of a code, held against the scores that the reference recorded."""

import math

import pytest
import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.config import GPTConfig
from models.indextts2.sampling import (
    Sampling,
    candidates,
    choose,
    penalise,
    pick,
    seen_at_start,
    spread,
    typical,
)
from tests.indextts2.truth import near, said, tensors

WIDTH, START = 98, 96
REPLAYED = {
    "greedy_norep": Sampling(greedy=True, repetition_penalty=1.0),
    "greedy_rep10": Sampling(greedy=True),
    "sample_seed0": Sampling(),
    "typical_seed0": Sampling(typical_mass=0.9),
}


@pytest.fixture(scope="module")
def config() -> GPTConfig:
    return GPTConfig.read(said("gpt_tiny_forward")["config"])


def kept(sampling: Sampling, scores: list[float], least: int = 1) -> set[int]:
    """The codes that may be chosen."""
    best, codes = candidates(torch.tensor([scores]), sampling, least)
    return set(codes[torch.isfinite(best)].tolist())


@pytest.mark.parametrize("mode", REPLAYED)
def test_scores_are_the_references_at_every_step(mode: str, config: GPTConfig) -> None:
    truth, sampling = tensors("gpt_tiny_generate"), REPLAYED[mode]
    seen = seen_at_start(1, config)
    steps = zip(truth[f"{mode}.logits"], truth[f"{mode}.scores"], truth[f"{mode}.codes"][0], strict=True)
    for logits, expected, code in steps:
        scores = penalise(logits, seen, sampling.repetition_penalty)
        if not sampling.greedy:
            scores = spread(*candidates(scores, sampling), WIDTH)
        allowed = torch.isfinite(expected)
        assert torch.equal(torch.isfinite(scores), allowed)
        near(scores[allowed], expected[allowed], 1e-6)
        seen[0, code] = True


def test_what_was_said_is_made_less_likely_once_whatever_its_sign(config: GPTConfig) -> None:
    scores, seen = torch.full((1, WIDTH), 2.0), seen_at_start(1, config)
    scores[0, 50:] = -2.0
    seen[0, [7, 7, 60]] = True
    penalised = penalise(scores, seen, 10.0)
    changed = {
        code: penalised[0, code].item() for code in (penalised != scores)[0].nonzero().flatten().tolist()
    }
    # 1 and the start code from the beginning: they stand for the prompt.
    assert changed == {1: pytest.approx(0.2), 7: pytest.approx(0.2), 60: -20.0, START: -20.0}


def test_top_k_keeps_the_best_and_zero_keeps_all() -> None:
    scores = [0.1, 0.5, 0.3, 0.2]
    assert kept(Sampling(top_k=2, top_p=1.0), scores) == {1, 2}
    assert kept(Sampling(top_k=0, top_p=1.0), scores) == {0, 1, 2, 3}


def test_the_nucleus_is_the_fewest_that_reach_its_share_after_temperature() -> None:
    scores = [math.log(share) for share in (0.5, 0.26, 0.14, 0.1)]
    assert kept(Sampling(top_p=0.8, temperature=1.0), scores) == {0, 1, 2}
    assert kept(Sampling(top_p=0.7, temperature=1.0), scores) == {0, 1}
    assert kept(Sampling(top_p=0.7, temperature=0.1), scores) == {0}
    assert kept(Sampling(top_p=0.0), scores) == {0}


def test_beams_are_left_two_candidates_however_sure_the_net_is() -> None:
    assert kept(Sampling(top_k=1), [20.0, 0.0, 1.0], least=2) == {0, 2}


def test_typical_sampling_leaves_out_what_is_too_sure_as_well_as_what_is_too_strange() -> None:
    shares = torch.tensor([[0.5, 0.125, 0.125, 0.125, 0.1, 0.025]])
    # Entropy 1.45: 0.125 (surprise 2.08) is nearest, 0.5 (0.69) and 0.1 (2.30) follow, 0.025 (3.69) is last.
    left = torch.isfinite(typical(shares.log(), 0.3))[0].tolist()
    assert left == [False, True, True, True, False, False]
    assert torch.isfinite(typical(shares.log(), 0.999))[0].all()


def test_typical_sampling_of_everything_survives_that_shares_add_up_to_a_little_less() -> None:
    scores = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(3))
    assert (scores.softmax(-1).cumsum(-1)[:, -1] < 1).any()
    assert torch.isfinite(typical(scores, 1.0)).sum(-1).min() > WIDTH // 2


def test_a_number_between_0_and_1_points_at_a_candidate_as_often_as_it_is_probable() -> None:
    best = torch.tensor([[0.5, 0.3, 0.2]]).log().repeat(1000, 1)
    codes = torch.tensor([[40, 10, 20]]).repeat(1000, 1)
    picked = pick(best, codes, (torch.arange(1000) + 0.5) / 1000)
    assert picked.bincount(minlength=50)[[40, 10, 20]].tolist() == [500, 300, 200]


def test_what_was_left_out_is_never_picked() -> None:
    best = torch.randn(4000, 30, generator=torch.Generator().manual_seed(1)).sort(descending=True).values
    best[:, 7:] = -torch.inf
    edge = torch.tensor(1.0).nextafter(torch.tensor(0.0))
    assert pick(best, torch.arange(30).expand(4000, 30), edge.expand(4000)).tolist() == [6] * 4000
    assert pick(best, torch.arange(30).expand(4000, 30), torch.zeros(4000)).tolist() == [0] * 4000


def test_choices_follow_the_distribution_of_the_reference(config: GPTConfig) -> None:
    truth = tensors("gpt_tiny_generate")
    logits, expected = truth["sample_seed0.logits"][0], truth["sample_seed0.scores"][0].softmax(-1)[0]
    numbers = (torch.arange(20_000) + 0.5) / 20_000
    seen = seen_at_start(20_000, config)
    chosen = choose(logits.expand(20_000, -1), seen, numbers, Sampling(), never=START)
    near(chosen.bincount(minlength=WIDTH) / 20_000, expected, 1e-3)


def test_a_row_is_chosen_for_as_if_it_were_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = 3 * torch.randn(33, 8194, generator=generator)
    seen = torch.rand(33, 8194, generator=generator) < 0.05
    numbers = torch.rand(33, generator=generator)

    def chosen(rows: slice) -> Tensor:
        return choose(logits[rows], seen[rows], numbers[rows], Sampling(typical_mass=0.9), never=8192)

    assert torch.equal(torch.cat([chosen(slice(i, i + 1)) for i in range(33)]), chosen(slice(None)))


@pytest.mark.parametrize("greedy", [True, False])
def test_the_start_code_has_no_sound_and_is_never_chosen(greedy: bool) -> None:
    logits = torch.zeros(1, WIDTH)
    logits[0, START], logits[0, 5] = 50.0, 20.0
    nothing = torch.zeros(1, WIDTH, dtype=torch.bool)
    assert choose(logits, nothing, torch.tensor([0.0]), Sampling(greedy=greedy), never=START).item() == 5


def test_parity_is_what_the_reference_does_when_nothing_is_said() -> None:
    assert Sampling.parity() == Sampling(
        top_p=0.8, top_k=30, temperature=0.8, length_penalty=0.0, num_beams=3, repetition_penalty=10.0
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"top_p": 1.01},
        {"top_p": math.nan},
        {"top_k": -1},
        {"temperature": 0.0},
        {"repetition_penalty": 0.0},
        {"num_beams": 0},
        {"length_penalty": math.inf},
        {"typical_mass": 0.0},
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_name(setting: dict[str, float]) -> None:
    with pytest.raises(Rejected, match=next(iter(setting))):
        Sampling(**setting)  # type: ignore[arg-type]
