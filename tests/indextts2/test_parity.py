"""From a recording and a text to samples: what the reference said, from its seeds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.indextts2.checkpoint import Official
from models.indextts2.parity import Reference
from tests.indextts2 import truth

RECORDING = truth.path("spk_24k.wav")
CALLS = ("pipeline_default", "pipeline_segments_beams1")
"""In the order in which they were made: the second finds the voice of the first."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Reference:
    return Reference(Official(checkpoint))


def test_the_samples_are_the_references_to_the_last_bit_but_one(reference: Reference) -> None:
    for call in CALLS:
        said, expected = truth.said(call), truth.tensors(call)["wav_int16"][:, 0].numpy()
        generator = torch.Generator().manual_seed(said["seed"])
        samples = reference.infer(RECORDING, said["text"], generator, **said["kwargs"])
        assert samples.dtype == np.int16
        assert samples.shape == expected.shape  # as many codes in each segment
        assert np.abs(samples.astype(int) - expected).max() <= 1


def test_another_seed_says_it_otherwise(reference: Reference) -> None:
    spoken = [
        reference.infer(
            RECORDING, "你好世界", torch.Generator().manual_seed(seed), max_mel_tokens=12, num_beams=1
        )
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(spoken[0], spoken[1])
    assert spoken[0].shape != spoken[2].shape or not np.array_equal(spoken[0], spoken[2])


def test_an_emotion_and_its_strength_are_heard(reference: Reference) -> None:
    def said(**how: object) -> bytes:
        generator = torch.Generator().manual_seed(3)
        options = {"max_mel_tokens": 6, "num_beams": 1, **how}
        return reference.infer(RECORDING, "你好", generator, **options).tobytes()

    other = truth.path("emo_44k.wav")
    weights = (0.0, 0.8, 0, 0, 0, 0, 0, 0)
    ways = [{}, {"emo_audio_prompt": other}, {"emo_audio_prompt": other, "emo_alpha": 0.5}]
    ways += [{"emo_vector": weights}, {"emo_vector": weights, "emo_alpha": 0.5}]
    for how in ways:
        said(**how)  # it hears the recordings: what follows draws no more than the codes and the noise
    assert len({said(**how) for how in ways}) == len(ways)
