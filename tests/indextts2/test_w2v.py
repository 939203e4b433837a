from functools import cache

import pytest
import torch
from torch import Tensor

from models.indextts2.parts import PARTS
from models.indextts2.w2v import W2V, W2VConfig, normalised
from tests.indextts2 import truth
from tests.indextts2.recipe import manifest, official, state


def read(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    omissions = PARTS["w2v"].omissions
    return {
        key: tensor
        for key, tensor in weights.items()
        if not any(omission.covers(key) for omission in omissions)
    }


@cache
def net() -> W2V:
    weights = read(state(manifest("w2v_tiny"), "w2v"))
    net = W2V(W2VConfig.of(weights))
    net.load_state_dict(weights, strict=True)
    return net.requires_grad_(False)


@cache
def known() -> dict[str, Tensor]:
    return truth.tensors("w2vbert_tiny")


def test_the_seventeenth_layer_of_a_recording_whose_last_pair_is_masked() -> None:
    assert known()["mask"][0, -1] == 0

    truth.near(net()(known()["features"], known()["mask"]), known()["hidden17"])


def test_what_is_masked_is_not_heard() -> None:
    louder = known()["features"].clone()
    louder[:, -1] += 100

    hidden = net()(louder, known()["mask"])

    truth.near(hidden[:, :-1], known()["hidden17"][:, :-1])


def test_the_statistics_are_used_as_they_are() -> None:
    hidden = torch.tensor([[[3.0, -1.0]]])

    assert torch.equal(
        normalised(hidden, torch.tensor([1.0, 1.0]), torch.tensor([4.0, 0.25])),
        torch.tensor([[[1.0, -4.0]]]),
    )


def test_the_numbers_of_a_checkpoint_follow_from_its_shapes() -> None:
    assert W2VConfig.of(state(manifest("w2v_tiny"), "w2v")) == W2VConfig(160, 32, 40, 2, 31)


def test_the_keys_and_shapes_are_the_published_ones_up_to_the_seventeenth_layer() -> None:
    with torch.device("meta"):
        expected = read({key: torch.empty(shape) for key, shape in official("w2v_bert_2_0").items()})
        found = W2V(W2VConfig.of(expected)).state_dict()

    assert W2VConfig.of(expected) == W2VConfig()
    assert {key: tensor.shape for key, tensor in found.items()} == {
        key: tensor.shape for key, tensor in expected.items()
    }


def test_a_key_that_is_missing_stops_the_loading() -> None:
    weights = read(state(manifest("w2v_tiny"), "w2v"))
    del weights["encoder.layers.16.final_layer_norm.bias"]

    with pytest.raises(RuntimeError, match="Missing key"):
        W2V(W2VConfig.of(weights)).load_state_dict(weights, strict=True)
