import random

import pytest
import torch
from torch.nn import functional as F

from models.indextts2.config import RegulatorConfig
from models.indextts2.regulator import (
    PLAIN,
    LengthRegulator,
    frames_lasting,
    latent_projection,
    n_frames,
    nearest,
    stretch,
)
from tests.indextts2 import flow
from tests.indextts2.recipe import manifest, official, state
from tests.indextts2.truth import near, tensors

HOP_S = 256 / 22050
OFFICIAL = RegulatorConfig(512, 1024, 4, 2048)


@pytest.mark.parametrize("frames", [29, 17, 9])
def test_content_is_stretched_and_squeezed_as_in_the_reference(frames: int) -> None:
    truth = tensors("length_regulator")
    stretched = flow.regulator()(truth["x"], torch.tensor([17]), torch.tensor([frames]))
    near(stretched, truth[f"y_{frames}"])


@pytest.mark.parametrize("occurrence", ["", "#1"])
def test_voice_and_text_of_the_pipeline_are_stretched_as_in_the_reference(occurrence: str) -> None:
    truth = tensors("pipeline_default")
    given, expected = truth[f"length_regulator_in{occurrence}"], truth[f"length_regulator_out{occurrence}"]
    lengths = torch.tensor([given.shape[1]]), torch.tensor([expected.shape[1]])
    near(flow.pipeline_regulator()(given, *lengths), expected, 3e-6)


def test_what_the_text_model_meant_is_projected_as_in_the_reference() -> None:
    truth = tensors("gpt_layer_full")
    projection = latent_projection(1280).requires_grad_(False)
    projection.load_state_dict(state(manifest("pipeline")["gpt_layer"], "gpt_layer"))
    near(projection(truth["x"]), truth["y"])


def test_a_row_is_stretched_as_if_alone() -> None:
    net, chance = flow.regulator(), random.Random(7)
    for _ in range(20):
        codes = [chance.randint(1, 60) for _ in range(chance.randint(2, 6))]
        frames = [max(1, round(n * chance.uniform(0.5, 3.5))) for n in codes]
        x = torch.randn(len(codes), max(codes), 48) * 3  # what lies in the padding must not matter
        together = net(x, torch.tensor(codes), torch.tensor(frames))
        for row, (n, t) in enumerate(zip(codes, frames, strict=True)):
            alone = net(x[row : row + 1, :n], torch.tensor([n]), torch.tensor([t]))
            near(together[row : row + 1, :t], alone, 1e-5)
            assert not together[row, t:].any()


def test_frames_repeat_the_codes_that_a_resize_would_choose() -> None:
    chance = random.Random(3)
    for _ in range(300):
        n, t = chance.randint(1, 1500), chance.randint(1, 4000)
        resized = F.interpolate(torch.arange(float(n))[None, None], size=t)[0, 0].long()
        assert nearest(torch.arange(t), torch.tensor([n]), torch.tensor([t]))[0].equal(resized)


def test_codes_last_the_whole_frames_they_fill() -> None:
    assert all(n_frames(n) == max(1, n * 172 // 100) for n in range(2000))


def test_speech_lasts_as_much_longer_as_asked() -> None:
    assert n_frames(100, 0.5) == 86
    assert n_frames(100, 2.0) == 344
    for n in range(1, 1500, 7):
        for factor in (0.5, 0.75, 0.9, 1.1, 1.25, 2.0):
            assert abs(n_frames(n, factor) - n * 1.72 * factor) <= 1


def test_speech_of_given_seconds_is_less_than_a_frame_off() -> None:
    assert frames_lasting(8.0, 22050, 256) == 689
    for tenths in range(1, 400):
        assert abs(frames_lasting(tenths / 10, 22050, 256) * HOP_S - tenths / 10) <= HOP_S / 2 + 1e-9


def test_how_unusual_a_pace_is_can_be_told() -> None:
    assert stretch(100, n_frames(100)) == pytest.approx(1)
    assert stretch(400, frames_lasting(8.0, 22050, 256)) == pytest.approx(1.0, abs=0.01)
    assert stretch(200, frames_lasting(8.0, 22050, 256)) > PLAIN[1]


def test_the_published_weights_fit() -> None:
    with torch.device("meta"):
        found = {key: list(t.shape) for key, t in LengthRegulator(OFFICIAL).state_dict().items()}
    unread = ("embedding.weight", "mask_token")
    published = {k: v for k, v in official("s2mel.net.length_regulator").items() if k not in unread}
    assert found == published
