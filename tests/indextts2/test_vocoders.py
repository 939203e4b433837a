"""HiFi-GAN and MelGAN in their published formats, and which vocoders can be told IndexTTS-2's mels.

Their weights are random here: what is held are the formats, the sizes that the papers print, and the
formulas, written out plainly.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farm.errors import Rejected
from models.indextts2.config import MelConfig
from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.vocoders.chunks import speak
from models.indextts2.vocoders.hifigan import HiFiGAN, HiFiGANConfig
from models.indextts2.vocoders.layers import Generator
from models.indextts2.vocoders.melgan import MelGAN, MelGANConfig, Mirror
from models.indextts2.vocoders.table import DEFAULT, KNOWN, Mel, Rescaled, open_vocoder, usable, verdict
from tests.indextts2 import recipe, truth
from tests.indextts2.test_bigvgan import PUBLISHED, drawn, peak

OURS = MelConfig(22050, 1024, 1024, 256, 80, 0.0, None)
MELS = {
    "sampling_rate": 22050,
    "n_fft": 1024,
    "win_size": 1024,
    "hop_size": 256,
    "num_mels": 80,
    "fmin": 0,
    "fmax": None,
}
V1 = MELS | {
    "resblock": "1",
    "upsample_rates": [8, 8, 2, 2],
    "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 512,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5]] * 3,
}
V2 = V1 | {"upsample_initial_channel": 128}
V3 = V1 | {
    "resblock": "2",
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 256,
    "resblock_kernel_sizes": [3, 5, 7],
    "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
}
TO_8K = {"fmax": 8000}


def hifigan(entries: dict[str, Any]) -> HiFiGAN:
    made = HiFiGAN(HiFiGANConfig.read(entries))
    made.load_state_dict(drawn(made))
    return made


def melgan(width: int = 16) -> MelGAN:
    made = MelGAN(MelGANConfig(last_channels=width))
    made.load_state_dict(drawn(made))
    return made


def normed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As published: each weight as a direction and its length."""
    pairs: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        if tensor.dim() == 3:
            length = tensor.flatten(1).norm(dim=1)[:, None, None]
            pairs |= {f"{key}_g": length, f"{key}_v": 3 * tensor}
        else:
            pairs[key] = tensor
    return pairs


def published_hifigan(directory: Path, entries: dict[str, Any], made: Generator) -> Path:
    (directory / "config_v1.json").write_text(json.dumps(entries))
    torch.save({"generator": normed(made.state_dict())}, directory / "g_02500000")
    return directory


