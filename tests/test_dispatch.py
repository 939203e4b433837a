from sqlalchemy import select

from farm.db import Begin
from farm.dispatch import Plan, tick
from farm.jobs import Times
from farm.tables import Job, Segment
from tests import builders

PLAN = Plan(Times(), batch_s=30, house_depth=2)


def ring(begin: Begin) -> list[int]:
    rung: list[int] = []
    tick(begin, lambda queue, job, token: rung.append(job), PLAN)
    return rung


def projects_of(begin: Begin, jobs: list[int]) -> list[int]:
    with begin() as session:
        return [session.get_one(Job, job).project_id for job in jobs]


def test_the_queue_of_a_class_stays_shallow(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(3000)])
        builders.worker(session)
    assert len(ring(begin)) == 2
    assert ring(begin) == []


def test_nothing_is_dispatched_while_no_worker_is_there(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), ["a"])
    assert ring(begin) == []


def test_projects_of_equal_priority_take_turns(begin: Begin) -> None:
    with begin() as session:
        for _ in range(2):
            book = builders.project(session)
            builders.chapter(session, book, [f"{book.id}-{n}" for n in range(2000)])
        builders.worker(session)
    assert projects_of(begin, ring(begin)) == [1, 2]


def test_the_highest_priority_goes_first(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"a{n}" for n in range(2000)])
        urgent = builders.project(session, priority=90)
        builders.chapter(session, urgent, [f"b{n}" for n in range(2000)])
        builders.worker(session)
    assert projects_of(begin, ring(begin)) == [2, 2]


def test_early_chapters_are_spoken_first(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        builders.chapter(session, book, ["late"], position=7)
        builders.chapter(session, book, ["early"], position=1)
        builders.worker(session, speed=0.01)
    ring(begin)
    with begin() as session:
        by_job = select(Segment.take_key).where(Segment.job_id.is_not(None)).order_by(Segment.job_id)
        assert session.scalars(by_job).all() == ["early", "late"]
