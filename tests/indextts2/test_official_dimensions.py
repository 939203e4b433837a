"""A checkpoint of random weights with the official keys and shapes goes the whole way, to speech."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from torch import nn

import models
from farm.engine import Speech, Utterance
from models.indextts2.campplus import CAMPPlus
from models.indextts2.checkpoint import DTYPES, Checkpoint, Official, open_checkpoint
from models.indextts2.codec import Codec
from models.indextts2.conditioning import Conditioning
from models.indextts2.convert import Added, add
from models.indextts2.dit import DiT
from models.indextts2.gpt import GPT
from models.indextts2.parts import PARTS
from models.indextts2.regulator import LengthRegulator, latent_projection
from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.w2v import W2V, W2VConfig
from tests.indextts2 import official, truth

# SPEC.md §1 and §10, less what inference does not read (the text head; the codec's decoder; embedders that
# are given nothing; seven skip_in_linear; seven layers of w2v-BERT) and the lengths of weight norm.
TEXT_HEAD, QUANTISER, SKIP, W2V_LAYER = 12_001 * 1281, 83_984, 512 * 1025, 24_180_288
EMBEDDERS = 512 * 82 + 1024 * 512 + 512
PARAMETERS = {
    "gpt.pth": 865_980_639 - TEXT_HEAD,
    "codec": (44_289_808 - QUANTISER) // 2 + QUANTISER - 8 - 1024,
    "dit": 98_203_984 - 16_384 - 2 * 128 - EMBEDDERS - 7 * SKIP - 24_576,
    "regulator": 4_988_416 - 2048 * 512 - 512,
    "latent_projection": 492_928,
    "w2v": 580_493_120 - 1024 - 7 * W2V_LAYER,
}
MILLIONS = {
    "conditioning": 159.25 + 19.05 + 146.62 + 11.02 + 2.95,
    "gpt": 472.26 + 15.36 + 10.49 + 10.50 + 3.10,
    "campplus": 6.85,
    "bigvgan": 112.2,
}
MOST = 64
"""Codes, of which some seven are expected."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with TemporaryDirectory(dir=tmp_path_factory.mktemp("official")) as folder:  # pytest would keep three
        yield official.build(Path(folder) / "IndexTTS-2")


def silent(step: str, done: int, total: int) -> None:
    pass


def makers(opened: Checkpoint) -> dict[str, Callable[[], nn.Module]]:
    config = opened.config
    return {
        "conditioning": lambda: Conditioning(config.gpt),
        "gpt": lambda: GPT(config.gpt),
        "codec": lambda: Codec(config.codec),
        "dit": lambda: DiT(config.dit, config.wavenet),
        "regulator": lambda: LengthRegulator(config.regulator),
        "latent_projection": lambda: latent_projection(config.gpt.model_dim),
        "campplus": CAMPPlus,
        "bigvgan": lambda: BigVGAN(opened.bigvgan),
        "w2v": lambda: W2V(W2VConfig()),
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_official_keys_and_shapes_load_strictly_with_the_parameters_that_were_counted(
    directory: Path,
) -> None:
    opened = Official(directory)
    counts = {}
    for name, make in makers(opened).items():
        with torch.device("meta"):
            module = make()
        module.load_state_dict(opened.part(name), strict=True, assign=True)
        counts[name] = sum(parameter.numel() for parameter in module.parameters())
    counts["gpt.pth"] = counts["gpt"] + counts["conditioning"]
    for name, count in PARAMETERS.items():
        assert counts[name] == count, name
    for name, millions in MILLIONS.items():
        assert counts[name] / 1e6 == pytest.approx(millions, rel=1e-3), name


@pytest.fixture(scope="module")
def converted(directory: Path, request: pytest.FixtureRequest) -> Iterator[Added]:
    """To the precision that is asked for."""
    with TemporaryDirectory(dir=directory.parent) as folder:
        yield add(directory, Path(folder), [request.param], [], silent)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("converted", DTYPES, indirect=True)
def test_the_official_dimensions_are_converted_and_load_in_every_precision(converted: Added) -> None:
    [precision] = converted.precisions
    opened = open_checkpoint(converted.directory, precision)
    assert opened.fingerprint == converted.fingerprint
    for name, make in makers(opened).items():
        with torch.device("meta"):
            module = make()
        module.load_state_dict(opened.part(name), strict=True, assign=True)
    assert PARTS.keys() - makers(opened).keys() == {"stats", "bank"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("converted", ["fp32", "bf16"], indirect=True)
def test_the_engine_speaks_with_the_official_dimensions(converted: Added, tmp_path: Path) -> None:
    [precision] = converted.precisions
    name = str(converted.directory)
    options = {"directory": name, "precision": precision, "device": "cpu", "cache": str(tmp_path)}
    with closing(models.load("indextts2", **options, codes=MOST, guards=0)) as engine:
        voice = engine.voice_print({"recording": "", "path": str(truth.path("spk_24k.wav"))})
        [(_, speech)] = engine.speak([Utterance("你好。", "zh", voice, preset="draft")], lambda: False)
    assert isinstance(speech, Speech), speech
    samples = speech.audio.samples
    assert 0 < len(samples) <= MOST * 1.72 * 256
    assert np.isfinite(samples).all()
    assert samples.std() > 0.001
