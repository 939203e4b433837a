"""Length regulator: content vectors at the rate of the codes, stretched to the rate of the mel.

Letters: B rows, N codes, T mel frames, I in_channels, C channels.
"""

import torch
from torch import Tensor, nn

from models.indextts2.config import RegulatorConfig

FRAMES_PER_CODE = 1.72
"""86.13 mel frames a second over 50.08 codes a second."""
PLAIN = (0.75, 1.25)
"""Stretching that needs no word of warning."""
EPS = 1e-5


def n_frames(n_codes: int, factor: float = 1.0) -> int:
    """How many mel frames `n_codes` last, 1 at least: floor(n·1.72·factor), multiplied in float32."""
    product = torch.tensor(n_codes, dtype=torch.float32) * FRAMES_PER_CODE * factor
    return max(1, int(product))


def frames_lasting(seconds: float, sample_rate: int, hop: int) -> int:
    """The frames that come nearest to `seconds`, 1 at least; never half a frame away."""
    return max(1, round(seconds * sample_rate / hop))


def stretch(n_codes: int, frames: int) -> float:
    """How much slower than by itself speech of `n_codes` becomes in `frames`; `PLAIN` is unremarkable."""
    return frames / (n_codes * FRAMES_PER_CODE)


def latent_projection(dim: int) -> nn.Sequential:
    """The checkpoint's `gpt_layer`: GPT states (…, dim) -> (…, 1024). Three matrices, nothing between."""
    return nn.Sequential(nn.Linear(dim, 256), nn.Linear(256, 128), nn.Linear(128, 1024))


class LengthRegulator(nn.Module):
    """Nearest frame, then convolutions whose norms look at a whole row: padding must not be seen."""

    def __init__(self, config: RegulatorConfig) -> None:
        super().__init__()
        width = config.channels
        self.content_in_proj = nn.Linear(config.in_channels, width)
        stages: list[nn.Module] = []
        for _ in range(config.convolutions):
            stages += [nn.Conv1d(width, width, 3, padding=1), _RowNorm(width), nn.Mish()]
        self.model = nn.Sequential(*stages, nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor, n_codes: Tensor, n_frames: Tensor) -> Tensor:
        """x (B, N, I), n_codes (B,), n_frames (B,) -> (B, T, C) with T = n_frames.max(); padding is 0"""
        frames = torch.arange(int(n_frames.max()), device=x.device)
        real = (frames < n_frames[:, None])[:, None]  # (B, 1, T)
        source = nearest(frames, n_codes, n_frames)[..., None]  # (B, T, 1)
        x = self.content_in_proj(x)  # (B, N, C)
        x = x.gather(1, source.expand(-1, -1, x.shape[2])).mT * real  # (B, C, T)
        for module in self.model:
            x = (module(x, real) if isinstance(module, _RowNorm) else module(x)) * real
        return x.mT  # (B, T, C)


def nearest(frames: Tensor, n_codes: Tensor, n_frames: Tensor) -> Tensor:
    """frames (T,) -> which code each frame is of (B, T), in float32 as the reference's resize has it."""
    ratio = n_codes.float() / n_frames.float()
    codes = (frames.float() * ratio[:, None]).floor().long()  # (B, T)
    return codes.minimum(n_codes[:, None] - 1)


class _RowNorm(nn.Module):
    """GroupNorm of one group over the row's own frames, in float32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """x (B, C, T) with padding 0, real (B, 1, T) -> (B, C, T); padding is anything"""
        wide = x.float()
        count = real.sum((1, 2), keepdim=True) * x.shape[1]  # (B, 1, 1)
        centred = (wide - wide.sum((1, 2), keepdim=True) / count) * real
        variance = centred.square().sum((1, 2), keepdim=True) / count  # (B, 1, 1)
        normal = centred * (variance + EPS).rsqrt()
        return (normal * self.weight[:, None].float() + self.bias[:, None].float()).type_as(x)
