"""What the speaker and the emotion say to the GPT: two conformers, two perceivers, an emotion vector.

Letters: B recordings, T feature frames (50 Hz), S frames after subsampling (25 Hz), I features, D a module's
width, H heads, N latents.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.indextts2.config import FEATURES, ConformerConfig, GPTConfig

HEAD = 64
"""Width of a perceiver's head."""
KERNEL = 15
"""Frames that a conformer's convolution sees."""


class Conditioning(nn.Module):
    """Both ways from w2v-BERT features to what the GPT is given. No batches of recordings: a convolution's
    bias leaks into padding, so a shorter recording would not give what it gives alone."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width, speaker, emotion = config.model_dim, config.speaker, config.emotion
        self.conditioning_encoder = Conformer(speaker)
        self.perceiver_encoder = Perceiver(
            width, speaker.output_size, config.latents, speaker.attention_heads, speaker.perceiver_mult
        )
        self.emo_conditioning_encoder = Conformer(emotion)
        self.emo_perceiver_encoder = Perceiver(
            FEATURES, emotion.output_size, 1, emotion.attention_heads, emotion.perceiver_mult
        )
        self.emovec_layer = nn.Linear(FEATURES, width)
        self.emo_layer = nn.Linear(width, width)

    @torch.no_grad()
    def speaker(self, features: Tensor) -> Tensor:
        """features (1, T, I) of the speaker's recording, T >= 3 -> (1, N, D): what the voice is"""
        latents: Tensor = self.perceiver_encoder(self.conditioning_encoder(features))
        return latents

    @torch.no_grad()
    def emotion(self, features: Tensor) -> Tensor:
        """features (1, T, I) of any recording, T >= 3 -> (1, D): its emotion vector"""
        latents: Tensor = self.emo_perceiver_encoder(self.emo_conditioning_encoder(features))  # (1, 1, I)
        vector: Tensor = self.emo_layer(self.emovec_layer(latents[:, 0]))  # (1, D)
        return vector

    @staticmethod
    def merge(own: Tensor, other: Tensor, alpha: Tensor | float) -> Tensor:
        """From the speaker's own emotion vector (B, D) towards another's (B, D) by alpha, (B,) or one for
        all, which is not clamped -> (B, D)"""
        share = torch.as_tensor(alpha, dtype=own.dtype, device=own.device)
        return own + share.view(-1, 1) * (other - own)


class Conformer(nn.Module):
    """A pre-norm conformer without macaron halves. Its attention scores the key's *absolute* position: the
    relative shift of Transformer-XL is left out, as in the model's training."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width = config.output_size
        self.embed = _Subsampling(config.input_size, width)
        self.encoders = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.after_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """x (B, T, I), lengths (B,) when they differ -> (B, S, D), S = (T - 3) // 2 + 1"""
        valid = self.valid(lengths, x.shape[1]) if lengths is not None else None  # (B, S)
        x = self.embed(x)  # (B, S, D)
        positions = sinusoids(x.shape[1], x.shape[2]).to(x)  # (S, D)
        for block in self.encoders:
            x = block(x, positions, valid)
        x = self.after_norm(x)
        return x

    @staticmethod
    def valid(lengths: Tensor, frames: int) -> Tensor:
        """lengths (B,) of T = `frames` -> (B, S) bool: which frames are left after subsampling"""
        inside = torch.arange(frames, device=lengths.device) < lengths[:, None]  # (B, T)
        return inside[:, 2::2]  # (B, S)


class _Subsampling(nn.Module):
    """Each output frame sees three input frames and lies two after the one before."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, width, 3, stride=2), nn.ReLU(inplace=True))
        self.out = nn.Sequential(nn.Linear(width * ((inputs - 1) // 2), width))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, I) -> (B, S, D)"""
        x = self.conv(x[:, None])  # (B, D, S, I')
        x = x.transpose(1, 2).flatten(2)  # (B, S, D I')
        x = self.out(x)  # (B, S, D)
        return x * math.sqrt(x.shape[-1])


