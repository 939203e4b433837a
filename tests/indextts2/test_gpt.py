"""The language model: the reference's numbers, and batches that change none of them.

Letters: B rows, L text ids, N codes.
"""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.cache import Cache, cache_bytes
from models.indextts2.gpt import GPT, Prefix
from tests.indextts2 import nets
from tests.indextts2.recipe import official
from tests.indextts2.replays import ROWS, Replay
from tests.indextts2.truth import error, near, tensors

ALONE = 2e-5
"""Of the largest value: how far a row may be from the row alone."""


FORMS = ("plain", "prepared")


@cache
def tiny(form: str) -> GPT:
    net = nets.gpt(nets.tiny())
    if form == "prepared":
        net.prepare()
    return net


@pytest.fixture(params=FORMS)
def net(request: pytest.FixtureRequest) -> GPT:
    return tiny(request.param)


def prompt(net: GPT, texts: Sequence[Tensor]) -> Prefix:
    truth, rows = tensors("gpt_tiny_forward"), len(texts)
    emotion = truth["merged_emovec_alpha0_6"].expand(rows, -1)
    return net.prefix(truth["conditioning"].expand(rows, -1, -1), emotion, texts)


def forced(net: GPT, prefix: Prefix, codes: Tensor, bucket: int = 1) -> Tensor:
    """codes (B, N), fed whatever the net thinks of them -> logits before each and after all (N + 1, B, V)"""
    hidden, held = net.start(prefix, codes.shape[1], bucket)
    logits = [net.logits(hidden)]
    for k, fed in enumerate(codes.T):
        logits.append(net.logits(net.step(fed, k, held)))
    return torch.stack(logits)


def test_the_prefix_is_the_references(net: GPT) -> None:
    truth = tensors("gpt_tiny_forward")
    prefix = prompt(net, [truth["text_ids"][0]])
    near(prefix.embeds[:, :-1], truth["prompt_emb"])
    start = net.mel_embedding.weight[96] + net.mel_pos_embedding.emb.weight[0]
    assert torch.equal(prefix.embeds[0, -1], start)
    assert prefix.padding.tolist() == [0]


def test_each_step_thinks_what_the_reference_thinks(net: GPT) -> None:
    truth = tensors("gpt_tiny_forward")
    prefix = prompt(net, [truth["text_ids"][0]])
    near(forced(net, prefix, truth["forced_codes"]).transpose(0, 1), truth["step_logits"])


@pytest.mark.parametrize("replay", ROWS, ids=str)
def test_whole_generations_are_thought_as_the_reference_thought_them(net: GPT, replay: Replay) -> None:
    prefix = prompt(net, [tensors("gpt_tiny_forward")["text_ids"][0]])
    codes = tensors(replay.file)[f"{replay.mode}.codes"]
    near(forced(net, prefix, codes)[:-1], replay.recorded("logits"))


def test_the_second_pass_gives_the_references_latents(net: GPT) -> None:
    truth = tensors("gpt_tiny_forward")
    text, codes = truth["text_ids"][0], truth["forced_codes"][0]
    (latents,) = net.latents(truth["conditioning"], truth["merged_emovec_alpha0_6"], [text], [codes])
    near(latents[None], truth["latent"])
    near(net.logits(latents)[None], truth["second_pass_logits"])


@pytest.mark.parametrize("bucket", [1, 8])
def test_two_rows_of_unlike_length_are_decoded_as_the_reference_does(net: GPT, bucket: int) -> None:
    truth = tensors("gpt_tiny_generate")
    prefix = prompt(net, list(truth["batch2.text"]))  # the second is filled up with the id that stops a text
    near(prefix.embeds[:, :-1], truth["batch2.prompt_emb"])
    assert prefix.padding.tolist() == (1 - truth["batch2.attention_mask"]).sum(-1).tolist()
    near(forced(net, prefix, truth["batch2.codes"], bucket)[:-1], truth["batch2.logits"])


