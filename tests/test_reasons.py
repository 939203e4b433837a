"""Why nothing is spoken of a project, in a sentence computed from what is there."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from farm import blocks, jobs, progress
from farm.db import Begin, now
from farm.messages import Message
from farm.reasons import written
from farm.tables import Chapter, JobKind, Project, Worker
from tests import builders

FP16 = {"fingerprint": "f1", "precision": "fp16"}


def why(begin: Begin, project_id: int = 1) -> list[str]:
    with begin() as session:
        found = progress.of_projects(session, [session.get_one(Project, project_id)])[project_id]
        return [str(reason) for reason in found.reasons]


@pytest.fixture
def book(begin: Begin) -> int:
    """A running project with a planned chapter, without workers."""
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "b"])
        return made.id


def speaking(session: Session, project_id: int) -> None:
    """A render job of the project is with a worker."""
    job = jobs.write(session, JobKind.RENDER, project_id, queue="render.cpu")
    jobs.claim(session, job.id, job.token, jobs.Times())


def test_nothing_is_wrong_while_work_goes_on(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session)
        speaking(session, book)
    assert why(begin) == []


def test_a_paused_project_says_so(begin: Begin) -> None:
    with begin() as session:
        builders.project(session, state="paused")
    assert "Paused" in why(begin)[0]


def test_a_failed_step_waits_for_a_person(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).failure = Message("No.").to_json()
    assert "last step failed" in why(begin)[0]


def test_a_missing_engine_is_named_with_what_there_is(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).engine = "indextts2"
    assert why(begin) == ["Needs a worker with the IndexTTS-2 engine; you have none."]
    with begin() as session:
        builders.worker(session, "w1")
    assert why(begin) == ["Needs a worker with the IndexTTS-2 engine; you have one simulated worker."]
    with begin() as session:
        builders.worker(session, "w2")
    assert why(begin) == ["Needs a worker with the IndexTTS-2 engine; you have 2 simulated workers."]


def test_a_missing_card_is_named_with_those_there_are(begin: Begin, book: int) -> None:
    with begin() as session:
        project = session.get_one(Project, book)
        project.pin, project.longest_segment = FP16, 130
        builders.worker(session, "small", "12g")
        builders.worker(session, "none", "cpu")
    assert why(begin) == ["Needs fp16 and 130 characters (24g); you have 1 × 12g, 1 × cpu."]


def test_of_an_engine_without_a_precision_only_the_length_is_missing(begin: Begin, book: int) -> None:
    with begin() as session:
        project = session.get_one(Project, book)
        project.engine, project.pin = "preview", {**FP16, "precision": ""}
        builders.worker(session, "small", "8g", engine="preview")
    assert why(begin) == ["Needs 100 characters (cpu, 12g, 24g); you have 1 × 8g."]


def test_tags_reservations_and_blocks_are_told_by_worker(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).tags = ["night"]
        builders.worker(session, "untagged")
        reserved, kept = builders.worker(session, "reserved"), builders.worker(session, "kept")
        reserved.tags = kept.tags = ["night"]
        reserved.projects = [book + 1]
        blocks.block(session, book, kept.id, Message("It stutters."))
    said = " ".join(why(begin))
    assert "untagged lacks the tags this project asks for: night." in said
    assert "reserved is reserved for other projects" in said
    assert "kept is kept from" in said


def test_many_that_do_not_fit_are_not_all_named(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).tags = ["night"]
        for at in range(9):
            builders.worker(session, f"w{at}")
    assert len(why(begin)) == 4
    assert "6" in why(begin)[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last_seen": now - timedelta(minutes=5)}, "w1 has not been heard of lately"),
        ({"desired": "sleep", "state": "asleep"}, "w1 is asleep."),
        ({"approved": False}, "w1 waits for you to let it in."),
        ({"hold": Message("It failed 3 times.").to_json()}, "w1 is on hold: It failed 3 times."),
        ({"desired": "maintenance"}, "w1 was told to take no work."),
        ({"state": "error"}, "w1 cannot work"),
    ],
)
def test_those_who_could_and_do_not_say_why(
    begin: Begin, book: int, change: dict[str, object], said: str
) -> None:
    with begin() as session:
        builders.worker(session)
        session.execute(update(Worker).values(**change))
    assert why(begin)[0].startswith(said)


def test_sleepers_say_when_they_wake(begin: Begin, book: int) -> None:
    with begin() as session:
        at = session.scalars(select(now)).one().astimezone(UTC)
        hour = (at + timedelta(hours=3)).replace(minute=0)
        hours = [[f"{hour:%H:%M}", f"{hour + timedelta(hours=1):%H:%M}"]]
        schedule = {
            "zone": "UTC",
            "hours": dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), hours),
        }
        for name in ("w1", "w2"):
            builders.worker(session, name).schedule = schedule
    (said,) = why(begin)
    assert said.startswith("2 workers are asleep, the first until ")
    assert f"{hour:%H:%M} (UTC)." in said


def test_a_time_of_another_day_has_its_date() -> None:
    at = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
    assert written(at + timedelta(hours=1), "Europe/Berlin", at) == "23:00 (Europe/Berlin)"
    assert written(at + timedelta(hours=9), "Europe/Berlin", at) == "2026-05-02 07:00 (Europe/Berlin)"


def test_others_go_first_only_when_nobody_idles(begin: Begin, book: int) -> None:
    with begin() as session:
        other = builders.project(session, title="The urgent one", priority=80)
        builders.chapter(session, other, ["c"])
        builders.worker(session)
        speaking(session, other.id)
    assert why(begin) == []
    with begin() as session:
        session.execute(update(Worker).values(state="busy"))
    assert why(begin) == ["The urgent one goes first: its priority is higher."]
    with begin() as session:
        session.get_one(Project, other.id).priority = 50
    assert why(begin) == ["It waits for its turn: its workers speak The urgent one now."]


def test_a_reached_limit_of_workers_is_told_while_others_idle(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).most_workers = 1
        builders.worker(session)
        speaking(session, book)
    assert why(begin) == ["Workers it may have at once: 1, all at work. Idle ones that could help: 1."]


@pytest.mark.parametrize(
    ("state", "said"),
    [("draft", "cut into segments"), ("mastering", "chapters being mastered: 1"), ("done", "being bound")],
)
def test_work_of_the_house_is_no_mystery(begin: Begin, book: int, state: str, said: str) -> None:
    with begin() as session:
        builders.worker(session)
        session.execute(update(Chapter).values(state=state))
    assert said in why(begin)[0]


def test_a_project_whose_last_chapters_are_held_needs_a_person(begin: Begin, book: int) -> None:
    with begin() as session:
        session.execute(update(Chapter).values(state="held", segments_failed=1))
    assert "Held" in why(begin)[0]


def test_a_review_says_what_is_missing_before_the_start(begin: Begin, book: int) -> None:
    with begin() as session:
        project = session.get_one(Project, book)
        project.state, project.pin, project.classes = "review", {}, ["24g"]
        builders.worker(session, gpu_class="12g")
    assert why(begin) == ["Only cards of 24g may serve it; you have 1 × 12g."]
    with begin() as session:
        session.get_one(Project, book).classes = []
    assert why(begin) == []
