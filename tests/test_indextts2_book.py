"""A whole book through the farm with IndexTTS-2's small checkpoint, calmly and with its process killed.

Its weights are random, so that it is spoken without guards; its vocabulary has few characters, and the book
has no others.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from sqlalchemy import select
from torch import Tensor

from farm import checkpoints as registered
from farm import oneshot
from farm.oneshot import Request
from farm.tables import Project, Segment, Take, Worker
from tests.conftest import place
from tests.farms import ROOT, Farm, eventually, farm_up
from tests.indextts2 import checkpoint as checkpoints
from tests.indextts2 import truth, variants
from tests.test_faults import audit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ENGINE = "indextts2:guards=0,rows=4"
PATIENT = {
    **{"FARM_LEASE_S": "20", "FARM_RENEW_S": "3", "FARM_UNCLAIMED_S": "60", "FARM_BATCH_S": "60"},
    "OMP_NUM_THREADS": "1",
}
VOICE = "老师"
WHO = ("我", "你", "他", "我们", "你们", "他们")
WHEN = ("今天", "三天前", "十年前", "六月七日")
WHAT = ("去公园散步", "说公园很好", "用电话合约", "走了八百步", "发现了银世界")
FEWEST = 20
"""Segments: the farm joins what is very short."""
LOUDNESS = 0.3
SPOKEN = 60
"""Codes after which the model begins to end: it says nothing, for about as long as a sentence takes."""
RISE, RELUCTANCE = 0.5, -6.0
NEAR = 1e-3
"""Of full scale: what rows may differ by when they share other batches, in float32."""
CHANGES = {"cast": {"narrator": VOICE, "dialogue": None}, "preset": "draft"}
STAGES = {"codes", "latents", "mel", "wave"}


class Heard(NamedTuple):
    """What a segment became: its text, the seed it was spoken with, its samples."""

    text: str
    seed: int
    samples: np.ndarray


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A folder with room for a download and the checkpoint that the farms share."""
    with place() as folder:
        yield folder


@pytest.fixture(scope="module")
def download(disk: Path) -> Path:
    """Softer than drawn, and it ends: the farm accepts no take that is clipped or far too short."""
    built = checkpoints.build(disk / "download")
    variants.change(built / "hf_cache/bigvgan/bigvgan_generator.pt", softer)
    variants.change(built / "gpt.pth", ending)
    return built


def softer(content: dict[str, dict[str, Tensor]]) -> object:
    content["generator"]["conv_post.weight_g"] *= LOUDNESS
    return content


def ending(content: dict[str, dict[str, Tensor]]) -> object:
    """The farther it has come, the more its positions look like the stop code, which is the last."""
    model = content["model"]
    stop, positions = model["mel_head.weight"][-1], model["mel_pos_embedding.emb.weight"]
    model["mel_head.bias"][-1] = RELUCTANCE
    positions += RISE * (torch.arange(len(positions)) - SPOKEN).clamp(min=0)[:, None] * (stop / stop.norm())
    return content


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Three chapters of ten sentences, none twice."""
    sentences = [f"{who}{when}{what}。" for (when, what), who in zip(product(WHEN, WHAT), cycle(WHO))]
    sentences += [
        f"{who}{when}{what}。" for (when, what), who in zip(product(WHEN[:2], WHAT), cycle(WHO[1:]))
    ]
    chapters = [
        "\n\n".join([f"# {title}", *sentences[at::3]])
        for at, title in enumerate(("今天", "三天前", "十年前"))
    ]
    path = tmp_path / "book.md"
    path.write_text("\n\n".join(chapters), "utf-8")
    return path


def prepare(home: Path, download: Path, disk: Path) -> None:
    """`farm models add` on the machine of a farm that does not run yet."""
    command = [sys.executable, "-m", "farm.cli", "models", "add", "indextts2", str(download)]
    environment = {**os.environ, "FARM_HOME": str(home)}
    subprocess.run([*command, "--to", str(disk / "models")], env=environment, cwd=ROOT, check=True)


def prepare_alike(home: Path, other: Path) -> None:
    """The same checkpoint on another farm's machine."""
    known = registered.default(other, "indextts2")
    registered.link(home, "indextts2", known.path.resolve())
    registered.use(home, "indextts2", known.name)


def record(farm: Farm) -> None:
    """`farm voices add`: the narrator."""
    farm.run("voices", "add", str(truth.path("spk_24k.wav")), "--name", VOICE, "--i-have-the-right")


def heard(farm: Farm) -> list[Heard]:
    """Every segment in the book's order, as its take has it."""
    takes = select(Segment, Take).join(Take, Take.key == Segment.take_key)
    with farm.begin() as session:
        found = session.execute(takes.order_by(Segment.chapter_id, Segment.rank)).all()
        assert len({take.key for _, take in found}) == len(found)
        return [Heard(it.spoken, take.seed, samples(farm, take.object)) for it, take in found]


def samples(farm: Farm, name: str) -> np.ndarray:
    decoded, rate = soundfile.read(farm.home / "store" / name, dtype="float32")
    assert rate == 22050
    return np.asarray(decoded)


def child(farm: Farm) -> int:
    """The process of the render worker that speaks."""
    parent = farm.pid("render")
    return max(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))


def spoken(farm: Farm) -> int:
    with farm.begin() as session:
        return session.query(Segment).filter(Segment.state == "done").count()


def test_a_book_is_spoken_whole_and_the_same_when_the_process_that_speaks_is_killed(
    book: Path, download: Path, disk: Path, tmp_path: Path
) -> None:
    prepare(disk / "calm", download, disk)
    prepare_alike(disk / "stormy", disk / "calm")
    with farm_up(disk / "calm", FARM_ENGINE=ENGINE, **PATIENT) as calm:
        record(calm)
        made = tmp_path / "calm.m4b"
        calm.run(
            "render",
            str(book),
            "-o",
            str(made),
            "--engine",
            "indextts2",
            "--voice",
            VOICE,
            "--preset",
            "draft",
        )
        assert made.stat().st_size > 0
        audit(calm)
        expected = heard(calm)
        with calm.begin() as session:
            assert session.query(Project).one().pin["fingerprint"]
            told = session.query(Worker).one().facts["stages"]
            assert told.keys() == STAGES
            assert all(seconds > 0 for seconds in told.values())
    with farm_up(disk / "stormy", FARM_ENGINE=ENGINE, **PATIENT) as farm:
        record(farm)
        asked = Request((book,), engine="indextts2", changes=CHANGES)
        project_id = oneshot.asked_for(farm.begin, farm.store, asked)
        eventually(lambda: begun(farm, project_id, asked))
        eventually(lambda: spoken(farm) >= 2, 180)
        killed = child(farm)
        os.kill(killed, signal.SIGKILL)
        assert spoken(farm) < len(expected)
        oneshot.follow(farm.begin, project_id, asked, lambda project, now: None)
        audit(farm)
        assert child(farm) != killed
        found = heard(farm)
    assert len(expected) >= FEWEST
    assert [(one.text, one.seed) for one in found] == [(one.text, one.seed) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.samples.shape == other.samples.shape, one.text
        assert float(np.abs(one.samples - other.samples).max()) <= NEAR, one.text


def begun(farm: Farm, project_id: int, asked: Request) -> bool:
    """Press start once the book is read and the engine is loaded; whether that is done."""
    with farm.begin() as session:
        project = session.get_one(Project, project_id)
        speaks = session.query(Worker).one().state == "ready"
        if project.state == "review" and speaks:
            oneshot.begin_work(session, project, asked)
        return project.started_at is not None
