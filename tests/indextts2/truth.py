"""The reference's inputs and outputs, and how near is near."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from tests.indextts2.recipe import DATA


def tensors(name: str) -> dict[str, Tensor]:
    """What the reference took and gave, by name: `tensors("cfm_dit")["mu"]`."""
    with safe_open(DATA / f"{name}.safetensors", "pt") as opened:
        return {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118


def said(name: str) -> dict[str, Any]:
    """What the file says of itself: its config, the call, the seed."""
    with safe_open(DATA / f"{name}.safetensors", "pt") as opened:
        return {key: json.loads(value) for key, value in (opened.metadata() or {}).items()}


def error(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest expected value."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} is not {tuple(expected.shape)}"
    difference = (actual.double() - expected.double()).abs().max()
    return float(difference / expected.double().abs().max().clamp_min(torch.finfo(torch.float32).tiny))


def near(actual: Tensor, expected: Tensor, share: float = 2e-5) -> None:
    """Fail unless they differ by no more than `share` of the largest expected value."""
    assert error(actual, expected) <= share


def path(name: str) -> Path:
    return DATA / name
