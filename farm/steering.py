"""Steering: what people want of workers, and what is done about it at once."""

import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, null, or_, select, update
from sqlalchemy.orm import Session

from farm import broker, jobs, rendering, workers
from farm import schedule as schedules
from farm.db import notify, now
from farm.errors import Conflict, NotFound
from farm.protocol import direct_queue
from farm.tables import Desired, Job, JobState, Project, Worker

AWAY_S = 30 * 60.0
"""An ephemeral worker that was not heard of for so long is forgotten."""


def wish(session: Session, worker_id: int, desired: Desired, *, at_once: bool) -> None:
    """Note what a person wants; the worker hears of it by its next beat, renewal or accept.

    Its running batch is not taken from it: it ends it, or with `at_once` its micro-batch, and gives back the
    rest. Only what a lost one had in hand is put back here. Raises NotFound, Conflict (it was revoked).
    """
    if desired == Desired.REVOKED:
        revoke(session, worker_id)
        return
    worker = unrevoked(session, worker_id)
    worker.desired, worker.at_once = desired, at_once and desired != Desired.RUN
    session.flush()
    if workers.is_lost(worker, session.scalars(select(now)).one()):
        put_back(session, worker)
    elif desired != Desired.RUN:
        recall(session, reserved(worker))
    notify(session, jobs.CLOCK)


def approve(session: Session, worker_id: int) -> None:
    """Let a worker in that joined. Raises NotFound, Conflict."""
    unrevoked(session, worker_id).approved = True
    notify(session, jobs.CLOCK)


def release(session: Session, worker_id: int) -> None:
    """Let a worker work that the farm held back; what it failed is forgiven. Raises NotFound, Conflict."""
    worker = unrevoked(session, worker_id)
    session.execute(update(Worker).where(Worker.id == worker.id).values(hold=null(), strikes=[]))
    notify(session, jobs.CLOCK)


def revoke(session: Session, worker_id: int) -> None:
    """End a worker at once: its secret, its leases, and by the clock, which is woken, its broker's user."""
    worker = locked(session, worker_id)
    worker.desired, worker.at_once = Desired.REVOKED, True
    worker.secret_hash, worker.broker_hash = workers.hash_of(secrets.token_hex(32)), ""
    session.flush()
    put_back(session, worker)
    notify(session, jobs.CLOCK, broker.NEWS)


def leave(session: Session, worker_id: int) -> None:
    """End a worker by its own wish; an ephemeral one is forgotten as well. Raises NotFound."""
    revoke(session, worker_id)
    if workers.find(session, worker_id).ephemeral:
        forget(session, worker_id)


def forget(session: Session, worker_id: int) -> None:
    """Delete a worker that was revoked, is lost, or never spoke. Raises NotFound, and Conflict otherwise."""
    worker = locked(session, worker_id)
    heard = worker.last_seen and not workers.is_lost(worker, session.scalars(select(now)).one())
    if heard and worker.desired != Desired.REVOKED:
        raise Conflict("{name} was heard of just now. Revoke it first.", name=worker.name)
    put_back(session, worker)
    session.execute(delete(Worker).where(Worker.id == worker.id))
    notify(session, jobs.CLOCK, broker.NEWS)


def forget_away(session: Session) -> list[str]:
    """Forget the ephemeral workers that have been away for `AWAY_S`; their names."""
    heard = func.coalesce(Worker.last_seen, Worker.created_at)
    away = and_(Worker.ephemeral, heard < now - timedelta(seconds=AWAY_S))
    gone = session.scalars(select(Worker).where(away).order_by(Worker.id)).all()
    for worker in gone:
        forget(session, worker.id)
    return [worker.name for worker in gone]


def describe(
    session: Session,
    worker_id: int,
    *,
    tags: Collection[str] | None = None,
    projects: Collection[int] | None = None,
    schedule: Any = None,
    gpu_class: str | None = None,
) -> None:
    """Change what is given of a worker; {} as its schedule means always, no projects every one.

    Raises NotFound, Rejected.
    """
    worker = locked(session, worker_id)
    if tags is not None:
        worker.tags = workers.checked_tags(tags)
    if projects is not None:
        worker.projects = checked_projects(session, projects)
    if schedule is not None:
        worker.schedule = schedules.checked(schedule)
    if gpu_class is not None:
        change_class(worker, gpu_class)
    session.flush()
    notify(session, jobs.CLOCK, broker.NEWS)


def change_class(worker: Worker, gpu_class: str) -> None:
    workers.check_class(gpu_class)
    before = {*worker.profile.get(broker.CLASSES_BEFORE, ()), worker.gpu_class} - {gpu_class}
    worker.profile = {**worker.profile, broker.CLASSES_BEFORE: sorted(before)}
    worker.gpu_class = gpu_class


def checked_projects(session: Session, ids: Collection[int]) -> list[int]:
    """Each once, in order. Raises NotFound."""
    there = set(session.scalars(select(Project.id).where(Project.id.in_(ids))))
    if missing := sorted(set(ids) - there):
        raise NotFound("There is no project {project}.", project=missing[0])
    return sorted(there)


def locked(session: Session, worker_id: int) -> Worker:
    """Raises NotFound."""
    statement = select(Worker).where(Worker.id == worker_id).with_for_update()
    worker = session.scalar(statement.execution_options(populate_existing=True))
    if worker is None:
        raise NotFound("There is no worker {worker}.", worker=worker_id)
    return worker


def unrevoked(session: Session, worker_id: int) -> Worker:
    """Raises NotFound, and Conflict when the worker was revoked."""
    worker = locked(session, worker_id)
    if worker.desired == Desired.REVOKED:
        raise Conflict("{name} was revoked. Its machine can join anew, by a new line.", name=worker.name)
    return worker


def put_back(session: Session, worker: Worker) -> None:
    """Put back what the worker has in hand and what waits for it alone; it counts no attempt."""
    in_hand = and_(Job.worker_id == worker.id, Job.state == JobState.RUNNING)
    recall(session, or_(in_hand, reserved(worker)))


def reserved(worker: Worker) -> ColumnElement[bool]:
    return and_(Job.queue == direct_queue(worker.name), Job.state == JobState.QUEUED)


def recall(session: Session, which: ColumnElement[bool]) -> None:
    for job in session.scalars(select(Job).where(which).order_by(Job.id).with_for_update()):
        rendering.give_back(session, job, JobState.RECALLED)
