"""What a machine can do: measured in the same run as the nets, with the same threads."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.bench.figures import Figure

READ = {"cpu": 2**29, "cuda": 2**32}
"""Bytes that are read: more than any cache holds."""
SIDE = {"cpu": 4096, "cuda": 8192}
"""Of the square matrices that are multiplied."""


@dataclass(frozen=True)
class Yardsticks:
    """`read` in bytes a second; `multiplied` in floating point operations a second, in the nets' dtype."""

    read: float
    multiplied: float

    def figures(self, dtype: torch.dtype) -> list[Figure]:
        name = str(dtype).removeprefix("torch.")
        return [
            Figure("read bandwidth", self.read / 1e9, "GB/s", said="a sum over float32"),
            Figure(f"matrix product, {name}", self.multiplied / 1e9, "GFLOP/s", said="the quickest way"),
        ]


def quickest(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Seconds of the quickest of `repeats` calls."""
    return min(once(call, device) for _ in range(repeats))


def once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds until what `call` started on the device is done."""
    wait(device)
    since = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - since


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def measure(device: torch.device, dtype: torch.dtype, repeats: int, shrink: int = 1) -> Yardsticks:
    """`shrink` divides the bytes and the matrices' sides: for a test."""
    numbers = torch.randn(READ[device.type] // 4 // shrink, device=device)
    read = numbers.nbytes / quickest(numbers.sum, repeats + 1, device)
    del numbers
    side = SIDE[device.type] // shrink
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    ways = [lambda: one @ other]
    if device.type == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        ways.append(lambda: _onednn(one, other))
    best = min(quickest(way, repeats + 1, device) for way in ways)
    return Yardsticks(read, 2 * side**3 / best)


def _onednn(one: Tensor, other: Tensor) -> Tensor:
    """What torch.mm would be if it asked oneDNN: on AMD's processors the quicker of the two libraries."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(one, other, None, "none", [], "")
    return product


def torchs(device: torch.device) -> dict[str, Any]:
    """What of torch and its device the figures depend on."""
    found: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": str(torch.__version__)}
    if device.type == "cuda":
        found |= {
            "card": torch.cuda.get_device_name(device),
            "card_gib": round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1),
            # In float32 they decide what is measured.
            "tf32": {
                "products": torch.backends.cuda.matmul.allow_tf32,
                "convolutions": torch.backends.cudnn.allow_tf32,
            },
        }
    return found
