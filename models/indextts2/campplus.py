"""CAM++: how a speaker sounds, as one vector (Wang et al., arXiv 2303.00332).

B recordings, F frames of 100 Hz, T = ceil(F/2) of 50 Hz, C channels. Only for inference: batch
normalisation uses the statistics it has. Pooled over time, so recordings do not share a padded batch.
"""

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

BANDS = 80
STYLE = 192
HEAD = 32  # channels of the two-dimensional head
GROWTH = 32  # channels that each layer of a dense block adds
BOTTLENECK = 4 * GROWTH
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation
SEGMENT = 100  # frames whose mean a layer sees beside that of the whole


class BatchNorm(nn.Module):
    """By stored statistics, with the keys of torch's own and without its counter."""

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, …) -> the same shape"""
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


def _normalised(channels: int, affine: bool = True) -> OrderedDict[str, nn.Module]:
    return OrderedDict(batchnorm=BatchNorm(channels, affine))


def _activated(channels: int) -> nn.Sequential:
    return nn.Sequential(_normalised(channels) | OrderedDict[str, nn.Module](relu=nn.ReLU()))


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut; `stride` is that of the frequencies."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HEAD, HEAD, 3, (stride, 1), 1, bias=False)
        self.bn1 = BatchNorm(HEAD)
        self.conv2 = nn.Conv2d(HEAD, HEAD, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm(HEAD)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.extend([nn.Conv2d(HEAD, HEAD, 1, (stride, 1), bias=False), BatchNorm(HEAD)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, HEAD, H, F) -> (B, HEAD, H / stride, F)"""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Head(nn.Module):
    """Convolutions over frequency and time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, HEAD, 3, 1, 1, bias=False)
        self.bn1 = BatchNorm(HEAD)
        self.layer1 = nn.Sequential(Residual(2), Residual(1))
        self.layer2 = nn.Sequential(Residual(2), Residual(1))
        self.conv2 = nn.Conv2d(HEAD, HEAD, 3, (2, 1), 1, bias=False)
        self.bn2 = BatchNorm(HEAD)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 80, F) -> (B, 320, F)"""
        y = functional.relu(self.bn1(self.conv1(x[:, None])))  # (B, HEAD, 80, F)
        y = self.layer2(self.layer1(y))  # (B, HEAD, 20, F)
        return functional.relu(self.bn2(self.conv2(y))).flatten(1, 2)  # (B, HEAD · 10, F)


class ContextMask(nn.Module):
    """A convolution whose channels are weighed by what the whole and each hundred frames hold on average."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(BOTTLENECK, GROWTH, 3, 1, dilation, dilation, bias=False)
        self.linear1 = nn.Conv1d(BOTTLENECK, BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(BOTTLENECK // 2, GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, BOTTLENECK, T) -> (B, GROWTH, T)"""
        segments = functional.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True)  # (B, BOTTLENECK, ceil(T/100))
        local = segments.repeat_interleave(SEGMENT, -1)[..., : x.shape[-1]]  # (B, BOTTLENECK, T)
        context = functional.relu(self.linear1(x.mean(-1, keepdim=True) + local))
        return cast(Tensor, self.linear_local(x) * torch.sigmoid(self.linear2(context)))


class DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _activated(channels)
        self.linear1 = nn.Conv1d(channels, BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _activated(BOTTLENECK)
        self.cam_layer = ContextMask(dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C + GROWTH, T)"""
        new = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return torch.cat([x, new], 1)


class Unit(nn.Module):
    """A convolution with batch norm and ReLU behind it (`tdnn`), before it (a transit), or neither."""

    def __init__(self, linear: nn.Conv1d, nonlinear: nn.Module, first: bool) -> None:
        super().__init__()
        self.linear = linear
        self.nonlinear = nonlinear
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T_in) -> (B, C_out, T_out)"""
        return cast(Tensor, self.linear(self.nonlinear(x)) if self.first else self.nonlinear(self.linear(x)))


def _xvector() -> nn.Sequential:
    """(B, 320, F) -> (B, 512, T)"""
    channels = 4 * GROWTH
    stages = OrderedDict[str, nn.Module]()
    stages["tdnn"] = Unit(
        nn.Conv1d(HEAD * BANDS // 8, channels, 5, 2, 2, bias=False), _activated(channels), False
    )
    for number, (layers, dilation) in enumerate(BLOCKS, 1):
        stages[f"block{number}"] = nn.Sequential(
            OrderedDict((f"tdnnd{k + 1}", DenseLayer(channels + k * GROWTH, dilation)) for k in range(layers))
        )
        channels += layers * GROWTH
        halved = nn.Conv1d(channels, channels // 2, 1, bias=False)
        stages[f"transit{number}"] = Unit(halved, _activated(channels), True)
        channels //= 2
    stages["out_nonlinear"] = _activated(channels)
    stages["stats"] = Statistics()
    dense = nn.Conv1d(2 * channels, STYLE, 1, bias=False)
    stages["dense"] = Unit(dense, nn.Sequential(_normalised(STYLE, affine=False)), False)
    return nn.Sequential(stages)


class Statistics(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, 2 C, 1), mean and standard deviation over time"""
        return torch.cat([x.mean(-1, keepdim=True), x.std(-1, keepdim=True)], 1)


class CAMPPlus(nn.Module):
    """F must be 3 or more: a standard deviation wants two frames."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head()
        self.xvector = _xvector()

    def forward(self, fbank: Tensor) -> Tensor:
        """Kaldi features less their mean (B, F, 80) -> (B, 192)"""
        return cast(Tensor, self.xvector(self.head(fbank.transpose(1, 2)))[..., 0])
