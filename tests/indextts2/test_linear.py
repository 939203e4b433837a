"""Weights laid out for speed: the same products."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models.indextts2.linear import Conv1D, LayerNorm, Linear, prepare
from tests.indextts2.truth import near

LAYERS = {
    "linear": lambda: Linear(48, 80),
    "linear without bias": lambda: Linear(48, 80, bias=False),
    "GPT-2's": lambda: Conv1D(48, 80),
    "norm": lambda: LayerNorm(48),
}


def filled(net: nn.Module) -> nn.Module:
    random = torch.Generator().manual_seed(0)
    for weight in net.parameters():
        nn.init.normal_(weight, generator=random)
    return net.requires_grad_(False)


def some(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("shape", [(1, 48), (2, 48), (3, 7, 48), (0, 48), (130, 48)], ids=str)
def test_a_prepared_layer_gives_what_it_gave(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    layer, x = filled(make()), some(*shape)
    plain = layer(x)
    prepare(layer)
    prepare(layer)  # once more changes nothing
    assert layer(x).shape == plain.shape
    if x.numel():
        near(layer(x), plain)


def test_gpt2_keeps_its_weights_the_other_way_round() -> None:
    layer, x = filled(Conv1D(48, 80)), some(5, 48)
    near(layer(x), x @ layer.weight + layer.bias)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_layer_works_in_the_dtype_of_its_weight(dtype: torch.dtype) -> None:
    layer, x = filled(Linear(48, 80)), some(5, 48)
    exact = layer(x)
    layer.weight.data = layer.weight.data.to(dtype)
    prepare(layer)
    assert layer(x).dtype == dtype
    near(layer(x), exact, 0.02)


def test_a_norm_is_float32_whatever_it_is_made_of() -> None:
    norm, x = filled(LayerNorm(48)), some(5, 48) * 1e5  # beyond float16
    exact = norm(x)
    norm.half()
    near(norm(x), exact, 2e-3)
    prepare(norm)
    assert norm.weight.dtype == torch.float32