def plain_hifigan(weights: dict[str, Tensor], config: dict[str, Any], mel: Tensor) -> Tensor:
    """The paper's formulas on (B, C, T), with the slopes of its published generators."""

    def conv(name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        padding = (weight.shape[2] - 1) // 2 * dilation
        return F.conv1d(x, weight, weights[f"{name}.bias"], padding=padding, dilation=dilation)

    def block(name: str, x: Tensor, dilations: list[int]) -> Tensor:
        for at, dilation in enumerate(dilations):
            if config["resblock"] == "1":
                inner = conv(f"{name}.convs1.{at}", F.leaky_relu(x, 0.1), dilation)
                x = x + conv(f"{name}.convs2.{at}", F.leaky_relu(inner, 0.1))
            else:
                x = x + conv(f"{name}.convs.{at}", F.leaky_relu(x, 0.1), dilation)
        return x

    x = conv("conv_pre", mel)
    dilations = config["resblock_dilation_sizes"]
    for stage, stride in enumerate(config["upsample_rates"]):
        name, taps = f"ups.{stage}", config["upsample_kernel_sizes"][stage]
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = F.conv_transpose1d(F.leaky_relu(x, 0.1), weight, bias, stride, (taps - stride) // 2)
        blocks = [
            block(f"resblocks.{stage * len(dilations) + at}", x, each) for at, each in enumerate(dilations)
        ]
        x = torch.stack(blocks).sum(0) / len(blocks)
    return conv("conv_post", F.leaky_relu(x, 0.01)).tanh()[:, 0]


def plain_melgan(weights: dict[str, Tensor], mel: Tensor) -> Tensor:
    """The paper's layers as torch has them on (B, C, T), with the names that nn.Sequential gives them."""

    class Residual(nn.Module):
        def __init__(self, width: int, dilation: int) -> None:
            super().__init__()
            self.block = nn.Sequential(
                nn.LeakyReLU(0.2),
                nn.ReflectionPad1d(dilation),
                nn.Conv1d(width, width, 3, dilation=dilation),
                nn.LeakyReLU(0.2),
                nn.Conv1d(width, width, 1),
            )
            self.shortcut = nn.Conv1d(width, width, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.shortcut(x) + self.block(x)

    width = weights["model.1.weight"].shape[0]
    layers = [nn.ReflectionPad1d(3), nn.Conv1d(80, width, 7)]
    for rate in (8, 8, 2, 2):
        layers += [nn.LeakyReLU(0.2), nn.ConvTranspose1d(width, width // 2, 2 * rate, rate, rate // 2)]
        width //= 2
        layers += [Residual(width, dilation) for dilation in (1, 3, 9)]
    layers += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), nn.Conv1d(width, 1, 7), nn.Tanh()]
    net = nn.Sequential(*layers)
    net.load_state_dict({key.removeprefix("model."): tensor for key, tensor in weights.items()})
    return net(mel).detach()[:, 0]


@pytest.mark.parametrize(
    ("made", "millions"),
    [
        (lambda: HiFiGAN(HiFiGANConfig.read(V1)), 13.92),
        (lambda: HiFiGAN(HiFiGANConfig.read(V2)), 0.92),
        (lambda: HiFiGAN(HiFiGANConfig.read(V3)), 1.46),
        (lambda: MelGAN(MelGANConfig()), 4.26),
    ],
    ids=["HiFi-GAN V1", "V2", "V3", "MelGAN"],
)
def test_each_has_the_parameters_its_paper_counts(made: Any, millions: float) -> None:
    with torch.device("meta"):
        counted = sum(parameter.numel() for parameter in made().parameters())
    assert abs(counted / 1e6 - millions) < 0.01


@pytest.mark.parametrize("entries", [V2, V3], ids=["V2", "V3"])
def test_hifigan_is_what_its_paper_says(entries: dict[str, Any]) -> None:
    made, mel = hifigan(entries), torch.randn(2, 80, 13)
    truth.near(made(mel), plain_hifigan(made.state_dict(), entries, mel))


def test_melgan_is_what_its_paper_says() -> None:
    made, mel = melgan(), torch.randn(2, 80, 13)
    truth.near(made(mel), plain_melgan(made.state_dict(), mel))


def test_melgan_speaks_even_of_a_single_frame() -> None:
    made, frame = melgan(), torch.randn(2, 80, 1)
    assert made(frame).shape == (2, 256)
    assert torch.equal(made(frame), made(frame.expand(-1, -1, 4))[:, :256])


def test_a_mirror_is_torchs() -> None:
    x = torch.randn(2, 3, 1, 9).contiguous(memory_format=torch.channels_last)
    assert torch.equal(Mirror(4)(x), F.pad(x, (4, 4, 0, 0), mode="reflect"))


@pytest.mark.parametrize(
    "made", [lambda: hifigan(V2), lambda: hifigan(V3), melgan], ids=["HiFi-GAN V2", "V3", "MelGAN"]
)
class TestEvery:
    def test_row_is_what_it_is_alone_wherever_it_is_cut(self, made: Any) -> None:
        vocoder = made()
        mels = [torch.randn(80, length) for length in (60, 4, 33, 33)]
        for chunk in (2 * vocoder.halo + 4, 80):
            for samples, mel in zip(speak(vocoder, mels, chunk), mels, strict=True):
                truth.near(samples, vocoder(mel[None])[0], 1e-5)

    def test_frame_is_heard_as_far_as_the_halo_and_no_further(self, made: Any) -> None:
        vocoder = made()
        for name, tensor in vocoder.state_dict().items():
            tensor.fill_(1e-2 if "weight" in name else 0)
        at = vocoder.halo + 40
        mel = torch.zeros(1, 80, 2 * at)
        mel[..., at] = 1
        heard = vocoder(mel)[0].view(2 * at, 256).ne(0).any(1).nonzero()[:, 0]
        assert max(at - int(heard.min()), int(heard.max()) - at) == vocoder.halo

    def test_prediction_of_memory_is_what_it_takes_at_most(self, made: Any, tmp_path: Path) -> None:
        vocoder = made()
        taken = peak(vocoder, torch.randn(2, 80, 100), tmp_path / "trace.json")
        assert taken <= vocoder.geometry.bytes(2, 100) < 2 * taken


def test_a_published_hifigan_is_opened(tmp_path: Path) -> None:
    made, mel = hifigan(V2), torch.randn(1, 80, 9)
    published_hifigan(tmp_path, V2, made)
    opened = open_vocoder("hifigan", tmp_path, OURS)
    assert (opened.sample_rate, opened.hop) == (22050, 256)
    truth.near(opened(mel), made(mel), 1e-5)


def test_a_published_melgan_is_opened_and_told_decimal_logarithms(tmp_path: Path) -> None:
    made, mel = melgan(32), torch.randn(1, 80, 5)
    torch.save(normed(made.state_dict()), tmp_path / "multi_speaker.pt")
    opened = open_vocoder("melgan_multi_speaker", tmp_path, OURS)
    assert isinstance(opened, Rescaled)
    truth.near(opened(mel), made(mel / math.log(10)), 1e-5)
    assert (opened.sample_rate, opened.hop, opened.halo) == (made.sample_rate, made.hop, made.halo)


def test_a_published_bigvgan_is_opened(tmp_path: Path) -> None:
    state = recipe.state(recipe.manifest("pipeline")["bigvgan"], "bigvgan")
    torch.save({"generator": state}, tmp_path / "bigvgan_generator.pt")
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED | {"num_mels": 80}))
    opened = open_vocoder(DEFAULT, tmp_path, OURS)
    assert isinstance(opened, BigVGAN)
    given = truth.tensors("pipeline_default")
    truth.near(opened(given["mel_in_vocoder"]), given["wav_float"][:, 0])


def test_in_half_precision_only_matrices_are_halved(tmp_path: Path) -> None:
    published_hifigan(tmp_path, V2, hifigan(V2))
    opened = open_vocoder("hifigan", tmp_path, OURS, dtype=torch.bfloat16)
    held = opened.state_dict()
    assert held["conv_pre.weight"].dtype == torch.bfloat16
    assert held["conv_pre.bias"].dtype == torch.float32
    assert opened(torch.randn(1, 80, 5)).dtype == torch.float32


def test_the_verdict_on_every_known_vocoder() -> None:
    verdicts = {name: verdict(known.mel).kind for name, known in KNOWN.items() if known.mel}
    assert {name for name, kind in verdicts.items() if kind == "exact"} == {DEFAULT}
    assert {name for name, kind in verdicts.items() if kind == "rescaled"} == {
        "melgan_multi_speaker",
        "melgan_linda_johnson",
    }
    assert set(usable()) == {DEFAULT, "melgan_multi_speaker", "melgan_linda_johnson"}


def test_indextts2s_own_mels_are_those_the_table_takes_for_them() -> None:
    assert Mel.of(OURS) == Mel()


def test_one_made_for_other_mels_is_refused_with_the_reason_and_the_way_out(tmp_path: Path) -> None:
    published_hifigan(tmp_path, V2 | TO_8K, hifigan(V2))
    with pytest.raises(Rejected, match=rf"fmax 8000.0, not 11025.0.*Take {DEFAULT}, .*trained on these"):
        open_vocoder("hifigan_v2", tmp_path, OURS)


def test_one_whose_format_is_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="normalized True, not False"):
        open_vocoder("parallel_wavegan", tmp_path, OURS)
    assert all(known.mel and verdict(known.mel).factor is None for known in KNOWN.values() if not known.kind)
    to_8k = MelConfig(22050, 1024, 1024, 256, 80, 0.0, 8000.0)
    with pytest.raises(Rejected, match="Vocos, 22 kHz cannot be read here"):
        open_vocoder("vocos_mel_22khz", tmp_path, to_8k)


