from typing import Any

import pytest

from farm.gpu import CLASSES
from farm.matching import can_serve, limit, misfit
from farm.protocol import OLDEST, PROTOCOL
from farm.tables import Project, Worker

TOO_SHORT = "attic speaks up to 80 characters at once, this project's sentences have up to 100."
TOO_OLD = "attic is too old to speak with the recordings of Emma. Update it."
UNTAGGED = "attic lacks the tags this project asks for: near, quiet."
RECORDED = {"narrator": {"variant": "m3"}, "dialogue": {"recording": "5e"}}
PIN = {"fingerprint": "f1", "precision": "fp16"}


def project(**values: Any) -> Project:
    usual = {"id": 7, "title": "Emma", "engine": "indextts2", "pin": PIN, "longest_segment": 100.0}
    return Project(**{**usual, "classes": [], "tags": [], **values})


def worker(**values: Any) -> Worker:
    usual = {"id": 3, "name": "attic", "engine": "indextts2", "fingerprint": "f1", "gpu_class": "12g"}
    return Worker(**{**usual, "protocol": PROTOCOL, "tags": [], "projects": [], **values})


def test_a_worker_that_is_as_the_project_was_pinned_fits() -> None:
    assert can_serve(worker(), project())
    assert can_serve(
        worker(protocol=OLDEST, tags=["attic", "quiet"]), project(tags=["quiet"], classes=["12g"])
    )
    assert can_serve(worker(gpu_class="24g", projects=[7, 8]), project(cast=RECORDED))


@pytest.mark.parametrize(
    ("theirs", "asked", "said"),
    [
        ({"engine": "preview"}, {}, "attic speaks with preview, this project with indextts2."),
        ({"fingerprint": "f2"}, {}, "attic has other weights than this project began with."),
        ({"gpu_class": "cpu"}, {}, "attic computes in fp32, this project in fp16."),
        ({}, {"pin": {**PIN, "precision": "fp32"}}, "attic computes in fp16, this project in fp32."),
        ({}, {"classes": ["24g", "8g"]}, "attic is of class 12g, this project allows 24g, 8g."),
        ({"gpu_class": "8g"}, {}, TOO_SHORT),
        ({"tags": ["loud"]}, {"tags": ["quiet", "near"]}, UNTAGGED),
        ({"projects": [8]}, {}, "attic is reserved for other projects than Emma."),
        ({"protocol": PROTOCOL + 1}, {}, "attic speaks another protocol than this farm. Update it."),
        ({"protocol": OLDEST}, {"cast": RECORDED}, TOO_OLD),
        ({"engine": "", "protocol": 0}, {}, "attic speaks with ?, this project with indextts2."),
    ],
)  # fmt: skip
def test_a_misfit_is_told_with_both_sides(theirs: dict[str, Any], asked: dict[str, Any], said: str) -> None:
    assert str(misfit(worker(**theirs), project(**asked))) == said


@pytest.mark.parametrize("pinned", ["", "fp16", "fp32"])
@pytest.mark.parametrize("gpu_class", ["cpu", "12g"])
def test_an_engine_without_a_precision_fits_on_every_card(pinned: str, gpu_class: str) -> None:
    speaks = {"engine": "preview"}
    book = project(**speaks, pin={**PIN, "precision": pinned})
    assert can_serve(worker(**speaks, gpu_class=gpu_class), book)
    assert not can_serve(worker(**speaks, gpu_class=gpu_class, fingerprint="f2"), book)


def test_a_block_is_of_one_worker_and_one_project() -> None:
    assert str(misfit(worker(), project(), {(7, 3)})).startswith("attic is kept from Emma")
    assert can_serve(worker(), project(), {(7, 4), (8, 3), (3, 7)})


def test_the_limit_of_classes_is_that_of_the_smallest() -> None:
    assert limit(["24g", "12g", "6g"]) == CLASSES["6g"].longest_segment
    assert limit(["24g"]) == 130
