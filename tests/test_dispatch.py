from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from farm import batching, jobs
from farm.cutting import lease
from farm.db import Begin
from farm.dispatch import Plan, abandon, tick
from farm.jobs import Times
from farm.messages import Message
from farm.protocol import direct_queue
from farm.tables import Job, JobKind, Project, Segment, Worker, WorkerState
from tests import builders
from tests.desk import Desk, fp16

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


def test_many_workers_do_not_make_it_as_deep_as_they_are_many(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(4000)])
        crew = [builders.worker(session, f"w{n}") for n in range(40)]
        for busy in crew[3:]:
            busy.state = WorkerState.BUSY
    assert len(ring(begin)) == 3 + 8 + 40 // 8
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


def queues(rung: list[tuple[str, int]]) -> list[str]:
    return [queue for queue, _ in rung]


def test_what_only_some_of_a_class_may_speak_goes_to_them_directly(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        book.tags = ["quiet"]
        builders.chapter(session, book, [f"k{n}" for n in range(2000)])
        builders.worker(session, "loud")
        quiet = builders.worker(session, "quiet")
        quiet.tags = ["quiet"]
    assert queues(Desk(begin).ring()) == ["w.quiet"]


def test_a_worker_that_listens_but_is_not_to_work_keeps_nobody_from_it(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(2000)])
        builders.worker(session, "well")
        held = builders.worker(session, "held")
        held.hold = Message("It failed.").to_json()
    assert queues(Desk(begin).ring()) == ["w.well"]


def test_a_bigger_card_takes_smaller_work_rather_than_idle_and_never_the_reverse(begin: Begin) -> None:
    with begin() as session:
        small, large = fp16(builders.project(session)), fp16(builders.project(session), 130)
        for book in (small, large):
            builders.chapter(session, book, [f"{book.id}-{n}" for n in range(60)])
        builders.worker(session, "big", "24g", speed=2)
    desk = Desk(begin)
    with_the_big_one_alone = projects_of(begin, [job for _, job in desk.ring()])
    assert set(with_the_big_one_alone) == {small.id, large.id}
    with begin() as session:
        builders.worker(session, "small", "12g", speed=2)
    rung = [(queue, *projects_of(begin, [job])) for queue, job in desk.ring()]
    assert set(rung) == {("render.12g", small.id)}


def test_a_class_does_first_what_no_smaller_one_can(begin: Begin) -> None:
    with begin() as session:
        small, large = fp16(builders.project(session)), fp16(builders.project(session), 130)
        for book in (small, large):
            builders.chapter(session, book, [f"{book.id}-{n}" for n in range(500)])
        builders.worker(session, "big", "24g", speed=2)
        builders.worker(session, "small", "12g", speed=2)
    rung = [(queue, *projects_of(begin, [job])) for queue, job in Desk(begin).ring()]
    assert set(rung) == {("render.12g", small.id), ("render.24g", large.id)}


def test_a_project_has_only_so_many_workers_at_once(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        book.most_workers = 2
        builders.chapter(session, book, [f"k{n}" for n in range(200)])
        crew = [builders.worker(session, name, speed=2).id for name in "abcd"]
    desk = Desk(begin)
    desk.ring()
    held = [job for worker in crew if (job := desk.take(worker))]
    assert len(held) == 2
    for _ in range(3):
        desk.ring()
        assert [desk.take(worker) for worker in crew if worker not in {job.worker_id for job in held}] == [
            None
        ] * 2
    with begin() as session:
        assert len(session.scalars(select(Job).where(Job.state.in_(jobs.OPEN))).all()) <= 3


def test_a_claim_over_the_limit_is_refused_and_counts_nothing(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(200)])
        crew = [builders.worker(session, name, speed=2).id for name in "ab"]
    desk = Desk(begin)
    desk.ring()
    assert desk.take(crew[0])
    with begin() as session:
        session.scalars(select(Project)).one().most_workers = 1
    job_id, token = desk.queues["render.cpu"][0]
    refused = desk.claim(crew[1], job_id, token)
    assert "as many workers as it may have" in str(refused)
    with begin() as session:
        assert session.get_one(Job, job_id).state == "recalled"
        assert session.scalars(select(Segment.attempts).distinct()).all() == [0]


