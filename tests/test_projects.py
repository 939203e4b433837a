"""What a project is started with, and what may be changed of it when."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from farm import blocks, projects
from farm.db import Begin
from farm.errors import Conflict, Rejected
from farm.matching import can_serve
from farm.messages import Message
from farm.tables import Project, Worker
from tests import builders


@pytest.fixture
def reviewed(begin: Begin) -> int:
    """A project in review that nobody started."""
    with begin() as session:
        made = builders.project(session, state="review")
        made.pin = {}
        builders.chapter(session, made, []).state = "draft"
        return made.id


def crew(session: Session, **classes: str) -> dict[str, Worker]:
    return {name: builders.worker(session, name, gpu_class) for name, gpu_class in classes.items()}


def started(begin: Begin, project_id: int) -> tuple[str, float]:
    """Its precision and limit."""
    with begin() as session:
        projects.start(session, project_id)
    with begin() as session:
        found = session.get_one(Project, project_id)
        assert found.pin["fingerprint"] == "f1"
        return found.pin["precision"], found.longest_segment


def test_the_smallest_class_allowed_sets_the_limit(begin: Begin, reviewed: int) -> None:
    with begin() as session:
        crew(session, big="24g", small="12g")
    assert started(begin, reviewed) == ("fp16", 100)


def test_a_class_that_is_excluded_sets_no_limit(begin: Begin, reviewed: int) -> None:
    with begin() as session:
        crew(session, big="24g", small="12g", edge="4g")
        projects.edit(session, reviewed, {"classes": ["12g", "24g"]})
    assert started(begin, reviewed) == ("fp16", 100)


def test_a_farm_without_cards_speaks_in_fp32_and_one_card_makes_it_fp16(begin: Begin, reviewed: int) -> None:
    with begin() as session:
        crew(session, slow="cpu")
        other = builders.project(session, state="review")
        builders.chapter(session, other, []).state = "draft"
    assert started(begin, reviewed) == ("fp32", 100)
    with begin() as session:
        crew(session, big="24g")
    assert started(begin, other.id) == ("fp16", 130)


def test_a_project_of_preview_voices_is_served_by_every_card_and_the_processor(
    begin: Begin, reviewed: int
) -> None:
    with begin() as session:
        session.get_one(Project, reviewed).engine = "preview"
        for made in crew(session, big="24g", slow="cpu").values():
            made.engine = "preview"
    assert started(begin, reviewed) == ("", 100)
    with begin() as session:
        found = session.get_one(Project, reviewed)
        assert all(can_serve(worker, found) for worker in session.query(Worker))
        projects.edit(session, reviewed, {"classes": ["cpu", "24g"]})


@pytest.mark.parametrize("kept", ["tag", "reserved", "blocked", "revoked"])
def test_a_worker_that_may_not_serve_it_sets_no_limit(begin: Begin, reviewed: int, kept: str) -> None:
    with begin() as session:
        found = crew(session, big="24g", small="12g")
        found["big"].tags = ["studio"]
        if kept == "tag":
            projects.edit(session, reviewed, {"tags": ["studio"]})
        elif kept == "reserved":
            found["small"].projects = [reviewed + 1]
        elif kept == "blocked":
            blocks.block(session, reviewed, found["small"].id, Message("It stutters."))
        else:
            found["small"].desired = "revoked"
    assert started(begin, reviewed) == ("fp16", 130)


def test_nobody_allowed_is_refused_with_what_to_look_at(begin: Begin, reviewed: int) -> None:
    with begin() as session, pytest.raises(Conflict, match="engine simulated"):
        projects.start(session, reviewed)
    with begin() as session:
        crew(session, small="12g")
        projects.edit(session, reviewed, {"classes": ["24g"]})
    with begin() as session, pytest.raises(Conflict, match="None of the 1 workers"):
        projects.start(session, reviewed)


def test_classes_tags_limit_and_deadline_are_kept_in_plain_form(begin: Begin, reviewed: int) -> None:
    deadline = datetime(2026, 5, 1, 18, tzinfo=UTC)
    changes = {
        "classes": ["24g", "12g", "12g"],
        "tags": [" b", "a", "", "b"],
        "most_workers": 2,
        "deadline": deadline,
    }
    with begin() as session:
        projects.edit(session, reviewed, changes)
    with begin() as session:
        found = session.get_one(Project, reviewed)
        assert (found.classes, found.tags) == (["12g", "24g"], ["a", "b"])
        assert (found.most_workers, found.deadline) == (2, deadline)
        projects.edit(
            session, reviewed, {"classes": ["cpu", "4g", "6g", "8g", "12g", "24g"], "deadline": None}
        )
    with begin() as session:
        found = session.get_one(Project, reviewed)
        assert (found.classes, found.deadline) == ([], None)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["80g"]},
        {"tags": ["x" * 41]},
        {"tags": [str(at) for at in range(21)]},
        {"most_workers": 0},
        {"most_workers": 10**6},
        {"deadline": datetime(2026, 5, 1)},  # noqa: DTZ001
    ],
)
def test_what_makes_no_sense_is_refused(begin: Begin, reviewed: int, change: dict[str, Any]) -> None:
    with begin() as session, pytest.raises(Rejected):
        projects.edit(session, reviewed, change)


def test_after_the_start_a_class_is_allowed_only_where_the_limit_fits(begin: Begin, reviewed: int) -> None:
    with begin() as session:
        crew(session, big="24g")
    assert started(begin, reviewed) == ("fp16", 130)
    with begin() as session:
        projects.edit(session, reviewed, {"classes": ["24g"], "tags": ["a"], "most_workers": 1})
        projects.edit(session, reviewed, {"classes": []})
    with begin() as session, pytest.raises(Conflict, match="class 12g speaks 100"):
        projects.edit(session, reviewed, {"classes": ["12g", "24g"]})
    with begin() as session:
        session.get_one(Project, reviewed).longest_segment = 100
    with begin() as session, pytest.raises(Conflict, match="started in fp16"):
        projects.edit(session, reviewed, {"classes": ["cpu"]})
