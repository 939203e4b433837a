"""The DiT: the reference's numbers, in padded batches and packed."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.indextts2.config import DiTConfig, WaveNetConfig
from models.indextts2.dit import DiT, mirrored
from models.indextts2.packed import PackedDiT
from models.indextts2.streams import Layout, Row, Stream
from tests.indextts2 import flow
from tests.indextts2.recipe import official
from tests.indextts2.truth import near, tensors

OFFICIAL = DiTConfig(512, 8, 13, 80, 512, 192), WaveNetConfig(512, 8, 5, 1)
STAGES = {
    "t1": "t_embedder",
    "t2": "t_embedder2",
    "merged_in": "cond_x_merge_linear",
    "layer0": "transformer.layers.0",
    "layer1": "transformer.layers.1",
    "layer2": "transformer.layers.2",
    "layer3": "transformer.layers.3",
    "layer4": "transformer.layers.4",
    "transformer_out": "transformer",
    "skip_out": "skip_linear",
    "wavenet_out": "wavenet",
    "final_layer_out": "final_layer",
}


@pytest.fixture(scope="module")
def stages() -> dict[str, Tensor]:
    """What each stage gives for the fixture's call: a guided row and one without voice and text."""
    truth, net, given = tensors("cfm_dit"), copy.deepcopy(flow.dit()), {}

    def listen(name: str) -> None:
        net.get_submodule(STAGES[name]).register_forward_hook(lambda _m, _i, out: given.update({name: out}))

    for name in STAGES:
        listen(name)
    nothing = torch.zeros(1)
    given["velocity"] = net(
        truth["dit_x"],
        truth["dit_prompt_x"],
        torch.cat([truth["style"], nothing * truth["style"]]),
        torch.cat([truth["mu"], nothing * truth["mu"]]),
        torch.full((2,), 0.36),
        torch.tensor([37, 37]),
    )
    given["wavenet_out"] = given["wavenet_out"].mT
    return given


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_gives_what_the_reference_s_gives(stages: dict[str, Tensor], stage: str) -> None:
    near(stages[stage], tensors("cfm_dit")[f"act.{stage}"])


def test_the_velocity_is_the_reference_s(stages: dict[str, Tensor]) -> None:
    near(stages["velocity"], tensors("cfm_dit")["dit_out_t0_36"])


def test_rows_of_a_padded_batch_have_their_own_times() -> None:
    truth, ours = tensors("cfm_dit"), forward(padded())
    near(ours[0], truth["dit_out_padded"][0])
    # The reference mirrors the padding: behind the second row's 31 frames, each of 3 layers spoils 2 of them.
    near(ours[1, :, :25], truth["dit_out_padded"][1, :, :25])


def test_padding_is_neither_heard_nor_spoken_into() -> None:
    given = padded()
    quiet = forward(given)
    for name in ("x", "prompt", "mu"):
        noise = given[name].mT if name == "mu" else given[name]
        noise[1, :, 31:] = 100.0
    loud = forward(given)
    assert not quiet[1, :, 31:].any()
    near(loud, quiet, 1e-6)


def test_a_row_of_a_padded_batch_is_as_if_alone() -> None:
    given = padded()
    together = forward(given)
    alone = {name: part[1:] for name, part in given.items()}
    for name in ("x", "prompt"):
        alone[name] = alone[name][:, :, :31]
    alone["mu"] = alone["mu"][:, :31]
    near(together[1:, :, :31], forward(alone), 1e-5)


@pytest.mark.parametrize("seed", range(25))
@torch.inference_mode()
def test_packed_it_gives_the_same_for_rows_of_any_lengths(seed: int) -> None:
    rows, time = flow.some_rows(seed), torch.rand(1, generator=torch.Generator().manual_seed(seed))
    expected = plain_velocities(flow.dit(), rows, time)
    near(packed_velocities(PackedDiT(flow.dit()), rows, time), expected, 1e-5)


