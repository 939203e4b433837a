"""Codes from whole decoding: the reference's from its seeds, and batches that change nothing."""

import random
from collections.abc import Sequence

import pytest
import torch
import yaml
from torch import Tensor

from models.indextts2.config import GPTConfig
from models.indextts2.decoding import SIZES, Decoded, Draws, Pace, generate
from models.indextts2.gpt import GPT, Prefix
from models.indextts2.sampling import Sampling
from tests.indextts2.recipe import manifest, state
from tests.indextts2.replays import BEAMS, LIMIT, ROWS, STOP, Replay
from tests.indextts2.truth import near, path, said, tensors

START = 96
POOL = 20


class Heard(GPT):
    """A net that keeps what it was asked for, and favours the stop code by `bias`."""

    heard: list[Tensor]
    bias = 0.0

    def logits(self, hidden: Tensor) -> Tensor:
        logits = super().logits(hidden)
        logits[:, self.config.stop_mel] += self.bias
        self.heard.append(logits)
        return logits


def loaded(config: GPTConfig, weights: dict[str, Tensor]) -> Heard:
    net = Heard(config).eval()
    net.load_state_dict({key: weights[key] for key in net.state_dict()})
    net.heard = []
    return net


@pytest.fixture(scope="module")
def small() -> Heard:
    config = GPTConfig.read(said("gpt_tiny_forward")["config"])
    return loaded(config, state(manifest("gpt_tiny"), "gpt"))


@pytest.fixture
def net(small: Heard) -> Heard:
    small.heard, small.bias = [], 0.0
    return small


def prompt(net: GPT, texts: Sequence[Tensor]) -> Prefix:
    truth, rows = tensors("gpt_tiny_forward"), len(texts)
    conditioning, emotion = truth["conditioning"], truth["merged_emovec_alpha0_6"]
    return net.prefix(conditioning.expand(rows, -1, -1), emotion.expand(rows, -1), texts)


def full(decoded: Decoded) -> list[int]:
    """With the stop code, as the reference has it."""
    return decoded.codes.tolist() + [STOP] * decoded.stopped


@pytest.mark.parametrize("replay", ROWS + BEAMS, ids=str)
def test_the_references_codes_come_from_its_seeds(replay: Replay, net: Heard) -> None:
    net.bias = replay.bias
    draws = Draws.replayed(torch.Generator().manual_seed(replay.seed))
    prefix = prompt(net, [tensors("gpt_tiny_forward")["text_ids"][0]])
    [decoded] = generate(net, prefix, replay.sampling, [LIMIT], draws)
    assert decoded.codes.tolist() == replay.codes
    assert decoded.stopped == replay.stopped
    near(torch.stack(net.heard), replay.recorded("logits"))


def test_rows_of_unlike_length_are_the_references(net: Heard) -> None:
    truth = tensors("gpt_tiny_generate")
    texts = [truth["batch2.text"][0], truth["batch2.text"][1, :3]]
    nothing = Draws.replayed(torch.Generator())
    decoded = generate(net, prompt(net, texts), Sampling(greedy=True), [LIMIT] * 2, nothing)
    # The reference fills the row that ended first with stop codes.
    assert [full(each) for each in decoded] == [
        truth["batch2.codes"][0].tolist(),
        truth["batch2.codes"][1, :6].tolist(),
    ]


@pytest.fixture(scope="module")
def pool(small: Heard) -> tuple[list[tuple[Tensor, int, int]], list[Decoded]]:
    """Rows (text, limit, seed), and what each says alone."""
    chance = random.Random(4)
    rows = [
        (
            torch.tensor([chance.randrange(2, 50) for _ in range(chance.randrange(1, 25))]),
            chance.randrange(1, LIMIT),
            chance.randrange(2**40),
        )
        for _ in range(POOL)
    ]
    small.bias = 0.5
    return rows, [together(small, [row])[0] for row in rows]


def together(net: GPT, rows: Sequence[tuple[Tensor, int, int]], pace: Pace | None = None) -> list[Decoded]:
    texts, limits, seeds = zip(*rows, strict=True)
    return generate(net, prompt(net, texts), Sampling(), limits, Draws.seeded(seeds), pace)


@pytest.mark.parametrize(
    "pace",
    [None, Pace(8, SIZES, 64), Pace(3, (2, 5, 7), 16), Pace(1, ()), Pace(5, tuple(range(1, POOL)))],
    ids=["cpu", "gpu", "odd", "never shrinks", "late"],
)
def test_a_row_does_not_depend_on_who_shares_its_batch_nor_on_when_it_shrinks(
    pace: Pace | None, net: Heard, pool: tuple[list[tuple[Tensor, int, int]], list[Decoded]]
) -> None:
    rows, alone = pool
    assert {each.stopped for each in alone} == {True, False}
    assert len({len(each.codes) for each in alone}) >= POOL // 2
    net.bias = 0.5
    chance = random.Random(str(pace))
    for _ in range(4):
        mix = [chance.randrange(POOL) for _ in range(chance.randrange(2, 14))]
        for which, decoded in zip(mix, together(net, [rows[i] for i in mix], pace), strict=True):
            assert full(decoded) == full(alone[which])


