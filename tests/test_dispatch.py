from sqlalchemy import select

from farm import batching, jobs
from farm.cutting import lease
from farm.db import Begin
from farm.dispatch import Plan, abandon, tick
from farm.jobs import Times
from farm.tables import Job, JobKind, Project, Segment
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


def test_a_farm_that_starts_again_waits_for_no_lease_of_its_own(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        builders.chapter(session, book, ["a", "b"])
        mine, other = builders.worker(session, "mine"), builders.worker(session, "elsewhere")
        house = jobs.write(session, JobKind.MASTER, book.id, 1)
        jobs.claim(session, house.id, house.token, Times())
        ids = mine.id, other.id, house.id
    render = {worker: claimed(begin, worker) for worker in ids[:2]}
    with begin() as session:
        abandon(session, "mine")
    with begin() as session:
        states = dict(session.execute(select(Job.id, Job.state)).all())
        assert (states[render[ids[0]]], states[render[ids[1]]], states[ids[2]]) == (
            "expired",
            "running",
            "expired",
        )
        again = session.scalars(select(Job).where(Job.kind == JobKind.MASTER, Job.state == "queued")).one()
        assert again.attempt == 1
        assert session.scalars(select(Segment.attempts).distinct()).all() == [0]


def claimed(begin: Begin, worker: int) -> int:
    """A render job of one segment that `worker` holds."""
    with begin() as session:
        segment = session.scalars(
            select(Segment).where(Segment.state == "ready").order_by(Segment.rank)
        ).first()
        assert segment is not None
        project = session.get_one(Project, segment.project_id)
        lease(
            session,
            project,
            [batching.Waiting(segment.id, segment.take_key or "", 10)],
            "render.cpu",
            "cpu",
            1,
        )
        job = session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()
        assert jobs.claim(session, job.id, job.token, Times(), worker)
        return job.id
