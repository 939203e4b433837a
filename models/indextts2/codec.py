"""The semantic codec (RepCodec of MaskGCT): speech features as codes, and codes as vectors.

B utterances, Tw frames or N codes of 50 Hz, D feature width, C width of the backbone, K width of a code.
Only what inference reads: the decoder stays on disk.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.indextts2.config import CodecConfig

EPS = 1e-6
KERNEL = 7


class ConvNeXt(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, EPS)
        self.pwconv1 = nn.Linear(dim, inner)
        self.pwconv2 = nn.Linear(inner, dim)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, Tw) -> (B, C, Tw)"""
        y: Tensor = self.norm(self.dwconv(x).transpose(1, 2))  # (B, Tw, C)
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)


class Backbone(nn.Module):
    """Vocos's (Siuzdak, arXiv 2306.00814)."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        dim = config.vocos_dim
        self.embed = nn.Conv1d(config.hidden_size, dim, KERNEL, padding=KERNEL // 2)
        self.norm = nn.LayerNorm(dim, EPS)
        self.convnext = nn.ModuleList(
            ConvNeXt(dim, config.vocos_intermediate_dim) for _ in range(config.vocos_num_layers)
        )
        self.final_layer_norm = nn.LayerNorm(dim, EPS)

    def forward(self, features: Tensor) -> Tensor:
        """(B, Tw, D) -> (B, Tw, C)"""
        x = self.embed(features.transpose(1, 2))  # (B, C, Tw)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        return cast(Tensor, self.final_layer_norm(x.transpose(1, 2)))  # (B, Tw, C)


class Quantizer(nn.Module):
    """A code is the row of the codebook that points where the projected frame points."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.in_project = nn.Conv1d(config.hidden_size, config.codebook_dim, 1)
        self.codebook = nn.Embedding(config.codebook_size, config.codebook_dim)
        self.out_project = nn.Conv1d(config.codebook_dim, config.hidden_size, 1)

    def codes(self, encoded: Tensor) -> Tensor:
        """(B, Tw, D) -> (B, Tw) int64"""
        points = self.in_project(encoded.transpose(1, 2)).transpose(1, 2)  # (B, Tw, K)
        likeness = functional.normalize(points, dim=-1) @ functional.normalize(self.codebook.weight).T
        return likeness.argmax(-1)

    def vectors(self, codes: Tensor) -> Tensor:
        """(B, N) -> (B, N, D), from the codebook's rows at their own lengths"""
        rows = self.codebook(codes).transpose(1, 2)  # (B, K, N)
        return cast(Tensor, self.out_project(rows).transpose(1, 2))


class Codec(nn.Module):
    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.encoder = nn.Sequential(Backbone(config), nn.Linear(config.vocos_dim, config.hidden_size))
        self.quantizer = nn.ModuleDict({"quantizers": nn.ModuleList([Quantizer(config)])})

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (1, Tw, D) -> codes (1, Tw), and their vectors (1, Tw, D).

        One recording at a time: convolutions look over the end of a row into its padding.
        """
        codes = self._quantizer.codes(self.encoder(features))
        return codes, self.vectors(codes)

    def vectors(self, codes: Tensor) -> Tensor:
        """(B, N) -> (B, N, D). Each code by itself, so padding does no harm."""
        return self._quantizer.vectors(codes)

    @property
    def _quantizer(self) -> Quantizer:
        return cast(Quantizer, cast(nn.ModuleList, self.quantizer["quantizers"])[0])