def test_the_pipeline_hears_from_the_gpt_what_the_reference_heard() -> None:
    net, truth = nets.gpt(nets.whole()), tensors("pipeline_default")
    conditioning, emotion, text = truth["gpt_conditioning"], truth["emovec_used"], truth["text_ids"][0]
    prefix = net.prefix(conditioning, emotion, [text])
    near(prefix.embeds[:, :-1], truth["prompt_emb"])
    said = truth["codes_raw"][0, : truth["latent"].shape[1]]
    (latents,) = net.latents(conditioning, emotion, [text], [said])
    near(latents[None], truth["latent"])


ids = st.lists(st.integers(0, 49), max_size=38).map(lambda ids: torch.tensor(ids, dtype=torch.int64))
codes = st.lists(st.integers(0, 95), max_size=60).map(lambda codes: torch.tensor(codes, dtype=torch.int64))
rows = st.lists(st.tuples(ids, codes), min_size=1, max_size=6)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15)
@given(rows=rows, seed=st.integers(0, 2**32))
def test_latents_of_a_row_do_not_depend_on_who_shares_its_batch(
    form: str, rows: list[tuple[Tensor, Tensor]], seed: int
) -> None:
    net, random = tiny(form), torch.Generator().manual_seed(seed)
    conditioning, emotion = voices(net, len(rows), random)
    texts, said = [text for text, _ in rows], [codes for _, codes in rows]
    for i, together in enumerate(net.latents(conditioning, emotion, texts, said)):
        (alone,) = net.latents(conditioning[i : i + 1], emotion[i : i + 1], texts[i : i + 1], said[i : i + 1])
        assert together.shape == (len(said[i]), 64)
        if len(alone):
            near(together, alone, ALONE)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15)
