"""A checkpoint of random numbers: for measuring how fast and how large the nets are, where no weights are."""

import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from models.indextts2.campplus import STYLE
from models.indextts2.checkpoint import DTYPES
from models.indextts2.config import (
    FEATURES,
    BigVGANConfig,
    CodecConfig,
    Config,
    ConformerConfig,
    DiTConfig,
    GPTConfig,
    MelConfig,
    RegulatorConfig,
    WaveNetConfig,
)
from models.indextts2.convert import stored
from models.indextts2.parts import PARTS
from models.indextts2.shapes import expected
from models.indextts2.voice import Voice

OFFICIAL = Config(
    gpt=GPTConfig(
        model_dim=1280,
        layers=24,
        heads=20,
        max_mel_tokens=1815,
        max_text_tokens=600,
        number_text_tokens=12_000,
        number_mel_codes=8194,
        start_mel=8192,
        stop_mel=8193,
        start_text=0,
        stop_text=1,
        speaker=ConformerConfig(FEATURES, 512, 2048, 8, 6, 2),
        emotion=ConformerConfig(FEATURES, 512, 1024, 4, 4, 2),
    ),
    codec=CodecConfig(8192, 1024, 8, 384, 2048, 12),
    mel=MelConfig(22_050, 1024, 1024, 256, 80, 0.0, None),
    regulator=RegulatorConfig(512, 1024, 4, 2048),
    dit=DiTConfig(512, 8, 13, 80, 512, STYLE),
    wavenet=WaveNetConfig(512, 8, 5, 1),
    emotions=(3, 17, 2, 8, 4, 5, 10, 24),
)
"""The released checkpoint's numbers, so that nothing need be downloaded to measure."""
OFFICIAL_BIGVGAN = BigVGANConfig(
    num_mels=80,
    sampling_rate=22_050,
    upsample_rates=(4, 4, 2, 2, 2, 2),
    upsample_kernel_sizes=(8, 8, 4, 4, 4, 4),
    upsample_initial_channel=1536,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5),) * 3,
    activation="snakebeta",
    snake_logscale=True,
    use_tanh_at_final=False,
    use_bias_at_final=False,
)
SMALL = replace(
    OFFICIAL,
    gpt=replace(
        OFFICIAL.gpt,
        model_dim=128,
        layers=2,
        heads=2,
        speaker=ConformerConfig(FEATURES, 32, 32, 2, 1, 0.05),
        emotion=ConformerConfig(FEATURES, 32, 32, 2, 1, 0.05),
    ),
    codec=CodecConfig(8192, 1024, 8, 16, 32, 1),
    regulator=RegulatorConfig(64, 1024, 4, 16),
    dit=DiTConfig(64, 2, 5, 80, 64, STYLE),
    wavenet=WaveNetConfig(64, 2, 5, 1),
)
"""The same nets in little: whatever runs with these runs with the others, in no time."""
SMALL_BIGVGAN = replace(OFFICIAL_BIGVGAN, upsample_initial_channel=64)

NEVER = -1e4
"""The logit of the stop code: random nets would stop anywhere, and all that is measured has its length."""
RESIDUAL = 0.3
"""Of what is drawn for the vocoder: it adds 54 outputs without a norm, and cuts off what exceeds 1."""


@dataclass(eq=False)
class Drawn:
    """A checkpoint (see checkpoint.Checkpoint) without files, and so without a tokenizer.

    Numbers are normal, with the spread that keeps activations near one: never zeros, with which processors
    are quicker. Each follows from its key alone.
    """

    config: Config = OFFICIAL
    bigvgan: BigVGANConfig = OFFICIAL_BIGVGAN
    precision: str = "fp32"
    bpe: Path = Path()
    glossary: Path | None = None
    qwen: Path | None = None

    @property
    def fingerprint(self) -> str:
        return "drawn"

    def part(self, name: str, device: str = "cpu") -> dict[str, Tensor]:
        """Any but w2v-BERT, whose sizes are in no config."""
        dtype = DTYPES[self.precision if PARTS[name].halved else "fp32"]
        state = {
            key: _tensor(key, shape).to(device, stored(shape, dtype))
            for key, shape in expected(name, self.config, self.bigvgan, {}).items()
        }
        if name == "gpt":
            state["mel_head.bias"][self.config.gpt.stop_mel] = NEVER
        return state


def voice(config: Config, frames: int, seed: int = 0) -> Voice:
    """A print whose prompt is `frames` of mel long."""
    generator = torch.Generator().manual_seed(seed)
    width, channels = config.gpt.model_dim, config.regulator.channels

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return Voice(
        conditioning=normal(config.gpt.latents, width),
        own=normal(width),
        echo=normal(width),
        style=normal(config.dit.style_dim),
        mel=normal(config.mel.n_mels, frames),
        condition=normal(frames, channels),
    )


def _tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    noise = torch.randn(shape, generator=Generator().manual_seed(zlib.crc32(key.encode())))
    last = key.rsplit(".", 1)[-1]
    if len(shape) < 2:
        if last == "weight":  # a norm's
            return noise.mul_(0.1).add_(1)
        if key.endswith("project_layer.bias"):  # scales, then shifts
            noise[: shape[0] // 2] += 10
        return noise.mul_(0.1)
    if "emb" in key.split(".")[0] or "codebook" in key:
        return noise.mul_(0.3)
    transposed = key.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))  # GPT-2 keeps (in, out)
    inputs = shape[0] if transposed else math.prod(shape[1:])
    small = ".convs2." in key or key == "conv_post.weight"
    return noise.mul_((RESIDUAL if small else 1) / math.sqrt(inputs))
