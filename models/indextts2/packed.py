"""The DiT without padding: streams laid end to end, and nothing computed twice that steps have in common.

The numbers are those of `dit.py`, but
- what the time alone decides (norms, gates, what shifts add behind a matrix) is a table, a line for a step;
- of the input only the noisy mel changes from step to step;
- matrices with nothing between them are one;
- behind the last block's keys and values only targets are computed, and what of prompts the WaveNet reaches.

Letters: F frames of all streams, E frames behind the last keys, G target frames of all rows, K steps,
M mel bands, C content_dim, S style_dim, D hidden_dim, H heads, I inner width, W the WaveNet's hidden_dim,
L blocks, V layers of the WaveNet.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.indextts2.dit import (
    FINAL_EPS,
    NORM_EPS,
    AdaNorm,
    Block,
    DiT,
    TimeEmbedder,
    time_waves,
    turned,
)
from models.indextts2.linear import added, multiplied
from models.indextts2.streams import Group, Layout, Row


class Times(NamedTuple):
    """What the time decides: a line for each of K steps, or one of the lines."""

    attention_scale: Tensor  # (K, L, D)
    attention_shift: Tensor  # (K, L, 3D)
    ffn_scale: Tensor  # (K, L, D)
    ffn_shift: Tensor  # (K, L, 2I)
    norm_scale: Tensor  # (K, D)
    entry_shift: Tensor  # (K, W)
    out_shift: Tensor  # (K, W)
    gates: Tensor  # (K, V, 2W)
    final_scale: Tensor  # (K, W)
    final_shift: Tensor  # (K, W)

    def at(self, step: int) -> "Times":
        return Times(*(part[step] for part in self))


class _Weights(NamedTuple):
    """A block's. `back`: what takes the block before, what takes the first half's, and their bias."""

    wqkv: Tensor  # (3D, D)
    wo: Tensor  # (D, D)
    w13: Tensor  # (2I, D)
    w2: Tensor  # (D, I)
    back: tuple[Tensor, Tensor, Tensor] | None  # (D, D), (D, D), (D,)

    @classmethod
    def of(cls, block: Block) -> "_Weights":
        attention, ffn, back = block.attention, block.feed_forward, None
        if block.skip_in_linear is not None:
            before, early = block.skip_in_linear.weight.chunk(2, 1)
            back = (before.contiguous(), early.contiguous(), block.skip_in_linear.bias.to(before.dtype))
        w13 = torch.cat([ffn.w1.weight, ffn.w3.weight])
        return cls(attention.wqkv.weight, attention.wo.weight, w13, ffn.w2.weight, back)


class PackedDiT:
    """`dit`, arranged: load, move and convert it before. Matrices give the dtype; biases may be wider."""

    def __init__(self, dit: DiT) -> None:
        self.dit = dit
        weight = dit.cond_x_merge_linear.weight
        self.dtype, self.device = weight.dtype, weight.device
        width, waves = dit.config.hidden_dim, dit.conv1.out_features
        self.blocks = [_Weights.of(block) for block in dit.transformer.blocks]
        self.x_in = weight[:, : dit.config.in_channels].contiguous()  # (D, M)
        skip = dit.skip_linear.weight.float()
        entry, out = dit.conv1.weight.float() @ skip, dit.res_projection.weight.float() @ skip  # (W, D + M)
        self.entry_h, self.entry_x = self._own(entry[:, :width]), self._own(entry[:, width:])
        self.out_h, self.out_x = self._own(out[:, :width]), self._own(out[:, width:])
        layers = dit.wavenet.layers
        self.convolutions = [  # (2W, W, 1, 5)
            conv.weight[:, :, None].contiguous(memory_format=torch.channels_last) for conv, _ in layers
        ]
        self.residuals = [mix.weight[:waves, :, 0] for _, mix in layers[:-1]]  # (W, W)
        self.skips = [mix.weight[-waves:, :, 0] for _, mix in layers]  # (W, W)
        final, final_bias = _floats(dit.final_layer.linear)
        down, down_bias = _floats(dit.conv2)
        self.down = self._own(down @ final)  # (M, W)
        self.down_bias = self._own(down @ final_bias + down_bias)

    def _own(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype).contiguous()

    def times(self, times: Tensor) -> Times:
        """times (K,) in 0…1, float32 -> the table, computed in float32, in the net's dtype"""
        dit = self.dit
        time, other = _embedded(dit.t_embedder, times), _embedded(dit.t_embedder2, times)
        blocks = list(zip(dit.transformer.blocks, self.blocks, strict=True))
        attention = [_modulation(block.attention_norm, time, own.wqkv) for block, own in blocks]
        ffn = [_modulation(block.ffn_norm, time, own.w13) for block, own in blocks]
        norm = _modulation(dit.transformer.norm, time, dit.skip_linear.weight[:, : time.shape[1]])
        skipped = norm[1] + dit.skip_linear.bias.float()  # (K, D)
        gates, rest = self._gates(other)
        shift, scale = _linear32(cast(nn.Linear, dit.final_layer.adaLN_modulation[1]), F.silu(time)).chunk(
            2, 1
        )
        table = Times(
            attention_scale=torch.stack([scale for scale, _ in attention], 1),
            attention_shift=torch.stack([shift for _, shift in attention], 1),
            ffn_scale=torch.stack([scale for scale, _ in ffn], 1),
            ffn_shift=torch.stack([shift for _, shift in ffn], 1),
            norm_scale=norm[0],
            entry_shift=_linear32(dit.conv1, skipped),
            out_shift=_linear32(dit.res_projection, skipped) + rest,
            gates=gates,
            final_scale=1 + scale,
            final_shift=shift,
        )
        return Times(*map(self._own, table))

    def _gates(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """time (K, W) -> biases of the WaveNet's convolutions (K, V, 2W), and of all it gives (W,)

        What a layer adds to every frame alike is a bias behind the next convolution, mirrored ends or not.
        """
        wavenet, waves = self.dit.wavenet, time.shape[1]
        given = _linear32(wavenet.cond_layer, time).chunk(len(wavenet.layers), 1)
        carried = rest = torch.zeros(waves, device=self.device)
        gates = []
        for gate, (conv, mix) in zip(given, wavenet.layers, strict=True):
            _, bias = _floats(conv)
            gates.append(gate + bias + conv.weight.float().sum(2) @ carried)
            _, bias = _floats(mix)
            carried, rest = carried + bias[:waves], rest + bias[-waves:]
        return torch.stack(gates, 1), rest

    def given(self, rows: Sequence[Row], layout: Layout) -> Tensor:
        """What the input of each frame comes to without its noisy mel: (F, D)"""
        config, merge = self.dit.config, self.dit.cond_x_merge_linear
        sizes = [config.in_channels, config.content_dim, config.style_dim]
        parts = []
        for stream in layout.streams:
            mu, mel, style = rows[stream.row]
            if stream.guided:
                mel = F.pad(mel, (0, 0, 0, stream.target))  # (prompt + target, M)
                parts.append(torch.cat([mel, mu, style.expand(stream.frames, -1)], 1))
            else:
                parts.append(mu.new_zeros(stream.frames, sum(sizes)))
        mel, mu, style = torch.split(torch.cat(parts).to(self.dtype), sizes, 1)
        projection = self.dit.cond_projection
        content = F.linear(mu, projection.weight, self._own(projection.bias))  # (F, D)
        rest = torch.cat([mel, content, style], 1)  # (F, M + D + S)
        return F.linear(rest, merge.weight[:, config.in_channels :], self._own(merge.bias))

    def velocity(self, x: Tensor, given: Tensor, times: Times, layout: Layout) -> Tensor:
        """x (G, M) float32, given (F, D), a line of times -> (2G, M) float32: guided streams, then the others

        No shape depends on a value, and the device is not waited for: a CUDA graph can hold it.
        """
        x = F.pad(x.to(self.dtype), (0, 0, 0, 1))  # (G + 1, M): prompts hold zeros
        h = self._transformer(added(given, x[layout.noisy], self.x_in), times, layout)  # (E, D)
        h = _normed(h, times.norm_scale)
        x = x[layout.later_noisy]  # (E, M)
        y = added(multiplied(h, self.entry_h, times.entry_shift), x, self.entry_x)  # (E, W)
        out = added(multiplied(h, self.out_h, times.out_shift), x, self.out_x)
        out = self._wavenet(y, out, times.gates, layout)[layout.answers]  # (2G, W)
        out = F.layer_norm(out, out.shape[1:], times.final_scale, times.final_shift, FINAL_EPS)
        return multiplied(out, self.down, self.down_bias).float()

    def _transformer(self, h: Tensor, times: Times, layout: Layout) -> Tensor:
        """h (F, D) -> (E, D)"""
        half, last = len(self.blocks) // 2, len(self.blocks) - 1
        earlier: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if block.back is not None:
                before, early, bias = block.back
                h = added(multiplied(h, before, bias), earlier.pop(), early)
            look = self._last_attention if i == last else self._attention
            seen = look(_normed(h, times.attention_scale[i]), block.wqkv, times.attention_shift[i], layout)
            h = added(h[layout.later] if i == last else h, seen, block.wo)
            del seen
            wide = multiplied(_normed(h, times.ffn_scale[i]), block.w13, times.ffn_shift[i])
            h = added(h, _swiglu(wide), block.w2)
            del wide
            if i < half:
                earlier.append(h)
        return h

    def _attention(self, h: Tensor, wqkv: Tensor, shift: Tensor, layout: Layout) -> Tensor:
        """h (F, D) -> (F, D)"""
        heads = self.dit.config.num_heads
        qkv = torch.unflatten(multiplied(h, wqkv, shift), 1, (3 * heads, -1))  # (F, 3H, D/H)
        q, k = turned(qkv[:, : 2 * heads], layout.turns).chunk(2, 1)
        return _attended(q, k, qkv[:, 2 * heads :], layout.groups)

    def _last_attention(self, h: Tensor, wqkv: Tensor, shift: Tensor, layout: Layout) -> Tensor:
        """h (F, D) -> (E, D)"""
        heads, width = self.dit.config.num_heads, h.shape[1]
        q = torch.unflatten(multiplied(h[layout.later], wqkv[:width], shift[:width]), 1, (heads, -1))
        kv = torch.unflatten(multiplied(h, wqkv[width:], shift[width:]), 1, (2 * heads, -1))  # (F, 2H, D/H)
        k, v = kv.chunk(2, 1)
        return _attended(turned(q, layout.later_turns), turned(k, layout.turns), v, layout.later_groups)

    def _wavenet(self, y: Tensor, out: Tensor, gates: Tensor, layout: Layout) -> Tensor:
        """y, out (E, W) -> out and what the WaveNet gives (E, W); y's margins are mirrored already"""
        for i, (conv, skip) in enumerate(zip(self.convolutions, self.skips, strict=True)):
            image = y[None, None].permute(0, 3, 1, 2)  # (1, W, 1, E), channels last: no copy
            image = F.conv2d(image, conv, gates[i], padding=(0, self.dit.wavenet.margin))
            a, b = image.permute(0, 2, 3, 1).reshape(len(y), -1).chunk(2, 1)  # (E, W)
            mixed = a.tanh().mul_(b.sigmoid())
            out = added(out, mixed, skip)
            if i < len(self.residuals):
                y = added(y, mixed, self.residuals[i])
                y[layout.margins] = y[layout.mirrors]
        return out


def _embedded(embedder: TimeEmbedder, times: Tensor) -> Tensor:
    """times (K,) -> (K, width), float32"""
    first, _, second = embedder.mlp
    return _linear32(cast(nn.Linear, second), F.silu(_linear32(cast(nn.Linear, first), time_waves(times))))


def _modulation(norm: AdaNorm, time: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    """What to multiply a norm by (K, D), and what its shift comes to behind the matrix `behind` (·, D)."""
    scale, shift = _linear32(norm.project_layer, time).chunk(2, 1)
    return scale * norm.norm.weight.float(), F.linear(shift, behind.float())


def _floats(layer: nn.Linear | nn.Conv1d) -> tuple[Tensor, Tensor]:
    """The first tap's matrix and the bias, float32."""
    weight = layer.weight if layer.weight.dim() == 2 else layer.weight[..., 0]
    return weight.float(), cast(Tensor, layer.bias).float()


def _linear32(layer: nn.Linear | nn.Conv1d, x: Tensor) -> Tensor:
    return F.linear(x, *_floats(layer))


def _normed(h: Tensor, scale: Tensor) -> Tensor:
    """RMSNorm; in half precision, too, its mean is float32."""
    return F.rms_norm(h, scale.shape, scale, NORM_EPS)


def _swiglu(wide: Tensor) -> Tensor:
    """wide (N, 2I) -> (N, I)"""
    a, b = wide.chunk(2, 1)
    return F.silu(a).mul_(b)


def _attended(q: Tensor, k: Tensor, v: Tensor, groups: Sequence[Group]) -> Tensor:
    """q (E, H, D/H), k and v (F, H, D/H) -> (E, D): each stream looks at itself"""
    seen = []
    for streams, query, queries, key, keys in groups:
        one, two, three = (
            torch.unflatten(part[start : start + streams * frames], 0, (streams, frames)).transpose(1, 2)
            for part, start, frames in ((q, query, queries), (k, key, keys), (v, key, keys))
        )  # (streams, H, frames, D/H)
        part = F.scaled_dot_product_attention(one, two, three)
        seen.append(part.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(seen) if len(seen) > 1 else seen[0]
