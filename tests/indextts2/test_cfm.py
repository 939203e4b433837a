"""Flow matching: the reference's mels, rows of any lengths at once, shorter ways that are what they say."""

import copy
import random
import weakref
from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.indextts2.cfm import (
    FIVE_SECONDS,
    SCHEDULES,
    Sampler,
    Schedule,
    activation_bytes,
    arranged_bytes,
    batches,
    sample,
    uniform,
)
from models.indextts2.codec import Codec
from models.indextts2.packed import PackedDiT
from models.indextts2.streams import Layout, Row
from models.indextts2.weights import fold
from tests.indextts2 import flow
from tests.indextts2.recipe import manifest, state
from tests.indextts2.truth import error, near, tensors

FOUR = Schedule(uniform(4))
DRAFTY = Schedule((0.0, 0.05, 0.3, 1.0), prompt=20, null_prompt=False)
SEGMENTS = range(8)


@pytest.mark.parametrize(
    ("said", "noise", "schedule", "share"),
    [
        ("euler4_cfg0_7", "z", FOUR, 2e-5),
        ("euler4_cfg0", "z", Schedule(uniform(4), guidance=0.0), 2e-5),
        ("euler25_cfg0_7", "z", SCHEDULES["exact"], 2e-4),
        ("seed7_inference4", "seed7_noise", FOUR, 2e-5),
    ],
)
def test_noise_becomes_the_reference_s_mel(said: str, noise: str, schedule: Schedule, share: float) -> None:
    truth = tensors("cfm_dit")
    lengths = torch.tensor([13]), torch.tensor([37])
    mel = sample(flow.dit(), truth["mu"], truth["prompt"], *lengths, truth["style"], truth[noise], schedule)
    near(mel, truth[said], share)


def test_the_pipeline_s_mel_is_the_reference_s() -> None:
    truth = tensors("pipeline_default")
    lengths = torch.tensor([198]), torch.tensor([237])
    given = truth["cfm_mu"], truth["ref_mel"], *lengths, truth["style"], truth["cfm_noise"]
    near(sample(flow.pipeline_dit(), *given, SCHEDULES["exact"]), truth["mel_full"], 3e-6)


@torch.no_grad()
def test_eight_segments_at_once_are_the_reference_s_one_by_one() -> None:
    first, truth = tensors("pipeline_default"), tensors("pipeline_segments_beams1")
    names = [f"#{k}" if k else "" for k in SEGMENTS]
    content = [
        vectors(truth[f"codes_raw{k}"], truth[f"latent_1024{k}"].shape[1]) + truth[f"latent_1024{k}"]
        for k in names
    ]
    mels = [truth[f"mel_in_vocoder{k}"][0] for k in names]
    codes, frames = lengths([x[0] for x in content]), lengths([mel.mT for mel in mels])
    padded = torch.nn.utils.rnn.pad_sequence([x[0] for x in content], batch_first=True)
    spread = flow.pipeline_regulator()(padded, codes, frames)
    prompt = first["length_regulator_out"].expand(8, -1, -1)
    noise = torch.nn.utils.rnn.pad_sequence([truth[f"cfm_noise{k}"][0].mT for k in names], batch_first=True)
    mel = sample(
        flow.pipeline_dit(),
        torch.cat([prompt, spread], 1),
        first["ref_mel"].expand(8, -1, -1),
        torch.full((8,), 198),
        198 + frames,
        first["style"].expand(8, -1),
        noise.mT,
        SCHEDULES["exact"],
    )
    for row, expected in enumerate(mels):
        near(mel[row, :, 198 : 198 + expected.shape[1]], expected, 3e-6)


@pytest.mark.parametrize("schedule", [FOUR, DRAFTY], ids=["all of the prompt", "a part of it"])
@pytest.mark.parametrize("seed", range(8))
def test_a_row_is_as_if_alone_whoever_shares_its_batch(seed: int, schedule: Schedule) -> None:
    rows, sampler = flow.some_rows(seed), Sampler(flow.dit(), schedule)
    together = rows.spoken(sampler, budget=random.Random(seed).choice((1, 100, 4096)))
    for row, (prompt, length) in enumerate(zip(rows.n_prompt, rows.lengths, strict=True)):
        near(together[row : row + 1, :, :length], rows.alone(row).spoken(sampler), 2e-5)
        assert not together[row, :, :prompt].any()
        assert not together[row, :, length:].any()


