"""The search with beams, fed with the logits that the reference recorded."""

import pytest
import torch

from models.indextts2.beams import Beams
from models.indextts2.config import GPTConfig
from tests.indextts2.replays import BEAMS, LIMIT, Replay
from tests.indextts2.truth import near, said


@pytest.fixture(scope="module")
def config() -> GPTConfig:
    return GPTConfig.read(said("gpt_tiny_forward")["config"])


@pytest.mark.parametrize("replay", BEAMS, ids=str)
def test_every_step_of_a_search_is_the_references(replay: Replay, config: GPTConfig) -> None:
    beams = Beams(replay.sampling, config, LIMIT, torch.Generator().manual_seed(replay.seed))
    goes_on = True
    for logits, expected in zip(replay.recorded("logits"), replay.recorded("scores"), strict=True):
        assert goes_on
        allowed, scores = torch.isfinite(expected), beams.scores(logits)
        assert torch.equal(torch.isfinite(scores), allowed)
        near(scores[allowed], expected[allowed], 1e-6)
        goes_on = beams.advance(logits) is not None
    assert not goes_on
    assert beams.best.codes == replay.codes
    assert beams.best.stopped == replay.stopped
    if (value := replay.value) is not None:
        assert beams.best.value == pytest.approx(value, rel=1e-6)
