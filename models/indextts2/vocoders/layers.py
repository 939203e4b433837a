"""What the vocoders share: convolutions along time, and how much of the mel a sample hears.

B rows, I and O channels in and out, K taps, T positions. Between layers a signal is (B, I, 1, T) in
channels-last memory, a picture one pixel high: measured on a CPU, oneDNN then convolves at up to three
times the rate it has for (B, I, T), and depthwise filters at a hundred times; cuDNN wants the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farm.errors import Rejected

NARROWEST = 16
"""Channels that a CPU's library makes of fewer."""


@dataclass(frozen=True)
class Heard:
    """A stretch of positions, followed backwards through a net: what of a layer's input it is made of."""

    first: int
    last: int

    def through(self, reach: int) -> Self:
        """Before a layer that hears `reach` positions on either side."""
        return type(self)(self.first - reach, self.last + reach)

    def upsampled(self, taps: int, stride: int, padding: int) -> Self:
        """Before a transposed convolution.

        Its output o is made of the inputs i for which 0 <= o + padding - i * stride < taps.
        """
        first, last = self.first + padding - taps + 1, self.last + padding
        return type(self)(-(-first // stride), last // stride)

    @property
    def halo(self) -> int:
        """Frames heard on either side of frame 0, whose samples were followed to the mel."""
        return max(-self.first, self.last)


@dataclass(frozen=True)
class Geometry:
    """What a vocoder's cuts and memory follow from: known from its config, before it is made."""

    hop: int
    """Samples of a mel frame."""
    halo: int
    """Frames on either side beyond which a frame's samples hear nothing at all."""
    held: int
    """Numbers alive at once at the peak for each mel frame, in the precision of the weights."""
    worked: int = 0
    """And those that are in single precision whatever the weights are in."""
    fixed: int = 0
    """Numbers of the largest weight: libraries lay it out anew, and keep two copies meanwhile."""

    def bytes(self, rows: int, frames: int, itemsize: int = 4) -> int:
        """At most, while (rows, frames) go through; the weights, and a card's workspaces, are not in it."""
        return rows * frames * (self.held * itemsize + self.worked * 4) + 2 * self.fixed * itemsize


class Generator(nn.Module):
    """What every vocoder is: takes mel (B, M, T) and gives samples (B, hop * T) in single precision."""

    def __init__(self, sample_rate: int, geometry: Geometry) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.geometry = geometry

    @property
    def hop(self) -> int:
        return self.geometry.hop

    @property
    def halo(self) -> int:
        return self.geometry.halo


class Conv1d(nn.Conv1d):
    """nn.Conv1d on (B, I, 1, T), with its state dict."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, 1, T) -> (B, O, 1, T less dilation * (K - 1), plus the padding)"""
        weight, bias = self.weight[:, :, None], self.bias  # (O, I, 1, K)
        if bias is not None:
            bias = bias.to(weight.dtype)
        padding, dilation = (0, int(self.padding[0])), (1, self.dilation[0])
        return F.conv2d(x, weight, bias, padding=padding, dilation=dilation)


class ConvTranspose1d(nn.ConvTranspose1d):
    """nn.ConvTranspose1d on (B, I, 1, T), with its state dict."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, I, 1, T) -> (B, O, 1, stride * T), with the paddings that the vocoders have"""
        weight, bias = self.weight[:, :, None], self.bias  # (I, O, 1, K)
        if bias is not None:
            bias = bias.to(weight.dtype)
        stride, padding = (1, self.stride[0]), (0, int(self.padding[0]))
        return F.conv_transpose2d(x, weight, bias, stride, padding, (0, self.output_padding[0]))


def same(channels_in: int, channels_out: int, taps: int, dilation: int = 1, *, bias: bool = True) -> Conv1d:
    """A convolution whose output is as long as its input, beyond which it reads zeros."""
    padding = (taps - 1) * dilation // 2
    return Conv1d(channels_in, channels_out, taps, dilation=dilation, padding=padding, bias=bias)


def stages(rates: Sequence[int], taps: Sequence[int], width: int) -> Iterator[tuple[int, int, int, int]]:
    """Stride and taps of each upsampling, its channels before and after: half as many.

    Raises Rejected: a stage whose output would not be stride times as long as its input.
    """
    for stride, kernel in zip(rates, taps, strict=True):
        if kernel < stride or (kernel - stride) % 2:
            raise Rejected(
                "The vocoder's config upsamples by {stride} with {taps} taps. What is known here are as many "
                "or more, and both even or both odd.",
                stride=stride,
                taps=kernel,
            )
        yield stride, kernel, width, width // 2
        width //= 2


def picture(mel: Tensor, dtype: torch.dtype) -> Tensor:
    """mel (B, I, T) -> (B, I, 1, T) in channels-last memory"""
    return mel.to(dtype)[:, :, None].contiguous(memory_format=torch.channels_last)
