from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import progress
from farm.db import Begin, now
from farm.progress import Progress
from farm.tables import Chapter, Project, Worker
from tests import builders


def of(begin: Begin, project_id: int = 1) -> Progress:
    with begin() as session:
        return progress.of_projects(session, [session.get_one(Project, project_id)])[project_id]


@pytest.fixture
def book(begin: Begin) -> int:
    """A running project of two planned chapters of equal length, and a worker that makes 2 s in one."""
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "b"], position=0)
        builders.chapter(session, made, ["c", "d"], position=1)
        builders.worker(session, speed=2.0)
        return made.id


def the_worker(session: Session) -> Worker:
    return session.scalars(select(Worker)).one()


def test_what_is_spoken_counts_as_done(begin: Begin, book: int) -> None:
    with begin() as session:
        session.scalars(select(Chapter).order_by(Chapter.id)).first().length_done = 10  # type: ignore[union-attr]
    assert of(begin).share == pytest.approx(0.25)


def test_the_forecast_is_a_range_that_follows_the_workers_speed(begin: Begin, book: int) -> None:
    slow = of(begin)
    with begin() as session:
        the_worker(session).speed = 20.0
    fast = of(begin)
    assert slow.soonest_s is not None
    assert slow.latest_s is not None
    assert slow.soonest_s < slow.latest_s
    assert fast.latest_s is not None
    assert fast.latest_s < slow.latest_s


def test_unticked_chapters_are_not_counted(begin: Begin, book: int) -> None:
    whole = of(begin).total_s
    with begin() as session:
        session.scalars(select(Chapter)).first().included = False  # type: ignore[union-attr]
    assert of(begin).total_s == pytest.approx(whole / 2)


def test_a_rival_of_the_same_priority_delays_and_one_of_a_lower_does_not(begin: Begin, book: int) -> None:
    alone = of(begin).latest_s
    with begin() as session:
        other = builders.project(session, title="Other", priority=20)
        builders.chapter(session, other, ["e", "f", "g", "h"])
    assert of(begin).latest_s == pytest.approx(alone)
    with begin() as session:
        session.get_one(Project, other.id).priority = 50
    assert (of(begin).latest_s or 0) > (alone or 0) * 1.2


def test_a_deadline_is_told_against_the_forecast(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).deadline = now + timedelta(hours=5)
    early = of(begin).forecast
    assert not early.late
    assert early.spare_s is not None
    assert 4 * 3600 < early.spare_s < 5 * 3600
    with begin() as session:
        session.get_one(Project, book).deadline = now - timedelta(hours=5)
    late = of(begin)
    assert late.forecast.late
    assert "5 h after its deadline" in str(late.why)


def test_one_more_worker_is_the_smallest_that_meets_the_deadline(begin: Begin, book: int) -> None:
    with begin() as session:
        project = session.get_one(Project, book)
        project.pin, project.engine = {"fingerprint": "f1", "precision": "fp16"}, "indextts2"
        worker = the_worker(session)
        worker.engine, worker.gpu_class, worker.speed = "indextts2", "12g", 0.1
    soon = of(begin).forecast.one_more
    assert soon is not None
    assert (soon.gpu_class, soon.measured) == ("24g", False)  # the fastest known
    with begin() as session:
        session.get_one(Project, book).deadline = now + timedelta(seconds=100)
        the_worker(session).benchmark = 5.0
        the_worker(session).speed = None
    enough = of(begin).forecast
    assert not enough.late
    with begin() as session:
        the_worker(session).benchmark = 0.1
        session.get_one(Project, book).deadline = now + timedelta(seconds=90)
        builders.worker(session, "spare", "12g", speed=5.0).desired = "drain"
        session.query(Worker).filter_by(name="spare").one().engine = "indextts2"
    missed = of(begin).forecast
    assert missed.late
    assert missed.one_more is not None
    assert (missed.one_more.gpu_class, missed.one_more.measured) == ("12g", True)
    assert missed.one_more_is_in_time


def test_another_worker_is_no_help_where_the_mastering_takes_longest(begin: Begin, book: int) -> None:
    with begin() as session:
        the_worker(session).speed = 500.0
    assert of(begin).forecast.one_more is None


def test_a_review_is_told_what_each_class_would_change(begin: Begin) -> None:
    with begin() as session:
        made = builders.project(session, state="review")
        made.engine = "indextts2"
        builders.chapter(session, made, ["a", "b"])
        for name, gpu_class, speed in (("s1", "12g", 5.0), ("s2", "12g", 5.0), ("big", "24g", 30.0)):
            builders.worker(session, name, gpu_class, speed=speed).engine = "indextts2"
    with begin() as session:
        seen = progress.of_review(session, session.get_one(Project, 1))
    assert seen.prospect.longest_segment == 100
    small, big = seen.choices
    assert (small.gpu_class, small.workers, small.allowed) == ("12g", 2, True)
    assert (small.with_it.longest_segment, small.without_it.longest_segment) == (100, 130)
    assert (small.without_it.latest_s or 0) > (small.with_it.latest_s or 0)
    assert (big.gpu_class, big.without_it.longest_segment) == ("24g", 100)
    with begin() as session:
        session.get_one(Project, 1).classes = ["24g"]
    with begin() as session:
        small, big = progress.of_review(session, session.get_one(Project, 1)).choices
    assert (small.allowed, small.with_it.longest_segment) == (False, 100)
    assert big.without_it.longest_segment is None
