"""The dispatcher: expires what is overdue, cuts batches for the workers there are, empties the outbox."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ARRAY, Text, and_, any_, func, literal, or_, select
from sqlalchemy.orm import Session

from farm import batching, chapters, house, jobs, rendering, states, workers
from farm.db import Begin, among
from farm.tables import (
    Chapter,
    ChapterState,
    Job,
    JobKind,
    JobState,
    Project,
    Segment,
    SegmentState,
    Worker,
    WorkerState,
)

log = logging.getLogger(__name__)

Publish = Callable[[str, int, str], None]
"""Sends the doorbell (queue, job id, token); may lose or double it."""


@dataclass(frozen=True)
class Plan:
    """How the dispatcher works: times of leases, seconds in a batch, house jobs out at once."""

    times: jobs.Times
    batch_s: float
    house_depth: int


def tick(begin: Begin, publish: Publish, plan: Plan) -> int:
    """One round, by one process at a time (the clock's lock); the number of jobs published."""
    with begin() as session:
        crew = workers.live(session)
        expire(session, plan.times, crew)
        for gpu_class in sorted({worker.gpu_class for worker in crew}):
            fill(session, [worker for worker in crew if worker.gpu_class == gpu_class], plan.batch_s)
    return empty_outbox(begin, publish, plan.house_depth)


def expire(session: Session, times: jobs.Times, crew: list[Worker]) -> None:
    """End jobs whose lease ran out or that nobody claimed, and put their work back."""
    idle = any(worker.state == WorkerState.READY for worker in crew)
    for job in jobs.overdue(session, times, idle):
        log.warning("job %s (%s, attempt %s) expired while %s", job.id, job.kind, job.attempt, job.state)
        if job.kind != JobKind.RENDER:
            house.expire(session, job)
        elif job.state == JobState.RUNNING:
            rendering.lose(session, job)
        else:
            rendering.give_back(session, job, JobState.EXPIRED)


def abandon(session: Session, worker_name: str) -> None:
    """Put back what a farm's own processes had in hand when it stopped: none of them can be at work any more.

    Only for a farm that has just been started and runs nothing yet. It counts no attempt, waits for no lease.
    """
    own = select(Worker.id).where(Worker.name == worker_name)
    held = and_(Job.state == JobState.RUNNING, or_(Job.worker_id.is_(None), Job.worker_id.in_(own)))
    for job in session.scalars(select(Job).where(held).order_by(Job.id).with_for_update()):
        if job.kind == JobKind.RENDER:
            rendering.give_back(session, job, JobState.EXPIRED)
        else:
            jobs.end(session, job, JobState.EXPIRED)
            jobs.again(session, job, counted=False)


def fill(session: Session, crew: list[Worker], batch_s: float) -> None:
    """Keep one job more than workers in a class's queue: shallow, so that pause and priority act at once."""
    queue = jobs.render_queue(crew[0].gpu_class)
    queued = select(func.count()).select_from(Job).where(Job.queue == queue, Job.state == JobState.QUEUED)
    speeds = [worker.speed for worker in crew if worker.speed]
    target_s = batching.target_seconds(batch_s, max(speeds, default=None))
    for _ in range(len(crew) + 1 - session.scalars(queued).one()):
        if not cut_one(session, crew, queue, target_s, max(speeds, default=1.0)):
            break


def cut_one(session: Session, crew: list[Worker], queue: str, target_s: float, speed: float) -> bool:
    """Write the next render job for a class; False when no project has work for it."""
    for project_id in by_turn(session, {worker.engine for worker in crew}):
        project = session.get_one(Project, project_id)
        if not any(workers.can_serve(worker, project) for worker in crew):
            continue
        waiting = next_segments(session, project, batching.candidates(target_s))
        batch = batching.cut(waiting, target_s)
        if batch:
            lease(session, project, batch, queue, speed)
            return True
    return False


def by_turn(session: Session, engines: set[str]) -> list[int]:
    """Running projects that have ready segments: highest priority first, then the least served; their ids."""
    open_jobs = and_(Job.project_id == Project.id, Job.kind == JobKind.RENDER, Job.state.in_(jobs.OPEN))
    served = select(func.coalesce(func.sum(Job.cost_s), 0)).where(open_jobs).scalar_subquery()
    ready = (
        select(Segment.id)
        .where(Segment.project_id == Project.id, Segment.state == SegmentState.READY)
        .exists()
    )
    statement = select(Project.id).where(Project.state == "running", Project.engine.in_(engines), ready)
    return list(
        session.scalars(statement.order_by(Project.priority.desc(), served / Project.weight, Project.id))
    )


def next_segments(session: Session, project: Project, most: int) -> list[batching.Waiting]:
    """The project's first ready segments, `most` at most; those whose take exists by now are marked done.

    Chapters are locked before segments, as accepts do it. A recipe that is being spoken is left out.
    """
    ready = and_(Segment.project_id == project.id, Segment.state == SegmentState.READY)
    columns = (Segment.id, Segment.take_key, Segment.length, Segment.attempts, Segment.chapter_id)
    first = select(*columns).where(ready).order_by(Segment.rank).limit(most)
    found = [
        (batching.Waiting(id, key or "", length, attempts), chapter)
        for id, key, length, attempts, chapter in session.execute(first)
    ]
    if not found:
        return []
    chapters.lock(session, {chapter for _, chapter in found})
    made = set(chapters.adopt(session, among(Segment.id, [segment.id for segment, _ in found])))
    if made:
        chapters.add(session, sorted(made), [])
    spoken = in_hand(session, [segment.take_key for segment, _ in found])
    return [segment for segment, _ in found if segment.id not in made and segment.take_key not in spoken]


def in_hand(session: Session, keys: list[str]) -> set[str | None]:
    """Which recipes some worker is speaking now. Joined to the query above, it is planned badly."""
    statement = select(Segment.take_key).where(
        Segment.take_key == any_(literal(keys, ARRAY(Text))), Segment.state == SegmentState.LEASED
    )
    return set(session.scalars(statement))


def lease(
    session: Session, project: Project, batch: list[batching.Waiting], queue: str, speed: float
) -> None:
    cost_s = sum(batching.expected_seconds(segment.length) for segment in batch) / speed
    job = jobs.write(session, JobKind.RENDER, project.id, queue=queue, cost_s=cost_s)
    chosen = among(Segment.id, [segment.id for segment in batch])
    states.move(session, Segment, chosen, SegmentState.READY, SegmentState.LEASED, job_id=job.id)
    started = Chapter.id.in_(select(Segment.chapter_id).where(rendering.held_by(job)))
    if states.move(session, Chapter, started, ChapterState.PLANNED, ChapterState.RENDERING):
        states.changed(session, project.id)


def empty_outbox(begin: Begin, publish: Publish, house_depth: int) -> int:
    """Publish what is due, then note it: after a crash in between the claim drops the second doorbell."""
    with begin() as session:
        due = jobs.unpublished(session, house_depth)
    for job_id, token, queue in due:
        publish(queue, job_id, token)
    with begin() as session:
        jobs.published(session, [job_id for job_id, _, _ in due])
    return len(due)
