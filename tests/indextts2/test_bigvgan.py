"""BigVGAN: the reference's samples from the reference's mels, and what makes it fast changes nothing."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.config import BigVGANConfig
from models.indextts2.parts import low_pass
from models.indextts2.vocoders import snake
from models.indextts2.vocoders.bigvgan import BigVGAN, geometry
from models.indextts2.vocoders.snake import Activation, convolved, shifted
from models.indextts2.weights import fold
from tests.indextts2 import recipe, truth

PUBLISHED = json.loads((recipe.DATA / "bigvgan_config.json").read_text())
SMALL = PUBLISHED | {
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 3]],
}


def vocoder(entries: dict[str, Any], weights: dict[str, Tensor] | None = None) -> BigVGAN:
    made = BigVGAN(BigVGANConfig.read(entries))
    if weights is None:
        weights = drawn(made)
    made.load_state_dict(weights)
    return made


def drawn(module: torch.nn.Module) -> dict[str, Tensor]:
    """Weights for it that keep its signals near one."""
    shapes = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    return recipe.state(shapes, "drawn")


def halved(made: BigVGAN, dtype: torch.dtype) -> BigVGAN:
    """As a converted checkpoint has it: matrices alone."""
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.to(dtype)
    return made


def folded(name: str) -> dict[str, Tensor]:
    shapes = recipe.manifest(name)
    state = recipe.state(shapes["bigvgan"] if name == "pipeline" else shapes, "bigvgan")
    return {key: tensor for key, tensor in fold(state).items() if not key.endswith(".filter")}


def plain(x: Tensor, frequency: Tensor, depth: Tensor) -> Tensor:
    """The activation as the specification says it, on (B, C, T), in double precision."""
    channels = x.shape[1]
    taps = low_pass((1, 1, 12)).double().expand(channels, 1, 12)
    x, frequency, depth = x.double(), frequency.double(), depth.double()
    padded = F.pad(x, (5, 5), mode="replicate")
    doubled = 2 * F.conv_transpose1d(padded, taps, stride=2, groups=channels)[..., 15:-15]
    doubled = doubled + (doubled * frequency).sin() ** 2 * depth
    return F.conv1d(F.pad(doubled, (5, 6), mode="replicate"), taps, stride=2, groups=channels)


def channels_last(x: Tensor) -> Tensor:
    return x[:, :, None].contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("wave", [convolved, shifted])
def test_its_samples_are_the_references(wave: snake.Wave) -> None:
    given = truth.tensors("bigvgan_tiny")
    made = vocoder(PUBLISHED, folded("bigvgan_tiny")).use(wave)
    truth.near(made(given["mel"]), given["wav"][:, 0])


def test_the_pipelines_samples_are_the_references() -> None:
    given = truth.tensors("pipeline_default")
    made = vocoder(PUBLISHED | {"num_mels": 80}, folded("pipeline"))
    samples = made(given["mel_in_vocoder"])
    truth.near(samples, given["wav_float"][:, 0])
    whole = (samples * 32767).to(torch.int16)
    assert (whole[0].int() - given["wav_int16"][:, 0].int()).abs().max() <= 1


def test_an_activation_is_the_references() -> None:
    given = truth.tensors("bigvgan_tiny")
    activation = Activation(5, "snakebeta", log=True).requires_grad_(False)
    activation.load_state_dict({"act.alpha": given["act_alpha"], "act.beta": given["act_beta"]})
    truth.near(activation(channels_last(given["act_x"]))[:, :, 0], given["act_y"])
    truth.near(low_pass((1, 1, 12)).float(), given["up_filter"])


@pytest.mark.parametrize("length", [1, 2, 3, 5, 17, 300])
@pytest.mark.parametrize("rows", [1, 3])
def test_either_way_an_activation_is_what_the_specification_says(length: int, rows: int) -> None:
    torch.manual_seed(length)
    x, frequency, depth = torch.randn(rows, 6, length), torch.rand(6, 1, 1) * 9, torch.rand(6, 1, 1) * 4
    expected = plain(x, frequency[..., 0], depth[..., 0])
    for wave in (convolved, shifted):
        truth.near(wave(channels_last(x), frequency, depth)[:, :, 0], expected, 1e-5)


@pytest.mark.parametrize("length", [79, 80, 81, 160, 161, 1000])
def test_in_stretches_an_activation_is_what_it_is_whole(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, ones = channels_last(torch.randn(2, 4, length)), torch.ones(4, 1, 1)
    whole = convolved(x, ones, ones)
    monkeypatch.setattr(snake, "CACHED", 1)
    truth.near(convolved(x, ones, ones), whole, 1e-6)


def test_a_row_does_not_depend_on_who_shares_its_batch() -> None:
    made, mel = vocoder(SMALL), torch.randn(4, 20, 40)
    alone = torch.cat([made(row[None]) for row in mel])
    truth.near(made(mel), alone, 1e-5)


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 25), (torch.float16, 40)])
def test_half_precision_costs_no_more_than_some_noise(dtype: torch.dtype, least: float) -> None:
    """The gate of PERFORMANCE.md 12, in decibels."""
    mel, weights = truth.tensors("bigvgan_tiny")["mel"], folded("bigvgan_tiny")
    whole, half = vocoder(PUBLISHED, weights)(mel), halved(vocoder(PUBLISHED, weights), dtype)(mel)
    assert half.dtype == torch.float32
    assert decibels(whole, half - whole) > least


@pytest.mark.parametrize("wave", [convolved, shifted])
def test_the_phase_of_a_loud_signal_survives_half_precision(wave: snake.Wave) -> None:
    frequency, depth = torch.full((4, 1, 1), 300.0), torch.ones(4, 1, 1)
    x = (10 * torch.randn(1, 4, 200)).bfloat16()
    given = wave(channels_last(x), frequency, depth)
    assert given.dtype == torch.bfloat16
    truth.near(given[:, :, 0], plain(x, frequency[..., 0], depth[..., 0]), 2**-8)


def decibels(signal: Tensor, noise: Tensor) -> float:
    return float(20 * torch.log10(signal.norm() / noise.norm()))


@pytest.mark.parametrize("entries", [SMALL, PUBLISHED], ids=["small", "published"])
def test_a_frame_is_heard_as_far_as_the_halo_and_no_further(
    entries: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An impulse through even weights, without waves: samples that heard nothing of it are zero."""
    monkeypatch.setattr(snake, "FILTER", (1 / 12,) * 12)
    entries = entries | {"upsample_initial_channel": 2 ** len(entries["upsample_rates"])}
    made = vocoder(entries)
    for name, tensor in made.state_dict().items():
        tensor.fill_(30.0 if name.endswith(".beta") else 0.0 if "bias" in name or "alpha" in name else 1.0)
    frames, at = 2 * made.halo + 21, made.halo + 10
    mel = torch.zeros(1, 20, frames)
    mel[..., at] = 1
    heard = made(mel)[0].view(frames, made.hop).ne(0).any(1).nonzero()[:, 0]
    furthest = max(at - int(heard.min()), int(heard.max()) - at)
    assert furthest == made.halo