@torch.inference_mode()
def test_packed_it_reaches_as_far_as_eight_layers_do() -> None:
    torch.manual_seed(1)
    net = DiT(DiTConfig(32, 2, 3, 20, 32, 12), WaveNetConfig(24, 8, 5, 1)).requires_grad_(False)
    for parameter in net.parameters():
        parameter.copy_(torch.randn_like(parameter) / max(1, parameter[0].numel()) ** 0.5)
    rows, time = flow.rows([3, 15, 16, 17, 60], [5, 40, 20, 8, 30]), torch.tensor([0.4])
    near(packed_velocities(PackedDiT(net), rows, time), plain_velocities(net, rows, time), 1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_half_precision_matrices_beside_float32_biases_stay_near(dtype: torch.dtype) -> None:
    net, rows, time = copy.deepcopy(flow.dit()), flow.rows([30, 10], [25, 40]), torch.tensor([0.3])
    for parameter in net.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.to(dtype)
    ours = packed_velocities(PackedDiT(net), rows, time)
    assert ours.dtype == torch.float32
    near(ours, plain_velocities(flow.dit(), rows, time), 2e-2)


def test_rows_are_mirrored_at_their_own_ends() -> None:
    for length in range(3, 9):
        place = mirrored(9, 2, torch.tensor([length]))[0, : length + 4]
        frames = torch.arange(length)
        assert frames[place].equal(F.pad(frames[None].float(), (2, 2), "reflect")[0].long())


def test_rows_too_short_to_be_mirrored_are_so_as_far_as_they_go() -> None:
    assert mirrored(1, 2, torch.tensor([1]))[0].tolist() == [0, 0, 0, 0, 0]
    assert mirrored(2, 2, torch.tensor([2]))[0].tolist() == [0, 1, 0, 1, 0, 0]


def test_a_dilated_wavenet_is_refused() -> None:
    with pytest.raises(ValueError, match="dilation rate is 2"):
        DiT(flow.SMALL[0], WaveNetConfig(64, 3, 5, 2))


def test_the_published_weights_fit() -> None:
    with torch.device("meta"):
        found = {key: tuple(tensor.shape) for key, tensor in DiT(*OFFICIAL).state_dict().items()}
    published = {}
    for key, shape in official("s2mel.net.cfm").items():
        name = key.removeprefix("estimator.").replace(".conv.conv.", ".").replace("weight_v", "weight")
        if not name.endswith(("weight_g", "freqs", "input_pos")) and "embedder.w" not in name:
            published[name] = tuple(shape)
    unread = {
        f"transformer.layers.{i}.skip_in_linear.{part}" for i in range(7) for part in ("weight", "bias")
    }
    assert found == {
        key: shape for key, shape in published.items() if key not in unread | {"x_embedder.bias"}
    }
    assert sum(torch.Size(shape).numel() for shape in found.values()) == 93_922_384


def padded() -> dict[str, Tensor]:
    truth = tensors("cfm_dit")
    return {
        "x": truth["dit_x"],
        "prompt": truth["dit_prompt_x"],
        "style": torch.cat([truth["style"], -truth["style"]]),
        "mu": torch.cat([truth["mu"], -truth["mu"]]),
        "t": torch.tensor([0.1, 0.9]),
        "lengths": torch.tensor([37, 31]),
    }


def forward(given: dict[str, Tensor]) -> Tensor:
    velocity: Tensor = flow.dit()(**given)
    return velocity


def plain_velocities(net: nn.Module, rows: flow.Rows, time: Tensor) -> Tensor:
    """Of targets, (2G, M): row by row with voice and text, then without, each computed alone."""
    found: list[Tensor] = []
    for guided in (True, False):
        for row in range(len(rows.lengths)):
            one, start = rows.alone(row), int(rows.n_prompt[row])
            x, prompt = one.noise.clone(), F.pad(one.prompt, (0, one.noise.shape[2] - start))
            x[:, :, :start] = 0
            velocity = net(x, prompt * guided, one.style * guided, one.mu * guided, time, one.lengths)
            found.append(velocity[0, :, start:].mT)
    return torch.cat(found)


def packed_velocities(net: PackedDiT, rows: flow.Rows, time: Tensor) -> Tensor:
    given, streams, noise = [], [], []
    for row in range(len(rows.lengths)):
        one, start = rows.alone(row), int(rows.n_prompt[row])
        given.append(Row(one.mu[0], one.prompt[0].mT, one.style[0]))
        noise.append(one.noise[0, :, start:].mT)
        streams += [Stream(row, start, len(noise[-1]), guided) for guided in (True, False)]
    layout = Layout(streams, net.dit, torch.device("cpu"))
    return net.velocity(torch.cat(noise), net.given(given, layout), net.times(time).at(0), layout)
