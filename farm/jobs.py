"""Jobs: one delivery attempt each, fenced by a token, promised by a lease on the database's clock."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from farm import states
from farm.db import notify, now
from farm.errors import LeaseLost
from farm.messages import Message
from farm.settings import Settings
from farm.tables import Job, JobKind, JobState

CLOCK = "clock"
HOUSE = "house"
MOST_ATTEMPTS = 4
OPEN = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Times:
    """Seconds; the settings of the same names."""

    lease_s: float = 60.0
    renew_s: float = 15.0
    stall_s: float = 300.0
    unclaimed_s: float = 60.0

    @classmethod
    def of(cls, config: Settings) -> Self:
        return cls(config.lease_s, config.renew_s, config.stall_s, config.unclaimed_s)


def render_queue(gpu_class: str) -> str:
    return f"render.{gpu_class}"


def write(
    session: Session,
    kind: JobKind,
    project_id: int,
    chapter_id: int | None = None,
    *,
    queue: str = HOUSE,
    payload: dict[str, Any] | None = None,
    attempt: int = 1,
    wait_s: float = 0.0,
    cost_s: float = 0.0,
    wake: bool = True,
) -> Job:
    """Write a job into the outbox, to be published no sooner than `wait_s` from now.

    The clock itself, which empties the outbox next, is not to `wake` itself.
    """
    job = Job(
        kind=kind,
        state=JobState.QUEUED,
        token=secrets.token_hex(16),
        queue=queue,
        project_id=project_id,
        chapter_id=chapter_id,
        payload=payload or {},
        attempt=attempt,
        cost_s=cost_s,
        not_before=now + timedelta(seconds=wait_s),
    )
    session.add(job)
    session.flush()
    if wake:
        notify(session, CLOCK)
    return job


def again(session: Session, job: Job, wait_s: float = 0.0, *, counted: bool = True) -> Job:
    """The same unit of work under a new token; as a new attempt where the last one is `counted`."""
    return write(
        session,
        JobKind(job.kind),
        job.project_id,
        job.chapter_id,
        queue=job.queue,
        payload=job.payload,
        attempt=job.attempt + counted,
        wait_s=wait_s,
    )


def offered(session: Session, job_id: int, token: str) -> Job | None:
    """A job that waits to be claimed, locked; None when the message was stale or doubled."""
    waits = and_(Job.id == job_id, Job.token == token, Job.state == JobState.QUEUED)
    statement = select(Job).where(waits).with_for_update()
    return session.scalar(statement.execution_options(populate_existing=True))


def claim(
    session: Session, job_id: int, token: str, times: Times, worker_id: int | None = None
) -> Job | None:
    """Take a queued job; None when the message was stale or doubled."""
    moved = states.move(
        session,
        Job,
        and_(Job.id == job_id, Job.token == token),
        JobState.QUEUED,
        JobState.RUNNING,
        worker_id=worker_id,
        claimed_at=now,
        progressed_at=now,
        lease_until=now + timedelta(seconds=times.lease_s),
    )
    return session.get_one(Job, job_id, populate_existing=True) if moved else None


def held_by(job_id: int, token: str) -> ColumnElement[bool]:
    return and_(Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING)


def hold(session: Session, job_id: int, token: str) -> Job:
    """The job, locked until the transaction ends. Raises LeaseLost when it is not the caller's any more."""
    statement = select(Job).where(held_by(job_id, token)).with_for_update()
    job = session.scalar(statement.execution_options(populate_existing=True))
    if job is None:
        raise lost(job_id)
    return job


def lost(job_id: int) -> LeaseLost:
    return LeaseLost("Job {job} is no longer yours: its lease ended or it was recalled.", job=job_id)


def renew(
    session: Session,
    job_id: int,
    token: str,
    times: Times,
    progress: float,
    in_hand: Sequence[int] = (),
    *,
    worker_id: int | None = None,
) -> None:
    """Extend the lease of the job, which is `worker_id`'s (None: the farm's own).

    `progress` grows while work is done; a job that stood still for `stall_s` is refused. Raises LeaseLost.
    """
    moving = Job.progress < progress
    lively = Job.progressed_at > now - timedelta(seconds=times.stall_s)
    statement = (
        update(Job)
        .where(held_by(job_id, token), Job.worker_id.is_not_distinct_from(worker_id), or_(lively, moving))
        .values(
            lease_until=now + timedelta(seconds=times.lease_s),
            progressed_at=case((moving, now), else_=Job.progressed_at),
            progress=progress,
            in_hand=list(in_hand),
        )
        .returning(Job.id)
    )
    if session.scalar(statement) is None:
        raise lost(job_id)


def spare(session: Session, times: Times) -> None:
    """Give whatever runs a whole lease from now: while the database was away, nobody could renew."""
    whole = now + timedelta(seconds=times.lease_s)
    running = update(Job).where(Job.state == JobState.RUNNING)
    session.execute(running.values(lease_until=func.greatest(Job.lease_until, whole)))


def end(session: Session, job: Job, state: JobState, failure: Message | None = None) -> None:
    """Move a job that the caller has locked to its last state, and wake the clock."""
    reason = failure.to_json() if failure else None
    sources = tuple(source for source in OPEN if state in states.MOVES[Job][source])
    states.move(session, Job, Job.id == job.id, sources, state, ended_at=now, failure=reason)
    notify(session, CLOCK)


def overdue(session: Session, times: Times, idle: Collection[str]) -> list[Job]:
    """Jobs whose lease ran out or that nobody claimed, locked.

    In the queues `idle` somebody waits for work: what is not claimed there soon was lost on its way.
    """
    age = now - Job.published_at
    soon = and_(Job.queue.in_(idle), age > timedelta(seconds=min(10.0, times.unclaimed_s / 6)))
    late = or_(soon, age > timedelta(seconds=times.unclaimed_s))
    expired = and_(Job.state == JobState.RUNNING, Job.lease_until < now)
    statement = select(Job).where(or_(expired, and_(Job.state == JobState.QUEUED, late)))
    return list(session.scalars(statement.order_by(Job.id).with_for_update(skip_locked=True)))


def unpublished(session: Session, queue_depth: int) -> list[tuple[int, str, str]]:
    """(id, token, queue) of what is to be published: every render job, and house jobs up to `queue_depth`."""
    due = and_(Job.state == JobState.QUEUED, Job.published_at.is_(None), Job.not_before <= now)
    waiting = select(Job.id, Job.token, Job.queue).where(due)
    renders = session.execute(waiting.where(Job.queue != HOUSE).order_by(Job.id)).all()
    # What a person waits for and what keeps render workers fed goes before what takes long.
    urgency = case((Job.kind.in_([JobKind.IMPORT, JobKind.PLAN]), 0), else_=1)
    first = waiting.where(Job.queue == HOUSE).order_by(urgency, Job.id).limit(queue_depth)
    if not (house := session.execute(first).all()):
        return list(renders)
    underway = select(Job.id).where(Job.queue == HOUSE, Job.state.in_(OPEN), Job.published_at.is_not(None))
    room = max(0, queue_depth - len(session.scalars(underway).all()))
    return [*renders, *house[:room]]


def published(session: Session, job_ids: Sequence[int]) -> None:
    session.execute(
        update(Job).where(Job.id.in_(job_ids), Job.published_at.is_(None)).values(published_at=now)
    )


def underway(session: Session, kind: JobKind, chapter_id: int) -> Job | None:
    """The open job of a kind for a chapter."""
    statement = select(Job).where(Job.kind == kind, Job.chapter_id == chapter_id, Job.state.in_(OPEN))
    return session.scalar(statement.limit(1))
