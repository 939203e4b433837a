"""Products with weights that no longer change, kept in the layout that the device multiplies fastest.

Letters: I inputs, O outputs.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """nn.Linear in the weight's dtype, whatever that of its input and bias. weight (O, I)."""

    def forward(self, x: Tensor) -> Tensor:
        """x (..., I) -> (..., O)"""
        return _product(x, self.weight, self.bias)

    def prepare(self) -> None:
        self.weight = _prepared(self.weight)


class Conv1D(nn.Module):
    """What GPT-2 calls so: a linear layer whose weight is (I, O), until it is prepared: then (O, I)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.prepared = False

    def forward(self, x: Tensor) -> Tensor:
        """x (..., I) -> (..., O)"""
        return _product(x, self.weight if self.prepared else self.weight.t(), self.bias)

    def prepare(self) -> None:
        if not self.prepared:
            self.weight, self.prepared = _prepared(self.weight.t()), True


class LayerNorm(nn.LayerNorm):
    """nn.LayerNorm computed and given in float32, whatever the dtypes of its input and weights."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(
            x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps
        )

    def prepare(self) -> None:
        self.float()


def prepare(module: nn.Module) -> None:
    """Lay out the weights of all Linear, Conv1D and LayerNorm in `module` for speed, in place, for good.

    Once they are loaded, on their device and in their dtype: a prepared module can neither be moved nor
    saved. It needs the memory of one more weight meanwhile.

    On a CPU that is oneDNN's blocks. MKL reads a plain weight well for one row, but packs it anew in each
    call for two to some fifty. GPT-2's products, official dimensions, float32, one thread of an EPYC with
    AVX-512: 74, 155, 254, 394 ms with 1, 2, 16, 32 rows from (I, O); 51, 55, 101, 163 ms from blocks.
    """
    for layer in module.modules():
        if isinstance(layer, Linear | Conv1D | LayerNorm):
            layer.prepare()


def multiplied(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (..., I), weight (O, I) contiguous or prepared, bias (O,), all of one dtype -> (..., O)"""
    if _is_onednns(weight):
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))
    return F.linear(x, weight, bias)


def added(to: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """to (N, O), x (N, I), weight (O, I) contiguous -> to + x·weightᵀ (N, O)"""
    if _is_onednns(weight):
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise.binary(x, to, weight, None, "add"))
    return torch.addmm(to, x, weight.t())


def _is_onednns(weight: Tensor) -> bool:
    """oneDNN multiplies float32 on AMD's processors twice as fast as MKL, which torch would ask."""
    if weight.is_mkldnn:
        return True
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()
    return plain and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    bias = None if bias is None else bias.to(weight.dtype)
    return multiplied(x.to(weight.dtype), weight, bias)


def _prepared(weight: Tensor) -> nn.Parameter:
    """weight (O, I) -> the same, ready"""
    if not weight.is_mkldnn:
        weight = weight.detach().contiguous()
        if weight.device.type == "cpu" and _blocks(weight.dtype):
            weight = torch.ops.mkldnn._reorder_linear_weight(weight)
    return nn.Parameter(weight, requires_grad=False)


def _blocks(dtype: torch.dtype) -> bool:
    """Whether this build and this CPU multiply with blocked weights of `dtype`."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return dtype == torch.float32
