"""The dispatcher: expires what is overdue, cuts batches for the workers there are, empties the outbox."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from farm import house, jobs, mishaps, rendering, tally
from farm.cutting import Cutter, recall
from farm.db import Begin, among
from farm.matching import can_serve
from farm.mishaps import Verdict
from farm.protocol import direct_queue
from farm.round import OpenJob, Round, look
from farm.tables import Job, JobKind, JobState, Project, Segment, Worker, WorkerState
from farm.workers import listening

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
        heard = listening(session)
        expire(session, plan.times, [worker for worker, _ in heard])
        seen = look(session, heard)
        settle(session, seen)
        recall_unfit(session, seen)
        for gpu_class in sorted({worker.gpu_class for worker in seen.listeners}):
            Cutter(session, seen, gpu_class, plan.batch_s).fill()
        due = jobs.unpublished(session, plan.house_depth)
    return ring(begin, publish, due)


def expire(session: Session, times: jobs.Times, listeners: list[Worker]) -> None:
    """End jobs whose lease ran out or that nobody claimed, and put their work back."""
    idle = [worker for worker in listeners if worker.state == WorkerState.READY]
    queues = {jobs.render_queue(worker.gpu_class) for worker in idle}
    for job in jobs.overdue(session, times, queues | {direct_queue(worker.name) for worker in idle}):
        log.warning("job %s (%s, attempt %s) expired while %s", job.id, job.kind, job.attempt, job.state)
        if job.state == JobState.RUNNING:
            tally.add(session, tally.LEASES_EXPIRED)
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


def settle(session: Session, seen: Round) -> None:
    """Judge the workers that failed several segments in a row."""

    def able(project_id: int) -> Collection[int]:
        project = seen.projects.get(project_id) or session.get_one(Project, project_id)
        return {worker.id for worker in seen.able_anywhere(project)}

    for worker in [worker for worker in seen.listeners if mishaps.is_doubted(worker)]:
        verdict = seen.verdicts[worker.id] = mishaps.judge(session, worker, able)
        if verdict == Verdict.HOLD:
            log.warning("worker %s is on hold: %s", worker.name, worker.hold)
            seen.dismiss(worker)
        elif verdict == Verdict.WAIT:
            struck = select(Segment.project_id).where(among(Segment.id, worker.strikes))
            seen.urgent |= set(session.scalars(struck))


def recall_unfit(session: Session, seen: Round) -> None:
    """Take back what a worker has that may not have it any more, and what waits where nobody listens."""
    by_id = {worker.id: worker for worker in seen.listeners}
    crewed = {jobs.render_queue(by_id[id].gpu_class) for id in seen.live}
    crewed |= {direct_queue(by_id[id].name) for id in seen.live}
    stranded = [job for job in seen.open if job.is_queued and job.queue not in crewed]
    unfit = [job for job in seen.open if job.worker_id in by_id and not fits(seen, job, by_id[job.worker_id])]
    recall(session, seen, [*stranded, *unfit])


def fits(seen: Round, job: OpenJob, worker: Worker) -> bool:
    """Whether a worker may go on with what it has; one that is to drain or sleep may."""
    project = seen.projects.get(job.project_id)
    kept = worker.approved and not worker.hold
    return kept and (project is None or can_serve(worker, project, seen.blocked))


def ring(begin: Begin, publish: Publish, due: Sequence[tuple[int, str, str]]) -> int:
    """Publish what is due, then note it: after a crash in between the claim drops the second doorbell."""
    if not due:
        return 0
    for job_id, token, queue in due:
        publish(queue, job_id, token)
    with begin() as session:
        jobs.published(session, [job_id for job_id, _, _ in due])
    return len(due)