class _Block(nn.Module):
    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width = config.output_size
        self.self_attn = _Attention(width, config.attention_heads)
        self.conv_module = _Convolution(width)
        self.feed_forward = _FeedForward(width, config.linear_units)
        self.norm_mha = nn.LayerNorm(width)
        self.norm_conv = nn.LayerNorm(width)
        self.norm_ff = nn.LayerNorm(width)
        self.norm_final = nn.LayerNorm(width)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """x (B, S, D), positions (S, D), valid (B, S) -> (B, S, D)"""
        x = x + self.self_attn(self.norm_mha(x), positions, valid)
        x = x + self.conv_module(self.norm_conv(x), valid)
        x = x + self.feed_forward(self.norm_ff(x))
        x = self.norm_final(x)
        return x


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.pos_bias_u = nn.Parameter(torch.empty(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, width // heads))
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """x (B, S, D), positions (S, D), valid (B, S) -> (B, S, D)"""
        heads = len(self.pos_bias_u)
        query = self.linear_q(x).view(*x.shape[:-1], heads, -1)  # (B, S, H, D/H)
        key = _by_head(self.linear_k(x), heads)  # (B, H, S, D/H)
        value = _by_head(self.linear_v(x), heads)
        place = _by_head(self.linear_pos(positions), heads)  # (H, S, D/H)
        by_content = (query + self.pos_bias_u).transpose(1, 2) @ key.transpose(-1, -2)  # (B, H, S, S)
        by_place = (query + self.pos_bias_v).transpose(1, 2) @ place.transpose(-1, -2)
        scores = (by_content + by_place) / math.sqrt(query.shape[-1])
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None, None], -torch.inf)
        x = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)  # (B, S, D)
        x = self.linear_out(x)
        return x


class _Convolution(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """x (B, S, D), valid (B, S) -> (B, S, D)"""
        x = _silenced(x, valid).transpose(1, 2)  # (B, D, S)
        x = self.depthwise_conv(F.glu(self.pointwise_conv1(x), 1))
        x = F.silu(self.norm(x.transpose(1, 2)))  # (B, S, D)
        x = self.pointwise_conv2(x.transpose(1, 2)).transpose(1, 2)
        return _silenced(x, valid)


class _FeedForward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, inner)
        self.w_2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.w_2(F.silu(self.w_1(x)))
        return x


class Perceiver(nn.Module):
    """Learnt latents that read a context of any length (Perceiver IO's resampler), two layers."""

    def __init__(self, dim: int, context: int, latents: int, heads: int, mult: float) -> None:
        super().__init__()
        inner = int(dim * mult * 2 / 3)
        self.latents = nn.Parameter(torch.empty(latents, dim))
        self.proj_context = nn.Linear(context, dim)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    _CrossAttention(dim, heads),
                    nn.Sequential(nn.Linear(dim, 2 * inner), _GEGLU(), nn.Linear(inner, dim)),
                ]
            )
            for _ in range(2)
        )
        self.norm = _RMSNorm(dim)

    def forward(self, context: Tensor, valid: Tensor | None = None) -> Tensor:
        """context (B, S, C), valid (B, S) when not all of it -> (B, N, D)"""
        context = self.proj_context(context)  # (B, S, D)
        x: Tensor = self.latents.expand(len(context), -1, -1)  # (B, N, D)
        if valid is not None:
            valid = F.pad(valid, (len(self.latents), 0), value=True)  # (B, N + S)
        for layer in self.layers:
            attend, feed_forward = layer.children()
            x = x + attend(x, context, valid)
            x = x + feed_forward(x)
        x = self.norm(x)
        return x


class _CrossAttention(nn.Module):
    """Latents that read themselves and the context."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, heads * HEAD, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * HEAD, bias=False)
        self.to_out = nn.Linear(heads * HEAD, dim, bias=False)

    def forward(self, x: Tensor, context: Tensor, valid: Tensor | None) -> Tensor:
        """x (B, N, D), context (B, S, D), valid (B, N + S) -> (B, N, D)"""
        key, value = self.to_kv(torch.cat([x, context], 1)).chunk(2, -1)  # (B, N + S, H 64)
        x = F.scaled_dot_product_attention(
            _by_head(self.to_q(x), self.heads),
            _by_head(key, self.heads),
            _by_head(value, self.heads),
            attn_mask=valid[:, None, None] if valid is not None else None,
        )  # (B, H, N, 64)
        x = self.to_out(x.transpose(1, 2).flatten(2))  # (B, N, D)
        return x


class _GEGLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """x (..., 2 D) -> (..., D)"""
        content, gate = x.chunk(2, -1)
        x = content * F.gelu(gate)
        return x


class _RMSNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1) * math.sqrt(x.shape[-1]) * self.gamma


def sinusoids(length: int, width: int) -> Tensor:
    """(S, D) float32: the sine of the position at D/2 rates in the even columns, its cosine in the odd."""
    rates = torch.exp(torch.arange(0, width, 2) * -(math.log(10000.0) / width))  # (D/2,)
    angles = torch.arange(length)[:, None] * rates  # (S, D/2)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """x (..., S, D) -> (..., H, S, D/H)"""
    return x.view(*x.shape[:-1], heads, -1).transpose(-2, -3)


def _silenced(x: Tensor, valid: Tensor | None) -> Tensor:
    """x (B, S, D), valid (B, S) -> x with zeros where it is not valid"""
    return x if valid is None else x.masked_fill(~valid[..., None], 0)