def test_a_checkpoint_with_other_mels_refuses_what_was_exact(tmp_path: Path) -> None:
    published_hifigan(tmp_path, V2, hifigan(V2))
    other = MelConfig(22050, 1024, 1024, 256, 80, 0.0, 8000.0)
    with pytest.raises(Rejected, match=r"fmax 11025\.0, not 8000\.0"):
        open_vocoder("hifigan", tmp_path, other)


def test_what_is_not_there_is_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"has no multi_speaker\.pt"):
        open_vocoder("melgan_multi_speaker", tmp_path, OURS)
    with pytest.raises(Rejected, match="no vocoder called world"):
        open_vocoder("world", tmp_path, OURS)


def test_of_two_files_none_is_guessed(tmp_path: Path) -> None:
    published_hifigan(tmp_path, V2, hifigan(V2))
    (tmp_path / "g_00000001").touch()
    with pytest.raises(Rejected, match="has g_00000001, g_02500000"):
        open_vocoder("hifigan", tmp_path, OURS)


def test_weights_of_another_net_are_refused_by_what_differs(tmp_path: Path) -> None:
    published_hifigan(tmp_path, V2, hifigan(V3))
    with pytest.raises(Rejected, match=r"convs1.* missing"):
        open_vocoder("hifigan", tmp_path, OURS)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"resblock": "3"}, "resblock is '3'"),
        ({"upsample_kernel_sizes": [15, 16, 4, 4]}, "by 8 with 15 taps"),
        ({"upsample_rates": None}, "config_v1.json"),
    ],
)
def test_a_config_that_is_not_understood_is_refused_by_name(
    tmp_path: Path, entries: dict[str, Any], said: str
) -> None:
    published_hifigan(tmp_path, V2 | entries, hifigan(V2))
    with pytest.raises(Rejected, match=said):
        open_vocoder("hifigan", tmp_path, OURS)


def test_an_entry_that_is_missing_is_named(tmp_path: Path) -> None:
    entries = {key: value for key, value in V2.items() if key != "fmax"}
    published_hifigan(tmp_path, entries, hifigan(V2))
    with pytest.raises(Rejected, match="has no 'fmax'"):
        open_vocoder("hifigan", tmp_path, OURS)