def test_the_steps_are_the_plain_net_s() -> None:
    rows = flow.rows([17], [26])
    x = rows.noise.clone()
    x[:, :, :17] = 0
    prompt = F.pad(rows.prompt, (0, 26))
    for time, width in FOUR.steps():
        call = partial(flow.dit(), t=torch.tensor([time]), lengths=rows.lengths)
        guided = call(x, prompt, rows.style, mu=rows.mu)
        null = call(x, 0 * prompt, 0 * rows.style, mu=0 * rows.mu)
        x = x + width * (1.7 * guided - 0.7 * null)
        x[:, :, :17] = 0
    near(rows.spoken(Sampler(flow.dit(), FOUR)), x)


def test_a_target_looks_at_the_end_of_its_prompt() -> None:
    rows = flow.rows([50, 50], [24, 24])
    cut = rows.spoken(Sampler(flow.dit(), Schedule(uniform(4), prompt=20)))
    near(cut[:, :, 30:], rows.later(30).spoken(Sampler(flow.dit(), FOUR)), 1e-6)
    whole = rows.spoken(Sampler(flow.dit(), FOUR))
    assert error(cut, whole) > 1e-3


def test_a_prompt_that_is_short_enough_is_not_cut() -> None:
    rows = flow.rows([20, 3], [24, 30])
    cut = rows.spoken(Sampler(flow.dit(), Schedule(uniform(4), prompt=20)))
    near(cut, rows.spoken(Sampler(flow.dit(), FOUR)), 1e-6)


def test_the_branch_without_voice_and_text_can_do_without_the_prompt() -> None:
    rows, net = flow.rows([17], [26]), flow.dit()
    mel = rows.spoken(Sampler(net, Schedule((0.0, 1.0), null_prompt=False)))
    x, zero = rows.noise.clone(), torch.tensor([0.0])
    x[:, :, :17] = 0
    guided = net(x, F.pad(rows.prompt, (0, 26)), rows.style, rows.mu, zero, rows.lengths)[:, :, 17:]
    x = x[:, :, 17:]
    null = net(x, 0 * x, 0 * rows.style, 0 * rows.mu[:, 17:], zero, torch.tensor([26]))
    near(mel[:, :, 17:], x + 1.7 * guided - 0.7 * null)


