"""MelGAN (arXiv 1910.06711): mel spectrograms in decimal logarithms to samples.

B rows, M mel bands, C channels, T positions (mel frames at first, samples at last). Signals between layers
are (B, C, 1, T) in channels-last memory, see layers.py. Parameters are named as in the authors' published
generators (multi_speaker.pt, linda_johnson.pt), with weight norm folded: `model.N` is the N-th layer of all,
those without weights counted.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.indextts2.vocoders.layers import (
    Conv1d,
    ConvTranspose1d,
    Generator,
    Geometry,
    Heard,
    picture,
)

SLOPE = 0.2
"""Of the leaky rectifiers."""
ENDS = 3
"""Positions that the first and the last convolution hear on either side."""


@dataclass(frozen=True)
class MelGANConfig:
    """The published generators': their files have no config beside them."""

    num_mels: int = 80
    sampling_rate: int = 22050
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    last_channels: int = 32
    dilations: tuple[int, ...] = (1, 3, 9)


class Mirror(nn.Module):
    """Continue the signal beyond its ends by its mirror image. F.pad takes far longer if B > 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, width + T + width), T > width"""
        width = self.width
        shape = (*x.shape[:3], x.shape[3] + 2 * width)
        padded = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        padded[..., width:-width] = x
        padded[..., :width] = x[..., 1 : width + 1].flip(-1)
        padded[..., -width:] = x[..., -width - 1 : -1].flip(-1)
        return padded


class Residual(nn.Module):
    """A dilated convolution of three taps and one of one tap, beside another of one tap."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            Mirror(dilation),
            Conv1d(channels, channels, 3, dilation=dilation),
            nn.LeakyReLU(SLOPE),
            Conv1d(channels, channels, 1),
        )
        self.shortcut = Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)"""
        inner: Tensor = self.block(x)
        return inner.add_(self.shortcut(x))


class MelGAN(Generator):
    """A vocoder: mel spectrograms in decimal logarithms to samples. For inference only."""

    def __init__(self, config: MelGANConfig) -> None:
        super().__init__(config.sampling_rate, geometry(config))
        width = config.last_channels * 2 ** len(config.upsample_rates)
        layers: list[nn.Module] = [Mirror(ENDS), Conv1d(config.num_mels, width, 2 * ENDS + 1)]
        for stride in config.upsample_rates:
            layers += [nn.LeakyReLU(SLOPE), _upsampling(width, stride)]
            width //= 2
            layers += [Residual(width, dilation) for dilation in config.dilations]
        layers += [nn.LeakyReLU(SLOPE), Mirror(ENDS), Conv1d(width, 1, 2 * ENDS + 1), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        self.requires_grad_(False)

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, T) -> samples (B, hop * T) in [-1, 1], in single precision"""
        frames = mel.shape[2]
        if frames <= ENDS:  # too short for a mirror: as if its last frame went on
            mel = F.pad(mel, (0, ENDS + 1 - frames), mode="replicate")  # (B, M, ENDS + 1)
        first = self.model[1].weight
        assert isinstance(first, Tensor)
        samples: Tensor = self.model(picture(mel, first.dtype))
        return samples[:, 0, 0, : frames * self.hop].float()  # (B, hop * T)


def geometry(config: MelGANConfig) -> Geometry:
    """Known before the net is made: what a frame takes, and how far it hears."""
    hop = rate = math.prod(config.upsample_rates)
    width = config.last_channels
    heard = Heard(0, hop - 1).through(ENDS)
    alive = largest = 0
    for stride in reversed(config.upsample_rates):
        alive = max(alive, width * rate)
        largest = max(largest, 2 * width * width * 2 * stride)
        heard = heard.through(sum(config.dilations)).upsampled(2 * stride, stride, stride // 2 + stride % 2)
        rate //= stride
        width *= 2
    # At the peak a block has its input, the rectified or the mirrored one, and the result; and one to spare.
    return Geometry(hop, heard.through(ENDS).halo, 4 * alive, fixed=largest)


def _upsampling(width: int, stride: int) -> ConvTranspose1d:
    padding, extra = stride // 2 + stride % 2, stride % 2
    return ConvTranspose1d(width, width // 2, 2 * stride, stride, padding, extra)