def test_the_predicted_memory_is_what_it_takes_at_most(tmp_path: Path) -> None:
    made = vocoder(SMALL | {"upsample_initial_channel": 128})
    for wave in (convolved, shifted):
        made.use(wave)
        for rows, frames in ((1, 3000), (4, 800)):
            taken = peak(made, torch.randn(rows, 20, frames), tmp_path / "trace.json")
            assert taken <= made.geometry.bytes(rows, frames)
    assert made.geometry.bytes(rows, frames) < 1.5 * taken


def peak(made: BigVGAN, mel: Tensor, trace: Path) -> int:
    """Bytes that torch held at most at once."""
    made(mel)
    with torch.profiler.profile(profile_memory=True) as profile:
        made(mel)
    profile.export_chrome_trace(str(trace))
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    events.sort(key=lambda event: event["ts"])
    held = [event["args"]["Total Allocated"] for event in events]
    return int(max(held) - held[0] + events[0]["args"]["Bytes"])


def test_version_one_ends_in_tanh_and_has_a_bias() -> None:
    entries = {key: value for key, value in SMALL.items() if not key.startswith("use_")}
    made = vocoder(entries)
    assert "conv_post.bias" in made.state_dict()
    made.conv_post.bias.fill_(0.5)
    made.conv_post.weight.zero_()
    assert made(torch.randn(1, 20, 3)).unique().tolist() == pytest.approx([math.tanh(0.5)])


def test_a_snake_takes_its_depth_from_its_frequency() -> None:
    activation = Activation(1, "snake", log=False).requires_grad_(False)
    activation.act.alpha.fill_(2)
    x = torch.randn(1, 1, 30)
    expected = plain(x, torch.tensor([[2.0]]), torch.tensor([[0.5]]))
    truth.near(activation(channels_last(x))[:, :, 0], expected, 1e-5)
    assert list(activation.state_dict()) == ["act.alpha"]


@pytest.mark.parametrize(("entry", "value"), [("activation", "relu"), ("resblock", "2")])
def test_a_kind_that_is_not_known_is_refused_by_name(entry: str, value: str) -> None:
    with pytest.raises(Rejected, match=f"{entry} is '{value}'"):
        BigVGANConfig.read(PUBLISHED | {entry: value})


def test_what_it_hears_is_known_before_it_is_made() -> None:
    official = BigVGANConfig.read(PUBLISHED | {"num_mels": 80, "upsample_initial_channel": 1536})
    assert (geometry(official).hop, geometry(official).halo) == (256, 38)