def test_only_targets_noise_is_looked_at() -> None:
    rows, sampler = flow.rows([17, 5], [26, 20]), Sampler(flow.dit(), FOUR)
    expected = rows.spoken(sampler)
    rows.noise[0, :, :17] = 9
    rows.noise[1, :, 25:] = 9
    near(rows.spoken(sampler), expected, 1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_near_and_walks_in_float32(dtype: torch.dtype) -> None:
    rows = flow.rows([40, 30, 10], [50, 20, 60])
    expected = rows.spoken(Sampler(flow.dit(), FOUR))
    mel = rows.spoken(Sampler(copy.deepcopy(flow.dit()).to(dtype), FOUR))
    assert mel.dtype == torch.float32
    near(mel, expected, 2e-2)


def test_exact_walks_twenty_five_equal_steps() -> None:
    times, widths = zip(*SCHEDULES["exact"].steps(), strict=True)
    assert len(times) == 25
    assert times[0] == 0
    assert times[1:] == pytest.approx([k / 25 for k in range(1, 25)])
    assert widths == pytest.approx([1 / 25] * 25)
    assert SCHEDULES["exact"] == Schedule(uniform(25), guidance=0.7, prompt=None, null_prompt=True)


def test_fast_walks_twelve_equal_steps_behind_five_seconds() -> None:
    assert len(SCHEDULES["fast"].steps()) == 12
    assert SCHEDULES["fast"].kept(861) == FIVE_SECONDS == int(5 * 22050 / 256)


def test_draft_walks_ten_steps_that_are_shortest_near_the_noise() -> None:
    draft = SCHEDULES["draft"]
    steps = draft.steps()
    assert len(steps) == 10
    widths = [width for _, width in steps]
    assert widths[:4] == sorted(widths[:4])
    assert max(widths[:4]) < min(widths[4:])
    assert sum(widths) == pytest.approx(1)
    assert [s.frames for s in draft.streams([FIVE_SECONDS], [100])] == [530, 100]


def test_batches_hold_what_the_budget_allows_longest_first() -> None:
    assert batches([10, 40, 20, 30], 60) == [[1], [3, 2, 0]]
    assert batches([10, 99, 20], 50) == [[1], [2, 0]]
    assert batches([], 50) == []


def test_no_row_is_left_out_of_batches() -> None:
    chance = random.Random(4)
    for _ in range(50):
        frames = [chance.randint(1, 900) for _ in range(chance.randint(1, 70))]
        made = batches(frames, 2000)
        assert sorted(row for batch in made for row in batch) == list(range(len(frames)))
        assert all(sum(frames[row] for row in batch) <= 2000 for batch in made)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_what_a_step_holds_is_foretold(dtype: torch.dtype) -> None:
    sampler = Sampler(copy.deepcopy(flow.pipeline_dit()).to(dtype), FOUR)
    net, targets, prompts = sampler.net, [300, 200, 250], [150, 400, 150]
    rows = [
        Row(torch.randn(prompt + target, 64), torch.randn(prompt, 80), torch.randn(192))
        for prompt, target in zip(prompts, targets, strict=True)
    ]
    layout = Layout(FOUR.streams(prompts, targets), net.dit, net.device)
    x = torch.randn(sum(targets), 80)
    with Alive() as alive:
        given = net.given(rows, layout)
        alive.peak = alive.now
        sampler.step(x, given, sampler.times.at(0), sampler.widths[0], layout)
    foretold = activation_bytes(flow.pipeline().dit, 2 * (sum(targets) + sum(prompts)), dtype.itemsize)
    assert alive.peak <= foretold <= 1.3 * alive.peak


def test_what_a_sampler_keeps_is_foretold() -> None:
    net = PackedDiT(flow.pipeline_dit())
    own = {parameter.untyped_storage().data_ptr() for parameter in net.dit.parameters()}
    held = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in tree_leaves(vars(net))
        if isinstance(tensor, Tensor)
    }
    kept = sum(size for place, size in held.items() if place not in own)
    foretold = arranged_bytes(flow.pipeline().dit, flow.pipeline().wavenet, 4)
    assert kept == pytest.approx(foretold, rel=0.01)


def test_samplers_of_one_net_share_its_weights() -> None:
    sampler = Sampler(flow.dit(), FOUR)
    assert Sampler(sampler.net, DRAFTY).net is sampler.net


class Alive(TorchDispatchMode):
    """How many bytes the tensors made inside hold, and held at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._users: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in tree_leaves(args) if isinstance(t, Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() in given and not self._users[storage.data_ptr()]:
                    continue  # a view of what was made outside
                self._count(storage.data_ptr(), storage.nbytes(), 1)
                weakref.finalize(tensor, self._count, storage.data_ptr(), storage.nbytes(), -1)
        return made

    def _count(self, place: int, size: int, users: int) -> None:
        before = self._users[place]
        self._users[place] += users
        self.now += size * ((before + users > 0) - (before > 0))
        self.peak = max(self.peak, self.now)


def vectors(codes: Tensor, count: int) -> Tensor:
    """codes (1, N…) -> (1, count, 1024), as the pipeline's codec has them"""
    codec = Codec(flow.pipeline().codec)
    drawn = fold(state(manifest("pipeline")["codec"], "codec"))
    codec.load_state_dict({key: drawn[key] for key in codec.state_dict()})
    found: Tensor = codec.vectors(codes[:, :count])
    return found


def lengths(rows: list[Tensor]) -> Tensor:
    return torch.tensor([len(row) for row in rows])
