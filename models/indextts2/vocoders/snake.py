"""BigVGAN's activation (arXiv 2206.04658): a periodic function at twice the rate, between low-pass filters.

B rows, C channels, T positions; signals are (B, C, 1, T) in channels-last memory, see layers.py.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.indextts2.parts import low_pass

TAPS = 12
"""Of either filter."""
FILTER: tuple[float, ...] = tuple(low_pass((1, 1, TAPS)).float().flatten().tolist())
PAD = 3
"""Positions that the first filter reads beyond either end."""
BEFORE, AFTER = 5, 6
"""Positions of the doubled rate that the second filter reads beyond the ends."""
CACHED = 2**18
"""Numbers of a stretch that is computed at once on a CPU."""
HEARD = 5
"""Positions that the whole hears on either side."""

Kind = Literal["snakebeta", "snake"]
Wave = Callable[[Tensor, Tensor, Tensor], Tensor]


class Snake(nn.Module):
    """x + sin^2(frequency * x) * depth, for each channel. With `log`, the parameters are logarithms.

    A "snakebeta" has a parameter of its own for the depth, a "snake" takes the frequency's.
    """

    def __init__(self, channels: int, kind: Kind, *, log: bool) -> None:
        super().__init__()
        self.log = log
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels)) if kind == "snakebeta" else None

    def shape(self) -> tuple[Tensor, Tensor]:
        """Frequency and depth, each (C, 1, 1), in single precision."""
        frequency = self.alpha.float()[:, None, None]
        steepness = frequency if self.beta is None else self.beta.float()[:, None, None]
        if self.log:
            frequency, steepness = frequency.exp(), steepness.exp()
        return frequency, 1 / (steepness + 1e-9)


class Activation(nn.Module):
    """The snake at twice the rate, rid of what its own rate cannot hold; ends are repeated.

    It works in single precision whatever the weights are in: half of it has no digits for the phase of a
    loud signal's sine.
    """

    def __init__(self, channels: int, kind: Kind, *, log: bool) -> None:
        super().__init__()
        self.act = Snake(channels, kind, log=log)
        self.wave: Wave | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)"""
        wave = self.wave or (shifted if x.is_cuda else convolved)
        return wave(x, *self.act.shape())


def convolved(x: Tensor, frequency: Tensor, depth: Tensor) -> Tensor:
    """x (B, C, 1, T), frequency and depth (C, 1, 1) -> (B, C, 1, T), by depthwise convolutions: for CPUs.

    In stretches that stay in the cache, each with what its neighbours have to say to it.
    """
    rows, channels, _, length = x.shape
    most = max(CACHED // (rows * channels), 16 * HEARD)
    if length <= most:
        return _convolved(x, frequency, depth)
    out = torch.empty_like(x)
    for start in range(0, length, most):
        before = min(start, HEARD)
        part = _convolved(x[..., start - before : start + most + HEARD], frequency, depth)
        out[..., start : start + most] = part[..., before : before + most]
    return out


def _convolved(x: Tensor, frequency: Tensor, depth: Tensor) -> Tensor:
    rows, channels, _, length = x.shape
    taps = frequency.new_tensor(FILTER).expand(channels, 1, 1, TAPS)
    padded = _empty(rows, channels, PAD + length + PAD, frequency)  # (B, C, 1, T + 6)
    padded[..., PAD:-PAD] = x
    _repeat_ends(padded, PAD, PAD)
    doubled = _empty(rows, channels, BEFORE + 2 * length + AFTER, frequency)  # (B, C, 1, 2 T + 11)
    inner = doubled[..., BEFORE:-AFTER]
    # Between zeros, every second tap meets a sample: six of the twelve make the even positions, six the odd.
    for parity in (0, 1):
        half = 2 * taps[..., 1 - parity :: 2].flip(-1)  # (C, 1, 1, 6)
        between = F.conv2d(padded, half, groups=channels)[..., parity : parity + length]  # (B, C, 1, T)
        sine = (between * frequency).sin_()
        torch.addcmul(between, sine.square_(), depth, out=inner[..., parity::2])
    _repeat_ends(doubled, BEFORE, AFTER)
    return F.conv2d(doubled, taps, stride=(1, 2), groups=channels).to(x.dtype)  # (B, C, 1, T)


def shifted(x: Tensor, frequency: Tensor, depth: Tensor) -> Tensor:
    """What `convolved` gives, by sums of shifted signals, of which a compiler makes two kernels: for GPUs."""
    length = x.shape[3]
    padded = F.pad(x, (PAD, PAD, 0, 0), mode="replicate").float()  # (B, C, 1, T + 6)
    pair = []
    for parity in (0, 1):
        between = _weighted(padded[..., parity:], FILTER[1 - parity :: 2][::-1], length) * 2  # (B, C, 1, T)
        pair.append(between + (between * frequency).sin().square() * depth)
    even, odd = pair
    first, last = even[..., :1].expand(-1, -1, -1, 3), odd[..., -1:].expand(-1, -1, -1, 3)
    even = torch.cat([first[..., :2], even, last], -1)  # (B, C, 1, T + 5)
    odd = torch.cat([first, odd, last[..., :2]], -1)  # (B, C, 1, T + 5)
    return (_weighted(odd, FILTER[::2], length) + _weighted(even, FILTER[1::2], length)).to(x.dtype)


def _weighted(x: Tensor, weights: tuple[float, ...], length: int) -> Tensor:
    """The first `length` positions of `x` and of `x` shifted by one, two, …, weighted and summed."""
    total = x[..., :length] * weights[0]
    for at, weight in enumerate(weights[1:], 1):
        total = total + x[..., at : at + length] * weight
    return total


def _empty(rows: int, channels: int, length: int, like: Tensor) -> Tensor:
    shape = (rows, channels, 1, length)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _repeat_ends(x: Tensor, before: int, after: int) -> None:
    """Write over the ends of `x` what lies next to them. F.pad copies all of it, and slowly if B > 1."""
    x[..., :before] = x[..., before : before + 1]
    x[..., -after:] = x[..., -after - 1 : -after]
