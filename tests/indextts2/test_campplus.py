from functools import cache

import pytest
import torch
from torch import Tensor

from models.indextts2.campplus import CAMPPlus
from tests.indextts2 import truth
from tests.indextts2.recipe import manifest, official, state


def read(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    return {key: shape for key, shape in shapes.items() if not key.endswith("num_batches_tracked")}


@cache
def net() -> CAMPPlus:
    net = CAMPPlus()
    net.load_state_dict(state(read(manifest("campplus")), "campplus"), strict=True)
    return net.requires_grad_(False)


@cache
def known() -> dict[str, Tensor]:
    return truth.tensors("campplus_full")


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("x_short", "y_short")])
def test_the_style_of_a_recording_longer_and_shorter_than_a_segment(x: str, y: str) -> None:
    truth.near(net()(known()[x]), known()[y])


def test_the_head_over_frequency_and_time() -> None:
    frames = known()["head_out"].shape[-1]
    truth.near(net().head(known()["x"].transpose(1, 2))[..., :frames], known()["head_out"])


def test_recordings_of_one_length_share_a_batch() -> None:
    pair = torch.cat([known()["x_short"], known()["x"][:, :64]])

    styles = net()(pair)

    for row, alone in zip(styles, pair, strict=True):
        truth.near(row[None], net()(alone[None]))


def test_the_keys_and_shapes_are_the_published_ones() -> None:
    found = {key: list(tensor.shape) for key, tensor in net().state_dict().items()}

    assert found == read(official("campplus_cn_common"))


def test_training_mode_changes_nothing() -> None:
    net().train()

    truth.near(net()(known()["x"]), known()["y"])