def test_what_a_worker_failed_goes_to_another(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(4)])
        crew = [builders.worker(session, name, speed=2).id for name in "ab"]
    desk = Desk(begin)
    desk.ring()
    job = desk.take(crew[0])
    assert job
    desk.end(job, {1})
    assert "w.b" in queues(desk.ring())
    assert desk.take(crew[0]) is None
    other = desk.take(crew[1])
    assert other
    assert [segment.id for segment in desk.held(other)] == [1]


def test_what_a_worker_failed_comes_back_to_it_when_the_others_sleep(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(4)])
        only = builders.worker(session, "a", speed=2).id
        builders.worker(session, "b").desired = "sleep"
    desk = Desk(begin)
    desk.ring()
    job = desk.take(only)
    assert job
    desk.end(job, {1})
    desk.ring()
    again = desk.take(only)
    assert again
    assert [segment.id for segment in desk.held(again)] == [1]


def test_what_waits_for_a_worker_that_was_sent_to_sleep_goes_to_others_at_once(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        book.most_workers = 1
        builders.chapter(session, book, ["a", "b"])
        crew = [builders.worker(session, name, speed=2) for name in "ab"]
    desk = Desk(begin)
    (first,) = queues(desk.ring())
    with begin() as session:
        session.scalars(select(Worker).where(Worker.name == first[2:])).one().desired = "sleep"
    (second,) = queues(desk.ring())
    assert {first, second} == {direct_queue(worker.name) for worker in crew}


@pytest.mark.parametrize(
    "change", [{"desired": "drain"}, {"approved": False}, {"fingerprint": "f2"}, {"engine": "indextts2"}]
)
def test_a_claim_asks_everything_again(begin: Begin, change: dict[str, Any]) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), ["a"])
        worker = builders.worker(session)
    desk = Desk(begin)
    desk.ring()
    with begin() as session:
        session.execute(update(Worker).values(**change))
    assert desk.take(worker.id) is None
    assert desk.ring() == []  # nor is it offered again


def test_a_segment_that_is_too_long_for_a_card_is_not_given_to_it(begin: Begin) -> None:
    with begin() as session:
        book = fp16(builders.project(session))
        builders.chapter(session, book, ["long"], length=120)
        builders.worker(session, "small", "12g")
    assert Desk(begin).ring() == []


def test_what_waits_gives_way_to_a_higher_priority(begin: Begin) -> None:
    with begin() as session:
        low, high = builders.project(session), builders.project(session)
        for book in (low, high):
            builders.chapter(session, book, [f"{book.id}-{n}" for n in range(500)])
        high.state = "paused"
        worker = builders.worker(session, speed=2).id
    desk = Desk(begin)
    desk.ring()
    with begin() as session:
        session.execute(update(Project).where(Project.id == high.id).values(state="running", priority=60))
    assert projects_of(begin, [job for _, job in desk.ring()]) == [high.id, high.id]
    job = desk.take(worker)
    assert job
    assert job.project_id == high.id


def test_what_an_idle_worker_leaves_is_sent_again_soon_but_a_busy_ones_is_not(begin: Begin) -> None:
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n}" for n in range(40)])
        crew = [builders.worker(session, name, speed=2) for name in "ab"]
        crew[0].state = "busy"
        session.flush()
        for worker in crew:
            session.get_one(Worker, worker.id).tags = [worker.name]
    desk = Desk(begin, Plan(Times(), batch_s=30, house_depth=0))
    with begin() as session:
        book = session.scalars(select(Project)).one()
        for worker, segment in zip(crew, (1, 2), strict=True):
            waiting = [batching.Waiting(segment, f"k{segment - 1}", 10)]
            lease(session, book, waiting, direct_queue(worker.name), "cpu", 1)
        session.execute(update(Job).values(published_at=func.now() - timedelta(seconds=30)))
    desk.ring()
    with begin() as session:
        assert [session.get_one(Job, job).state for job in (1, 2)] == ["queued", "expired"]
