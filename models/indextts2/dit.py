"""DiT: the net that says where noise must move to become a mel.

This is the net as it is written down, padded and masked, in one dtype throughout. `packed.py` has the same
numbers without padding and with all that steps have in common computed once; sampling uses that.

Letters: B rows, T mel frames, M mel bands, C content_dim, S style_dim, D hidden_dim, H heads,
W the WaveNet's hidden_dim.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.indextts2.config import DiTConfig, WaveNetConfig

NORM_EPS = 1e-5
FINAL_EPS = 1e-6
WAVES = 128
"""Frequencies of the time embedding."""
ROTARY_BASE = 10000.0


class DiT(nn.Module):
    def __init__(self, config: DiTConfig, wavenet: WaveNetConfig) -> None:
        super().__init__()
        width, bands, waves = config.hidden_dim, config.in_channels, wavenet.hidden_dim
        self.config = config
        self.t_embedder = TimeEmbedder(width)
        self.t_embedder2 = TimeEmbedder(waves)
        self.cond_projection = nn.Linear(config.content_dim, width)
        self.cond_x_merge_linear = nn.Linear(2 * bands + width + config.style_dim, width)
        self.transformer = Transformer(config)
        self.skip_linear = nn.Linear(width + bands, width)
        self.conv1 = nn.Linear(width, waves)
        self.wavenet = WaveNet(wavenet)
        self.res_projection = nn.Linear(width, waves)
        self.final_layer = FinalLayer(width, waves)
        self.conv2 = nn.Conv1d(waves, bands, 1)

    def forward(
        self, x: Tensor, prompt: Tensor, style: Tensor, mu: Tensor, t: Tensor, lengths: Tensor
    ) -> Tensor:
        """x, prompt (B, M, T), style (B, S), mu (B, T, C), t (B,) in 0…1, lengths (B,) -> velocity (B, M, T)

        A row's answer is the one it has alone, whatever its padding holds; there the answer is 0.
        """
        real = torch.arange(x.shape[2], device=x.device) < lengths[:, None]  # (B, T)
        x = x.mT  # (B, T, M)
        style = style[:, None].expand(-1, x.shape[1], -1)  # (B, T, S)
        given = torch.cat([x, prompt.mT, self.cond_projection(mu), style], 2)  # (B, T, 2M + D + S)
        time = self.t_embedder(t)  # (B, D)
        h = self.transformer(self.cond_x_merge_linear(given), time, real)  # (B, T, D)
        h = self.skip_linear(torch.cat([h, x], 2))
        y = self.wavenet(self.conv1(h), self.t_embedder2(t), lengths)  # (B, T, W)
        y = self.final_layer(y + self.res_projection(h), time)
        return cast(Tensor, self.conv2(y.mT)) * real[:, None]  # (B, M, T)


class TimeEmbedder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """t (B,) -> (B, width)"""
        return cast(Tensor, self.mlp(time_waves(t).to(next(self.parameters()).dtype)))


def time_waves(t: Tensor) -> Tensor:
    """t (B,) in 0…1 -> cosines and sines (B, 256), float32"""
    exponents = torch.arange(WAVES, dtype=torch.float32, device=t.device) / WAVES
    angles = 1000 * t.float()[:, None] * torch.exp(-math.log(10000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], 1)


def turns(positions: Tensor, size: int) -> Tensor:
    """positions (T,) -> how far each pair of a head's `size` channels is turned (T, size / 2), complex64"""
    exponents = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
    angles = positions.float()[:, None] * ROTARY_BASE**-exponents
    return torch.polar(torch.ones_like(angles), angles)


def turned(heads: Tensor, turn: Tensor) -> Tensor:
    """heads (…, T, H, size), turn (T, size / 2) -> the same shape; neighbouring channels are a pair"""
    pairs = torch.view_as_complex(torch.unflatten(heads.float(), -1, (-1, 2)))
    return torch.view_as_real(pairs * turn[:, None]).flatten(-2).type_as(heads)