@given(
    texts=st.lists(ids, min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
    bucket=st.sampled_from([1, 8, 64]),
    data=st.data(),
)
def test_what_a_row_is_to_say_does_not_depend_on_who_shares_its_batch(
    form: str, texts: list[Tensor], seed: int, bucket: int, data: st.DataObject
) -> None:
    """Through the prefix, steps, and rows that leave, change places or are doubled on the way."""
    net, random = tiny(form), torch.Generator().manual_seed(seed)
    steps = 12
    conditioning, emotion = voices(net, len(texts), random)
    fed = torch.randint(0, 96, (len(texts), steps), generator=random)
    one = [slice(i, i + 1) for i in range(len(texts))]
    alone = torch.cat(
        [forced(net, net.prefix(conditioning[i], emotion[i], texts[i]), fed[i]) for i in one], 1
    )  # (steps + 1, B, V)
    hidden, held = net.start(net.prefix(conditioning, emotion, texts), steps, bucket)
    here = list(range(len(texts)))  # which rows are in the batch
    for k in range(steps):
        near(net.logits(hidden), alone[k, here], ALONE)
        if data.draw(st.booleans(), label="keep"):
            place = st.integers(0, len(here) - 1)
            kept = data.draw(st.lists(place, min_size=1, max_size=len(texts)), label="rows")
            held.keep(torch.tensor(kept))
            here = [here[place] for place in kept]
        hidden = net.step(fed[here, k], k, held)


def voices(net: GPT, rows: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Conditioning (B, 6, D) and emotion (B, D)"""
    width = net.config.model_dim
    return torch.randn(rows, 6, width, generator=random), torch.randn(rows, width, generator=random)


def test_keeping_rows_takes_no_memory_and_moves_only_who_moves(net: GPT) -> None:
    texts = [torch.arange(2, 2 + length) for length in (5, 9, 3, 7)]
    _, held = net.start(prompt(net, texts), 4)
    place, before = held.keys.data_ptr(), held.keys.clone()
    held.keep(torch.tensor([0, 3, 2]))
    assert held.keys.data_ptr() == place
    assert held.padding.tolist() == [4, 2, 6]
    assert torch.equal(held.keys[:, [0, 2]], before[:, [0, 2]])
    assert torch.equal(held.keys[:, 1], before[:, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("bucket", [1, 64])
def test_the_memory_of_a_cache_is_foretold(dtype: torch.dtype, bucket: int) -> None:
    config = nets.tiny()
    held = Cache(config, torch.tensor([0, 3, 1]), 20, 61, dtype=dtype, bucket=bucket)
    assert held.mask is not None
    size = sum(tensor.nbytes for tensor in (held.keys, held.values, held.mask))
    assert size == cache_bytes(config, 3, 61, dtype, bucket)


def test_the_official_cache_takes_what_the_cost_model_says() -> None:
    each = cache_bytes(nets.official(), 1, 592, torch.float16) / 592
    assert each == pytest.approx(122_880, rel=1e-4)  # SPEC.md §10, bytes per position; the rest is the mask


def test_a_full_cache_says_so(net: GPT) -> None:
    _, held = net.start(prompt(net, [torch.arange(2, 7)]), 1)
    filled = held.keys.shape[3] - held.length  # slots come in eights
    for k in range(filled):
        net.step(torch.tensor([3]), k, held)
    with pytest.raises(IndexError, match="slots"):
        net.step(torch.tensor([3]), filled, held)


def test_there_is_no_room_beyond_the_table_of_positions(net: GPT) -> None:
    prefix = prompt(net, [torch.arange(2, 7)])
    _, held = net.start(prefix, 71)  # max_mel_tokens + 1: the table has two positions more
    net.step(torch.tensor([3]), 70, held)
    with pytest.raises(ValueError, match="72 codes, and positions for 71"):
        net.start(prefix, 72)


def test_a_text_that_is_too_long_is_refused(net: GPT) -> None:
    prompt(net, [torch.full((40,), 5)])
    with pytest.raises(Rejected) as refusal:
        prompt(net, [torch.full((41,), 5)])
    assert refusal.value.message.values == {"tokens": 41, "most": 40}


def test_ids_that_would_end_a_text_are_left_out_of_the_prompt_but_not_of_the_second_pass(net: GPT) -> None:
    with_ends, without = torch.tensor([7, 0, 9, 1, 11]), torch.tensor([7, 9, 11])
    prefix, clean = prompt(net, [with_ends]), prompt(net, [without])
    assert prefix.padding.tolist() == [2]
    assert not prefix.embeds[0, :2].any()
    assert torch.equal(prefix.embeds[:, 2:], clean.embeds)
    truth, said = tensors("gpt_tiny_forward"), [torch.tensor([5, 6, 7])]
    conditioning, emotion = truth["conditioning"], truth["merged_emovec_alpha0_6"]
    (spoken,), (otherwise,) = (
        net.latents(conditioning, emotion, [text], said) for text in (with_ends, without)
    )
    assert error(spoken, otherwise) > 0.01


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("prepared", [False, True])
def test_half_precision_comes_near_and_gives_float32(dtype: torch.dtype, prepared: bool) -> None:
    net = nets.gpt(nets.tiny()).to(dtype)
    if prepared:
        net.prepare()
    texts = [torch.arange(2, 12), torch.arange(2, 6)]
    codes = torch.randint(0, 96, (2, 20), generator=torch.Generator().manual_seed(0))
    logits = forced(net, prompt(net, texts), codes)
    assert logits.dtype == torch.float32
    near(logits, forced(tiny("plain"), prompt(tiny("plain"), texts), codes), 0.03)


def test_what_outgrows_float16_between_the_blocks_does_not_overflow() -> None:
    net = nets.gpt(nets.tiny()).half()
    prefix = prompt(net, [torch.arange(2, 12)])
    loud = Prefix(prefix.embeds * 1e6, prefix.padding)
    hidden, _ = net.start(loud, 4)
    exact, _ = tiny("plain").start(loud, 4)
    near(hidden, exact, 0.03)


def test_matrices_may_be_in_half_precision_and_the_rest_not() -> None:
    """As converted checkpoints are."""
    net = nets.gpt(nets.tiny())
    for weight in net.parameters():
        if weight.dim() > 1:
            weight.data = weight.data.bfloat16()
    prefix = prompt(net, [torch.arange(2, 12)])
    codes = torch.tensor([[3, 4, 5]])
    plain = forced(net, prefix, codes)
    net.prepare()
    near(forced(net, prefix, codes), plain, 0.01)


def test_the_official_checkpoint_fits() -> None:
    with torch.device("meta"):
        net = GPT(nets.official())
    shapes = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    assert shapes == {key: shape for key, shape in official("gpt").items() if key in shapes}
    assert round(sum(weight.numel() for weight in net.gpt.parameters()) / 1e6, 2) == 472.26  # SPEC.md §10
