"""What the GPT is told of a recording: the reference's numbers."""

import pytest
import torch
from torch import nn

from models.indextts2.conditioning import Conditioning, Conformer, Perceiver
from models.indextts2.config import ConformerConfig
from tests.indextts2 import nets
from tests.indextts2.recipe import manifest, official, state
from tests.indextts2.truth import near, said, tensors


@pytest.fixture(scope="module")
def conformer() -> Conformer:
    config = said("conformer_perceiver")["config"]["conformer"]
    net = Conformer(
        ConformerConfig(
            config["input_size"],
            config["output_size"],
            config["linear_units"],
            config["heads"],
            config["blocks"],
            perceiver_mult=0.0,
        )
    )
    weights = state(manifest("conformer"), "conformer")
    del weights["embed.pos_enc.pe"]
    net.load_state_dict(weights)
    return net.requires_grad_(False)


@pytest.fixture(scope="module")
def perceiver() -> Perceiver:
    config = said("conformer_perceiver")["config"]["perceiver"]
    net = Perceiver(
        config["dim"], config["dim_context"], config["num_latents"], config["heads"], config["ff_mult"]
    )
    net.load_state_dict(state(manifest("perceiver"), "perceiver"))
    return net.requires_grad_(False)


@pytest.fixture(scope="module")
def tiny() -> Conditioning:
    return nets.conditioning(nets.tiny())


def test_a_recording_is_encoded_as_the_reference_does(conformer: Conformer, perceiver: Perceiver) -> None:
    truth = tensors("conformer_perceiver")
    encoded = conformer(truth["x"][:1])
    near(encoded, truth["y_single"])
    near(perceiver(encoded), truth["perceiver_single"])


def test_a_padded_batch_is_encoded_as_the_reference_does(conformer: Conformer, perceiver: Perceiver) -> None:
    truth = tensors("conformer_perceiver")
    lengths = torch.tensor(said("conformer_perceiver")["config"]["lengths_batch"])
    encoded = conformer(truth["x"], lengths)
    near(encoded, truth["y_batch"])
    valid = conformer.valid(lengths, truth["x"].shape[1])
    assert torch.equal(valid, truth["mask_batch"][:, 0].bool())
    near(perceiver(encoded, valid), truth["perceiver_batch"])


def test_the_shortest_recording_that_can_be_encoded_is_three_frames(conformer: Conformer) -> None:
    assert conformer(torch.ones(1, 3, 40)).shape == (1, 1, 32)
    assert conformer(torch.ones(1, 6, 40)).shape == (1, 2, 32)


def test_voice_and_emotions_are_the_references(tiny: Conditioning) -> None:
    truth = tensors("gpt_tiny_forward")
    own, other = tiny.emotion(truth["spk_cond_emb"]), tiny.emotion(truth["emo_cond_emb"])
    near(tiny.speaker(truth["spk_cond_emb"]), truth["conditioning"])
    near(own, truth["emovec_spk"])
    near(other, truth["emovec_emo"])
    near(tiny.merge(own, other, 0.6), truth["merged_emovec_alpha0_6"])


def test_each_row_may_go_its_own_way_towards_another_emotion(tiny: Conditioning) -> None:
    own, other = torch.tensor([[1.0, 2.0]]).expand(3, 2), torch.tensor([[3.0, 0.0]]).expand(3, 2)
    merged = tiny.merge(own, other, torch.tensor([0.0, 1.0, 1.5]))
    assert merged.tolist() == [[1.0, 2.0], [3.0, 0.0], [4.0, -1.0]]  # beyond the other: alpha is not clamped


def test_the_pipeline_gives_the_gpt_what_the_reference_gave_it() -> None:
    net, truth = nets.conditioning(nets.whole()), tensors("pipeline_default")
    own, echo = net.emotion(truth["cond_emb"]), net.emotion(truth["cond_emb#1"])
    near(net.speaker(truth["cond_emb"]), truth["gpt_conditioning"])
    near(net.merge(own, echo, 1.0), truth["merged_emovec"])


def test_the_official_checkpoint_fits() -> None:
    with torch.device("meta"):
        net = Conditioning(nets.official())
    shapes = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    assert shapes == {key: shape for key, shape in official("gpt").items() if key in shapes}
    counts = {name: _millions(part) for name, part in net.named_children()}
    assert counts == {  # SPEC.md §10
        "conditioning_encoder": 159.25,
        "perceiver_encoder": 19.05,
        "emo_conditioning_encoder": 146.62,
        "emo_perceiver_encoder": 11.02,
        "emovec_layer": 1.31,
        "emo_layer": 1.64,
    }


def _millions(net: nn.Module) -> float:
    return round(sum(weight.numel() for weight in net.parameters()) / 1e6, 2)
