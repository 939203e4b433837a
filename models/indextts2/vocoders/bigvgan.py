"""BigVGAN v2 (arXiv 2206.04658): mel spectrograms to samples, by convolutions and anti-aliased snakes.

B rows, M mel bands, C channels, T positions (mel frames at first, samples at last). Signals between layers
are (B, C, 1, T) in channels-last memory, see layers.py. Parameters are named as in the published generator,
with weight norm folded and without the filters, which are computed (snake.FILTER).
"""

import math
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn

from models.indextts2.config import BigVGANConfig
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
from models.indextts2.vocoders.snake import HEARD, Activation, Wave, shifted

PRE = POST = 3
"""Positions that the first and the last convolution hear on either side."""


class Block(nn.Module):
    """For each dilation: add what two convolutions, each behind an activation, make of the signal."""

    def __init__(self, channels: int, taps: int, dilations: tuple[int, ...], config: BigVGANConfig) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same(channels, channels, taps, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(same(channels, channels, taps) for _ in dilations)
        self.activations = nn.ModuleList(_activation(channels, config) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)"""
        before, between = self.activations[::2], self.activations[1::2]
        for first, second, one, other in zip(before, between, self.convs1, self.convs2, strict=True):
            x = other(second(one(first(x)))).add_(x)
        return x


class BigVGAN(Generator):
    """A vocoder: mel spectrograms in natural logarithms to samples. For inference only."""

    def __init__(self, config: BigVGANConfig) -> None:
        super().__init__(config.sampling_rate, geometry(config))
        self.tanh = config.use_tanh_at_final
        self.conv_pre = same(config.num_mels, config.upsample_initial_channel, 2 * PRE + 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        shapes = list(zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True))
        for stride, taps, wide, narrow in _stages(config):
            up = ConvTranspose1d(wide, narrow, taps, stride, padding=(taps - stride) // 2)
            self.ups.append(nn.Sequential(up))
            self.resblocks.extend(Block(narrow, *shape, config) for shape in shapes)
        self.blocks = len(shapes)
        self.activation_post = _activation(narrow, config)
        self.conv_post = same(narrow, 1, 2 * POST + 1, bias=config.use_bias_at_final)
        self.requires_grad_(False)

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, T) -> samples (B, hop * T) in [-1, 1], in single precision"""
        x = self.conv_pre(picture(mel, self.conv_pre.weight.dtype))  # (B, C, 1, T)
        for stage, up in enumerate(self.ups):
            x = up(x)  # (B, C, 1, stride * T), fewer channels
            first, *others = self.resblocks[stage * self.blocks : (stage + 1) * self.blocks]
            total = first(x)
            for block in others:
                total += block(x)
            x = total.div_(self.blocks)
        samples: Tensor = self.conv_post(self.activation_post(x))[:, 0, 0].float()  # (B, hop * T)
        return samples.tanh() if self.tanh else samples.clamp(-1, 1)

    def fuse(self) -> Self:
        """Let torch.compile make two kernels of each activation: for GPUs, where it has a compiler.

        The first call pays for it with seconds, and so does the first of a new length.
        """
        return self.use(torch.compile(shifted, dynamic=True))

    def use(self, wave: Wave) -> Self:
        """Compute the activations by `wave`, whatever the device."""
        for module in self.modules():
            if isinstance(module, Activation):
                module.wave = wave
        return self


def geometry(config: BigVGANConfig) -> Geometry:
    """Known before the net is made: what a frame takes, and how far it hears."""
    block = max(
        sum(taps // 2 * (dilation + 1) + 2 * HEARD for dilation in dilations)
        for taps, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )
    hop = rate = math.prod(config.upsample_rates)
    heard = Heard(0, hop - 1).through(POST + HEARD)
    alive = largest = 0
    for stride, taps, wide, narrow in reversed(list(_stages(config))):
        alive = max(alive, max(narrow, NARROWEST) * rate)
        largest = max(largest, narrow * max(wide * taps, narrow * max(config.resblock_kernel_sizes)))
        heard = heard.through(block).upsampled(taps, stride, (taps - stride) // 2)
        rate //= stride
    # At the peak a later block is in an activation: the stage's signal, the sum of the blocks before, the
    # block's own, what goes in and what comes out; and ten of shifted signals (fewer of a CPU's stretches).
    return Geometry(hop, heard.through(PRE).halo, 5 * alive, 10 * alive, largest)


def _activation(channels: int, config: BigVGANConfig) -> Activation:
    return Activation(channels, config.activation, log=config.snake_logscale)


def _stages(config: BigVGANConfig) -> Iterator[tuple[int, int, int, int]]:
    return stages(config.upsample_rates, config.upsample_kernel_sizes, config.upsample_initial_channel)