class AdaNorm(nn.Module):
    """RMSNorm whose scale and shift the time gives. No "1 +" before the scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project_layer = nn.Linear(width, 2 * width)
        self.norm = nn.RMSNorm(width, NORM_EPS)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """h (B, T, D), time (B, D) -> (B, T, D)"""
        scale, shift = cast(Tensor, self.project_layer(time))[:, None].chunk(2, 2)
        return scale * cast(Tensor, self.norm(h)) + shift


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.wqkv = nn.Linear(width, 3 * width, bias=False)
        self.wo = nn.Linear(width, width, bias=False)

    def forward(self, h: Tensor, real: Tensor) -> Tensor:
        """h (B, T, D), real (B, T) -> (B, T, D); nobody looks at padding"""
        qkv = torch.unflatten(self.wqkv(h), 2, (3, self.heads, -1))  # (B, T, 3, H, D/H)
        turn = turns(torch.arange(h.shape[1], device=h.device), qkv.shape[-1])
        q, k, v = qkv.unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (turned(q, turn), turned(k, turn), v))
        seen = F.scaled_dot_product_attention(q, k, v, real[:, None, None])  # (B, H, T, D/H)
        return cast(Tensor, self.wo(seen.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner = inner_width(width)
        self.w1 = nn.Linear(width, inner, bias=False)
        self.w3 = nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, width, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        return cast(Tensor, self.w2(F.silu(self.w1(h)) * self.w3(h)))


def inner_width(width: int) -> int:
    """Two thirds of four times the width, up to the next multiple of 256."""
    return -(-(8 * width // 3) // 256) * 256


class Block(nn.Module):
    def __init__(self, width: int, heads: int, looks_back: bool) -> None:
        super().__init__()
        self.attention_norm = AdaNorm(width)
        self.attention = Attention(width, heads)
        self.ffn_norm = AdaNorm(width)
        self.feed_forward = FeedForward(width)
        self.skip_in_linear = nn.Linear(2 * width, width) if looks_back else None

    def forward(self, h: Tensor, time: Tensor, real: Tensor, earlier: Tensor | None) -> Tensor:
        """h (B, T, D), time (B, D), real (B, T), earlier like h where the block looks back -> (B, T, D)"""
        if self.skip_in_linear is not None and earlier is not None:
            h = self.skip_in_linear(torch.cat([h, earlier], 2))
        h = h + self.attention(self.attention_norm(h, time), real)
        return h + cast(Tensor, self.feed_forward(self.ffn_norm(h, time)))


class Transformer(nn.Module):
    """Blocks of which those behind the middle look back at those before it, the last one at the first."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        half = config.depth // 2
        self.layers = nn.ModuleList(
            Block(config.hidden_dim, config.num_heads, looks_back=i > half) for i in range(config.depth)
        )
        self.norm = AdaNorm(config.hidden_dim)

    @property
    def blocks(self) -> list[Block]:
        return [cast(Block, layer) for layer in self.layers]

    def forward(self, h: Tensor, time: Tensor, real: Tensor) -> Tensor:
        """h (B, T, D), time (B, D), real (B, T) -> (B, T, D)"""
        half = len(self.layers) // 2
        earlier: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            h = block(h, time, real, earlier.pop() if i > half else None)
            if i < half:
                earlier.append(h)
        return cast(Tensor, self.norm(h, time))


class WaveNet(nn.Module):
    """Raises ValueError: dilated convolutions, which no known checkpoint has."""

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        if config.dilation_rate != 1:
            raise ValueError(f"the WaveNet's dilation rate is {config.dilation_rate}, not 1")
        width, count = config.hidden_dim, config.num_layers
        self.margin = config.kernel_size // 2
        self.reach = count * self.margin
        self.in_layers = nn.ModuleList(nn.Conv1d(width, 2 * width, config.kernel_size) for _ in range(count))
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(width, 2 * width if i < count - 1 else width, 1) for i in range(count)
        )
        self.cond_layer = nn.Conv1d(width, 2 * width * count, 1)

    @property
    def layers(self) -> list[tuple[nn.Conv1d, nn.Conv1d]]:
        """Each one's convolution, and what mixes its channels afterwards."""
        pairs = zip(self.in_layers, self.res_skip_layers, strict=True)
        return [(cast(nn.Conv1d, conv), cast(nn.Conv1d, mix)) for conv, mix in pairs]

    def forward(self, y: Tensor, time: Tensor, lengths: Tensor) -> Tensor:
        """y (B, T, W), time (B, W), lengths (B,) -> (B, T, W); each row mirrored at its own ends"""
        gates = cast(Tensor, self.cond_layer(time[..., None])).chunk(len(self.layers), 1)  # each (B, 2W, 1)
        width = y.shape[2]
        source = mirrored(y.shape[1], self.margin, lengths)[:, None].expand(-1, width, -1)
        y = y.mT  # (B, W, T)
        out = torch.zeros_like(y)
        for (conv, mix), gate in zip(self.layers, gates, strict=True):
            a, b = (conv(y.gather(2, source)) + gate).chunk(2, 1)
            mixed = mix(a.tanh() * b.sigmoid())  # (B, 2W, T), the last one (B, W, T)
            out = out + mixed[:, -width:]
            y = y + mixed[:, :width]
        return out.mT


def mirrored(frames: int, margin: int, lengths: Tensor) -> Tensor:
    """Where each of T + 2·margin frames of rows mirrored at their own ends comes from: (B, T + 2·margin)

    A row too short for that is mirrored as far as it goes.
    """
    last = lengths[:, None] - 1
    place = torch.arange(-margin, frames + margin, device=lengths.device).abs()  # (T + 2·margin,)
    place = torch.where(place > last, 2 * last - place, place)  # (B, T + 2·margin)
    return place.clamp_min(0).minimum(last)


class FinalLayer(nn.Module):
    def __init__(self, width: int, waves: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(waves, FINAL_EPS, elementwise_affine=False)
        self.linear = nn.Linear(waves, waves)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * waves))

    def forward(self, y: Tensor, time: Tensor) -> Tensor:
        """y (B, T, W), time (B, D) -> (B, T, W)"""
        shift, scale = cast(Tensor, self.adaLN_modulation(time))[:, None].chunk(2, 2)
        return cast(Tensor, self.linear(self.norm_final(y) * (1 + scale) + shift))