def test_a_row_with_a_lower_limit_says_the_beginning_of_the_same(net: Heard) -> None:
    text = torch.arange(2, 9)
    [longer] = together(net, [(text, 40, 11)])
    [shorter] = together(net, [(text, 3, 11)])
    assert len(longer.codes) > 3
    assert shorter.codes.tolist() == longer.codes[:3].tolist()
    assert not shorter.stopped


def test_another_seed_says_something_else(net: Heard) -> None:
    text = torch.arange(2, 9)
    spoken = {tuple(each.codes.tolist()) for each in together(net, [(text, 12, seed) for seed in range(8)])}
    assert len(spoken) == 8


def test_a_batch_shrinks_as_its_rows_end(net: Heard) -> None:
    text = torch.arange(2, 9)
    net.bias = -50.0  # only limits end a row
    rows = [(text, limit, 0) for limit in (2, 9, 1, 4)]
    together(net, rows)
    assert [len(each) for each in net.heard] == [4, 3, 2, 2, 1, 1, 1, 1, 1]
    net.heard = []
    together(net, rows, Pace(8, (1, 2, 4)))
    assert [len(each) for each in net.heard] == [4, 4, 2, 2, 1, 1, 1, 1, 1]


def test_a_gpu_is_asked_every_few_steps_who_has_stopped_since(net: Heard) -> None:
    nothing, [stops] = (
        Draws.replayed(torch.Generator()),
        [each for each in ROWS if each.mode == "greedy_rep10"],
    )
    prefix = prompt(net, [tensors("gpt_tiny_forward")["text_ids"][0]])
    [decoded] = generate(net, prefix, stops.sampling, [LIMIT], nothing, Pace(5, SIZES))
    assert decoded.codes.tolist() == stops.codes
    assert (len(full(decoded)), len(net.heard)) == (7, 10)


def test_rows_limits_and_seeds_must_agree(net: Heard) -> None:
    prefix = prompt(net, [torch.arange(2, 9)] * 2)
    for sampling, most, seeds in [
        (Sampling(), [5], [1, 2]),
        (Sampling(), [5, 0], [1, 2]),
        (Sampling(), [5, 5], [1]),
        (Sampling.parity(), [5, 5], [1, 2]),
    ]:
        with pytest.raises(ValueError, match="2 rows"):
            generate(net, prefix, sampling, most, Draws.seeded(seeds))


@pytest.fixture(scope="module")
def wide() -> Heard:
    """The pipeline fixtures' net: two layers at the official width, 64 codes."""
    config = GPTConfig.read(yaml.safe_load(path("pipeline_config.yaml").read_text())["gpt"])
    weights = state(manifest("pipeline")["gpt"], "gpt")
    weights["mel_head.bias"][config.start_mel] = -30.0
    return loaded(config, weights)


def test_the_pipelines_default_search_comes_from_its_seed(wide: Heard) -> None:
    truth, generator = tensors("pipeline_default"), torch.Generator().manual_seed(1234)
    for _ in range(2 * 18):  # w2v-BERT draws one for each of its layers, and hears the recording twice
        torch.rand([], generator=generator)
    prefix = wide.prefix(truth["gpt_conditioning"], truth["emovec_used"], [truth["text_ids"][0]])
    [decoded] = generate(wide, prefix, Sampling.parity(), [24], Draws.replayed(generator))
    assert [*decoded.codes.tolist(), wide.config.stop_mel] == truth["codes_raw"][0].tolist()
    assert decoded.stopped


def test_the_pipelines_segments_come_from_one_seed_after_each_other(wide: Heard) -> None:
    truth, generator = tensors("pipeline_segments_beams1"), torch.Generator().manual_seed(5)
    conditioning = tensors("pipeline_default")["gpt_conditioning"]  # of the same recording
    for segment in ("", *(f"#{i}" for i in range(1, 8))):
        prefix = wide.prefix(conditioning, truth["emovec_used"], [truth[f"text_ids{segment}"][0]])
        [decoded] = generate(wide, prefix, Sampling(), [24], Draws.replayed(generator))
        raw = truth[f"codes_raw{segment}"][0].tolist()
        assert decoded.codes.tolist() == [code for code in raw if code != wide.config.stop_mel]
        assert decoded.stopped == (wide.config.stop_mel in raw)
        torch.randn(truth[f"cfm_noise{segment}"].shape, generator=generator)
