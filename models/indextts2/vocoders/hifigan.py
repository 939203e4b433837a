"""HiFi-GAN (arXiv 2010.05646), versions 1 to 3: mel spectrograms to samples.

B rows, M mel bands, C channels, T positions (mel frames at first, samples at last). Signals between layers
are (B, C, 1, T) in channels-last memory, see layers.py. Parameters are named as in the published generators,
with weight norm folded.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from farm.errors import Rejected
from models.indextts2.vocoders.layers import (
    NARROWEST,
    ConvTranspose1d,
    Generator,
    Geometry,
    Heard,
    picture,
    same,
    stages,
)

SLOPE = 0.1
"""Of the leaky rectifiers, but for the last."""
LAST_SLOPE = 0.01
PRE = POST = 3
"""Positions that the first and the last convolution hear on either side."""


@dataclass(frozen=True)
class HiFiGANConfig:
    """`resblock`: "1" has two convolutions for each dilation, "2" one."""

    resblock: str
    num_mels: int
    sampling_rate: int
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """From config_v1.json and its like. Raises Rejected: of a kind that is not known here."""
        if str(config["resblock"]) not in ("1", "2"):
            raise Rejected(
                "HiFi-GAN's config says resblock is {value}; what is known here is 1 and 2.",
                value=repr(config["resblock"]),
            )
        return cls(
            str(config["resblock"]),
            config["num_mels"],
            config["sampling_rate"],
            tuple(config["upsample_rates"]),
            tuple(config["upsample_kernel_sizes"]),
            config["upsample_initial_channel"],
            tuple(config["resblock_kernel_sizes"]),
            tuple(tuple(dilations) for dilations in config["resblock_dilation_sizes"]),
        )


class Block1(nn.Module):
    """For each dilation: add what a dilated and a plain convolution make of the signal."""

    def __init__(self, channels: int, taps: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same(channels, channels, taps, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(same(channels, channels, taps) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)"""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            inner = F.leaky_relu_(dilated(F.leaky_relu(x, SLOPE)), SLOPE)
            x = plain(inner).add_(x)
        return x


class Block2(nn.Module):
    """For each dilation: add what a dilated convolution makes of the signal."""

    def __init__(self, channels: int, taps: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(same(channels, channels, taps, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)"""
        for dilated in self.convs:
            x = dilated(F.leaky_relu(x, SLOPE)).add_(x)
        return x


class HiFiGAN(Generator):
    """A vocoder: mel spectrograms in natural logarithms to samples. For inference only."""

    def __init__(self, config: HiFiGANConfig) -> None:
        super().__init__(config.sampling_rate, geometry(config))
        self.conv_pre = same(config.num_mels, config.upsample_initial_channel, 2 * PRE + 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = Block1 if config.resblock == "1" else Block2
        shapes = list(zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True))
        for stride, taps, wide, narrow in _stages(config):
            self.ups.append(ConvTranspose1d(wide, narrow, taps, stride, padding=(taps - stride) // 2))
            self.resblocks.extend(block(narrow, *shape) for shape in shapes)
        self.blocks = len(shapes)
        self.conv_post = same(narrow, 1, 2 * POST + 1)
        self.requires_grad_(False)

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, T) -> samples (B, hop * T) in [-1, 1], in single precision"""
        x = self.conv_pre(picture(mel, self.conv_pre.weight.dtype))  # (B, C, 1, T)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu_(x, SLOPE))  # (B, C, 1, stride * T), fewer channels
            first, *others = self.resblocks[stage * self.blocks : (stage + 1) * self.blocks]
            total = first(x)
            for block in others:
                total += block(x)
            x = total.div_(self.blocks)
        samples: Tensor = self.conv_post(F.leaky_relu_(x, LAST_SLOPE))
        return samples[:, 0, 0].float().tanh()  # (B, hop * T)


def geometry(config: HiFiGANConfig) -> Geometry:
    """Known before the net is made: what a frame takes, and how far it hears."""
    plain = 1 if config.resblock == "1" else 0
    block = max(
        sum(taps // 2 * (dilation + plain) for dilation in dilations)
        for taps, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )
    hop = rate = math.prod(config.upsample_rates)
    heard = Heard(0, hop - 1).through(POST)
    alive = largest = 0
    for stride, taps, wide, narrow in reversed(list(_stages(config))):
        alive = max(alive, max(narrow, NARROWEST) * rate)
        largest = max(largest, narrow * max(wide * taps, narrow * max(config.resblock_kernel_sizes)))
        heard = heard.through(block).upsampled(taps, stride, (taps - stride) // 2)
        rate //= stride
    # At the peak a later block convolves: the stage's signal, the sum of the blocks before, the block's own,
    # what goes in and what comes out.
    return Geometry(hop, heard.through(PRE).halo, 5 * alive, fixed=largest)


def _stages(config: HiFiGANConfig) -> Iterator[tuple[int, int, int, int]]:
    return stages(config.upsample_rates, config.upsample_kernel_sizes, config.upsample_initial_channel)
