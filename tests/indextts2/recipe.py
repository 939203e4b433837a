"""Small checkpoints from nothing but key names and shapes: the weights the fixtures were made with."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).parents[1] / "data" / "indextts2"
SALT = 20250908
TABLES = (
    "embedding.weight",
    "emb.weight",
    "codebook.weight",
    "latents",
    "pos_bias_u",
    "pos_bias_v",
    "embedding_table.weight",
    "mask_embedder.weight",
    "embedder.weight",
    "mask_token",
    "masked_spec_embed",
)


def manifest(name: str) -> dict[str, list[int]]:
    """Key -> shape, of one of the manifests among the data."""
    return json.loads((DATA / f"manifest_{name}.json").read_text())


def official(name: str) -> dict[str, list[int]]:
    """Key -> shape at the official dimensions, such as `gpt` or `s2mel.net.cfm`."""
    entries = json.loads((DATA / "official_manifests" / f"{name}.json").read_text())
    return {key: shape for key, (shape, _) in entries.items()}


def state(shapes: dict[str, list[int]], namespace: str) -> dict[str, Tensor]:
    """A state dict: each tensor drawn from its key's checksum, tables that upstream computes computed."""
    return {key: _tensor(f"{namespace}:{key}", tuple(shape)) for key, shape in shapes.items()}


def draw(key: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor called `key` (with its namespace)."""
    random = np.random.RandomState((zlib.crc32(key.encode()) ^ SALT) & 0xFFFFFFFF)
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if last == "running_var":
        return _float(0.5 + random.random_sample(shape))
    return _float(shaped(key, shape, random.standard_normal(shape)))


def shaped(key: str, shape: tuple[int, ...], noise: np.ndarray) -> np.ndarray:
    """`noise` with the mean and spread that keep a net's activations near one."""
    last = key.rsplit(".", 1)[-1]
    if key.endswith("conv_post.weight_g"):
        return 0.06 * (1 + 0.1 * noise)
    if last == "weight_g" or (len(shape) == 1 and last in ("weight", "gamma")):
        return 1 + 0.1 * noise
    if last == "weight_v":
        return noise
    if key.endswith("project_layer.bias"):
        biases = 0.1 * noise
        biases[: shape[0] // 2] += 1
        return biases
    if len(shape) == 1 and last in ("alpha", "beta"):
        return 0.3 * noise
    if len(shape) < 2 or last == "running_mean":
        return 0.1 * noise
    if any(table in key for table in TABLES):
        return 0.3 * noise
    if key.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):  # GPT-2 keeps (in, out)
        return noise / math.sqrt(shape[0])
    return noise / math.sqrt(np.prod(shape[1:])) * (0.7 if key.endswith("mel_head.weight") else 1)


def _tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    if key.endswith(".pe"):
        return _sinusoids(*shape[1:])
    if key.endswith(".filter"):
        return _low_pass()
    if key.endswith(".freqs"):
        return torch.exp(-math.log(10000) * torch.arange(shape[0], dtype=torch.float32) / shape[0])
    if key.endswith(".input_pos"):
        return torch.arange(shape[0])
    return draw(key, shape)


def _sinusoids(length: int, width: int) -> Tensor:
    angles = torch.arange(length)[:, None] * torch.exp(
        torch.arange(0, width, 2) * -(math.log(10000.0) / width)
    )
    return torch.stack([angles.sin(), angles.cos()], -1).reshape(1, length, width)


def _low_pass() -> Tensor:
    """A Kaiser-windowed sinc of 12 taps, cut off at a quarter of the rate, half-width 0.3."""
    attenuation = 2.285 * 5 * math.pi * 1.2 + 7.95
    window = torch.kaiser_window(12, beta=0.1102 * (attenuation - 8.7), periodic=False)
    taps = 0.5 * window * torch.sinc(0.5 * (torch.arange(-6, 6) + 0.5))
    return (taps / taps.sum()).view(1, 1, 12)


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
