"""Random fleets, projects and mishaps: the books stay right, and no card gets what it cannot do."""

from collections.abc import Callable

import hypothesis
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from farm import blocks
from farm.db import Begin
from farm.messages import Message
from farm.tables import Block, Job, Project, Row, Segment, Take, Worker
from tests import builders
from tests.desk import Desk, audit

EXAMPLES = 10
STEPS = 40
PHASES = (
    hypothesis.Phase.explicit,
    hypothesis.Phase.reuse,
    hypothesis.Phase.generate,
)  # shrinking takes minutes
LIMITS = [80, 100, 100, 130]
CARDS = ["cpu", "8g", "12g", "12g", "24g", "24g"]
WHY = Message("Because.")


def emptied(begin: Begin) -> None:
    with begin() as session:
        tables = ", ".join(table.name for table in Row.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))


def furnish(begin: Begin, draw: Callable[[st.SearchStrategy[int]], int]) -> list[int]:
    """A random fleet and random projects of two chapters; the workers' ids."""
    with begin() as session:
        for number in range(draw(st.integers(1, 3))):
            book = builders.project(session, priority=draw(st.sampled_from([50, 60])))
            book.pin = {**builders.PIN, "precision": draw(st.sampled_from(["fp16", "fp16", "fp16", "fp32"]))}
            book.longest_segment = draw(st.sampled_from(LIMITS))
            book.most_workers = draw(st.sampled_from([None, None, 1, 2]))
            for position in range(2):
                keys = [f"{number}.{position}.{n}" for n in range(8)]
                length = draw(st.integers(10, int(book.longest_segment)))
                builders.chapter(session, book, keys, position=position, length=length)
        return [
            builders.worker(session, f"w{n}", draw(st.sampled_from(CARDS)), draw(st.sampled_from([2, 5]))).id
            for n in range(draw(st.integers(2, 5)))
        ]


def interfere(session: Session, worker: int, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
    """What people do meanwhile."""
    what = draw(st.sampled_from(["block", "unblock", "hold", "release", "pause", "resume", "sleep", "wake"]))
    project = session.scalars(select(Project.id).order_by(func.random())).first() or 0
    one = update(Worker).where(Worker.id == worker)
    its = update(Project).where(Project.id == project)
    if what == "block":
        blocks.block(session, project, worker, WHY)
    elif what == "unblock":
        session.execute(delete(Block))
    elif what in ("hold", "release"):
        session.execute(one.values(hold=WHY.to_json() if what == "hold" else None))
    elif what in ("pause", "resume"):
        session.execute(its.values(state="paused" if what == "pause" else "running"))
    else:
        session.execute(one.values(desired="sleep" if what == "sleep" else "run"))


def accepted_once(session: Session) -> None:
    """Every segment that is done has its take, and no take was made twice."""
    done = select(Segment.id).where(Segment.state == "done", Segment.take_key.not_in(select(Take.key)))
    assert session.scalars(done).all() == []
    spoken = session.scalar(select(func.count()).where(Segment.state == "done"))
    assert spoken == session.scalar(select(func.count()).select_from(Take))


@hypothesis.settings(
    max_examples=EXAMPLES,
    phases=PHASES,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(st.data())
def test_whatever_happens_the_books_stay_right(begin: Begin, data: st.DataObject) -> None:
    emptied(begin)
    crew = furnish(begin, data.draw)
    desk = Desk(begin)
    held: list[Job] = []
    for _ in range(STEPS):
        worker = data.draw(st.sampled_from(crew))
        what = data.draw(
            st.sampled_from(["ring", "take", "take", "end", "fail", "lose", "interfere", "interfere"])
        )
        if what == "ring":
            desk.ring()
        elif what == "take" and worker not in {job.worker_id for job in held}:
            held += [job for job in [desk.take(worker)] if job]
        elif what == "interfere":
            with begin() as session:
                interfere(session, worker, data.draw)
        elif held and what in ("end", "fail", "lose"):
            finish(desk, held.pop(0), what)
        with begin() as session:
            audit(session)
            accepted_once(session)


def finish(desk: Desk, job: Job, how: str) -> None:
    mine = desk.held(job)
    if not mine:  # recalled meanwhile
        return
    if how == "lose":
        desk.lose(job)
    else:
        desk.end(job, {mine[0].id} if how == "fail" else ())


@hypothesis.settings(
    max_examples=EXAMPLES,
    phases=PHASES,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(st.data())
def test_no_long_segment_and_no_fp32_ever_reaches_a_card_of_twelve_gigabytes(
    begin: Begin, data: st.DataObject
) -> None:
    emptied(begin)
    crew = furnish(begin, data.draw)
    with begin() as session:
        crew.append(builders.worker(session, "rtx3060", "12g").id)
        # Whatever a project says of itself, what counts is the segment.
        session.execute(update(Segment).where(Segment.id % 5 == 0).values(length=101))
        session.execute(update(Worker).where(Worker.name == "rtx3060").values(speed=3))
    desk = Desk(begin)
    for _ in range(15):
        desk.ring()
        for worker in crew:
            if (job := desk.take(worker)) is None:
                continue
            with begin() as session:
                taker = session.get_one(Worker, worker)
                project = session.get_one(Project, job.project_id)
            if taker.gpu_class == "12g":
                assert project.pin["precision"] == "fp16"
                assert max(segment.length for segment in desk.held(job)) <= 100
            desk.end(job)
