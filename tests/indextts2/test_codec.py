from functools import cache

import torch
from torch import Tensor

from models.indextts2.codec import Codec
from models.indextts2.config import CodecConfig
from models.indextts2.weights import fold
from tests.indextts2 import truth
from tests.indextts2.recipe import manifest, official, state


def read(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return fold({key: tensor for key, tensor in weights.items() if not key.startswith("decoder.")})


@cache
def codec() -> Codec:
    codec = Codec(CodecConfig(**truth.said("semantic_codec")["config"]))
    codec.load_state_dict(read(state(manifest("codec_tiny"), "codec")), strict=True)
    return codec.requires_grad_(False)


@cache
def known() -> dict[str, Tensor]:
    return truth.tensors("semantic_codec")


def test_the_encoder() -> None:
    truth.near(codec().encoder(known()["feat"]), known()["encoder_out"])


def test_features_become_the_reference_s_codes_and_their_vectors() -> None:
    codes, quantized = codec().encode(known()["feat"])

    assert torch.equal(codes, known()["indices"])
    truth.near(quantized, known()["quantized"])


def test_codes_become_vectors_whatever_else_is_in_the_batch() -> None:
    codes = known()["indices"]
    batch = torch.cat([codes, codes.flip(1), torch.zeros_like(codes)])

    vectors = codec().vectors(batch)

    truth.near(vectors[:1].transpose(1, 2), known()["vq2emb"])
    truth.near(vectors[1:2].flip(1).transpose(1, 2), known()["vq2emb"])


def test_the_keys_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        expected = read({key: torch.empty(shape) for key, shape in official("semantic_codec").items()})
        found = Codec(CodecConfig(8192, 1024, 8, 384, 2048, 12)).state_dict()

    assert {key: tensor.shape for key, tensor in found.items()} == {
        key: tensor.shape for key, tensor in expected.items()
    }
