"""`python -m models.bench` in little, so that it cannot rot; what it measures here means nothing."""

import gc
import json
from dataclasses import replace

import pytest
import torch
import yaml
from click.testing import CliRunner

from models.bench.__main__ import main
from models.bench.figures import Figure
from models.bench.stages import FRAMES, PROMPT, Bench, ar, cfm, flops
from models.bench.yardsticks import Yardsticks, measure
from models.indextts2.checkpoint import DTYPES
from models.indextts2.config import BigVGANConfig, Config
from models.indextts2.drawn import OFFICIAL, OFFICIAL_BIGVGAN, SMALL, SMALL_BIGVGAN, Drawn, voice
from models.indextts2.packed import PackedDiT
from models.indextts2.pipeline import Pipeline
from tests.indextts2.recipe import DATA

CPU = torch.device("cpu")
NETS = ("gpt", "dit", "regulator", "latent_projection", "codec", "bigvgan")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(Drawn(SMALL, SMALL_BIGVGAN), CPU)


def benched(pipeline: Pipeline, read: float = 1e9, **also: object) -> Bench:
    return replace(Bench(pipeline, Yardsticks(read, 1e9), torch.float32, (1, 2), 1, small=True), **also)


def test_every_figure_is_told_with_the_machine_and_without_a_card_that_is_said() -> None:
    parts = [option for part in ("ar", "cfm", "vocoder", "end") for option in ("--only", part)]
    options = [
        *parts,
        "--small",
        "--batch",
        "1",
        "--batch",
        "2",
        "--repeats",
        "1",
        "--device",
        "cpu",
        "--json",
    ]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer.pop("on")["precision"] == "fp32"
    names = {name: [figure["name"] for figure in answer[name]] for name in answer}
    assert names["machine"] == ["read bandwidth", "matrix product, float32"]
    assert names["ar"] == [
        "AR, batch 1",
        "AR, batch 1: of the bandwidth bound",
        "AR, batch 2",
        "AR, batch 2: of the bandwidth bound",
        "AR, batch 2 over batch 1",
    ]
    assert names["cfm"] == [
        "CFM, exact",
        "CFM, exact: of the matrix product's rate",
        "CFM, fast",
        "CFM, draft",
    ]
    assert names["vocoder"] == ["vocoder"]
    assert names["end"] == [
        f"{preset}, batch {rows}" for preset in ("exact", "fast", "draft") for rows in (1, 2)
    ]
    assert names["memory"] == ["peak memory"]
    figures = [figure for name in names for figure in answer[name]]
    assert all(figure["value"] > 0 for figure in figures)
    assert "No GPU here" in result.stderr
    assert "peak memory" in result.stderr


def test_a_bar_is_held_or_missed_from_both_sides() -> None:
    assert Figure("share", 0.5, least=0.45).holds
    assert Figure("vocoder", 1.2, "s/s", most=1.1).holds is False
    assert Figure("told", 1, "s").holds is None


def test_bars_are_for_the_official_dimensions_in_float32_on_a_processor(pipeline: Pipeline) -> None:
    bench = benched(pipeline, small=False)
    assert bench.bar(0.45) == 0.45
    assert replace(bench, small=True).bar(0.45) is None
    assert replace(bench, dtype=torch.bfloat16).bar(0.45) is None


def test_a_bar_that_is_missed_says_so_and_fails(pipeline: Pipeline) -> None:
    figures = {figure.name: figure for figure in ar(benched(pipeline, read=1e18, small=False))}
    assert figures["AR, batch 1: of the bandwidth bound"].holds is False


def test_what_is_measured_has_the_official_numbers() -> None:
    assert Config.parse(yaml.safe_load((DATA / "official_config.yaml").read_text())) == OFFICIAL
    published = json.loads((DATA / "bigvgan_config.json").read_text())
    official = {"num_mels": 80, "upsample_initial_channel": 1536}
    assert BigVGANConfig.read(published | official) == OFFICIAL_BIGVGAN


def test_the_count_of_operations_is_the_specifications() -> None:
    assert flops(OFFICIAL, PROMPT + FRAMES, 25) == pytest.approx(6.6e12, rel=0.01)


@pytest.mark.parametrize("precision", DTYPES)
def test_drawn_weights_are_held_as_a_converted_checkpoint_holds_them(precision: str) -> None:
    drawn = Drawn(SMALL, SMALL_BIGVGAN, precision)
    for name in NETS:
        state, again = drawn.part(name), drawn.part(name)
        assert all(bool(tensor.isfinite().all()) for tensor in state.values())
        assert all(tensor.dtype == torch.float32 for tensor in state.values() if tensor.dim() < 2)
        assert all(torch.equal(tensor, again[key]) for key, tensor in state.items())
    matrices = [tensor for tensor in drawn.part("dit").values() if tensor.dim() > 1]
    assert {tensor.dtype for tensor in matrices} == {DTYPES[precision]}


def test_drawn_voices_are_voices() -> None:
    assert voice(SMALL, 40).fits(SMALL)


def test_the_yardsticks_are_positive_numbers_of_this_machine() -> None:
    yardsticks = measure(CPU, torch.float32, 1, shrink=64)
    assert 1e8 < yardsticks.read < 1e13
    assert 1e8 < yardsticks.multiplied < 1e14


def test_presets_share_one_arranged_net(pipeline: Pipeline) -> None:
    """It takes as much memory as the net itself: three of them would be a gigabyte on the processor."""

    def arranged() -> int:
        gc.collect()
        return sum(type(found) is PackedDiT for found in gc.get_objects())

    alone = Pipeline(Drawn(SMALL, SMALL_BIGVGAN), CPU)
    before = arranged()
    cfm(benched(alone))
    assert arranged() == before + 1
