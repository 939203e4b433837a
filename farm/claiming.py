"""Claiming: what a worker is given when it takes a render job, and why it may be refused."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, distinct, func, select
from sqlalchemy.orm import Session

from farm import batching, blocks, casting, jobs, mishaps, rendering, states, takes, workers
from farm.db import among
from farm.gpu import CLASSES
from farm.matching import misfit
from farm.messages import Message
from farm.protocol import direct_queue
from farm.tables import (
    Desired,
    Job,
    JobKind,
    JobState,
    Project,
    ProjectState,
    Segment,
    SegmentState,
    Worker,
)


def claim(
    session: Session, worker: Worker, job_id: int, token: str, times: jobs.Times, batch_s: float
) -> Job | Message:
    """Take a render job and keep what the worker speaks in `batch_s`; the rest goes back at once.

    The worker has nothing in hand before it says so: the answer may be lost on its way, and nobody is blamed.
    Or why not: the message was stale, or the worker may not do this work (the job is recalled then).
    """
    offered = jobs.offered(session, job_id, token)
    if offered is None:
        return Message("Job {job} is not to be had: the message was stale.", {"job": job_id})
    if refused := refusal(session, worker, offered):
        rendering.give_back(session, offered, JobState.RECALLED)
        return refused
    job = jobs.claim(session, job_id, token, times, worker.id)
    assert job is not None, "the offer was locked"
    mine = rendering.leased(session, job)
    batch = batching.cut(waiting(mine), batching.target_seconds(batch_s, worker.speed))
    kept = {item.id for item in batch}
    surplus = and_(Segment.job_id == job.id, ~among(Segment.id, kept))
    states.move(session, Segment, surplus, SegmentState.LEASED, SegmentState.READY, job_id=None)
    job.cost_s = sum(batching.expected_seconds(item.length) for item in batch) / (worker.speed or 1)
    return job


def refusal(session: Session, worker: Worker, job: Job) -> Message | None:
    """Why this worker is not given this job now, whoever it was cut for."""
    project = session.get_one(Project, job.project_id, populate_existing=True)
    named = {"worker": worker.name, "project": project.title}
    if project.state != ProjectState.RUNNING:
        return Message("{project} is not running.", named)
    if workers.wanted_now(session, worker)[0] != Desired.RUN:
        return Message("{worker} is not to work now.", named)
    if mishaps.is_doubted(worker) and job.queue != direct_queue(worker.name):
        return Message("{worker} failed too much of late: others try what it failed first.", named)
    if project.most_workers is not None and others_at(session, worker, project) >= project.most_workers:
        return Message("{project} has as many workers as it may have at once.", named)
    if longest(session, job) > CLASSES[worker.gpu_class].longest_segment:
        return Message("{worker} has too little memory for the sentences of this job.", named)
    return misfit(worker, project, blocks.between(session, project.id, worker.id))


def others_at(session: Session, worker: Worker, project: Project) -> int:
    """How many other workers are at work on a project; until the transaction ends nobody joins them."""
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    theirs = and_(Job.project_id == project.id, Job.kind == JobKind.RENDER, Job.state == JobState.RUNNING)
    count = select(func.count(distinct(Job.worker_id))).where(theirs, Job.worker_id != worker.id)
    return session.scalars(count).one()


def longest(session: Session, job: Job) -> float:
    """Spoken characters of the longest segment that the job holds."""
    return session.scalar(select(func.max(Segment.length)).where(rendering.held_by(job))) or 0.0


def waiting(segments: Sequence[Segment]) -> list[batching.Waiting]:
    return [
        batching.Waiting(s.id, s.take_key or "", s.length, s.attempts, frozenset(s.failed_by))
        for s in segments
    ]


def work(session: Session, job: Job) -> dict[str, Any]:
    """What the worker needs to speak the job; `recordings` are the SHA-256 of those that its voices are."""
    project = session.get_one(Project, job.project_id)
    segments = [
        {
            "id": segment.id,
            "text": segment.spoken,
            "language": segment.language,
            "voice": casting.voice_for(project.cast, segment.role),
            "direction": takes.direction_of(project, segment.role, segment.direction),
            "seed": project.seed + segment.take_number,
        }
        for segment in rendering.leased(session, job)
    ]
    return {
        "job": job.id,
        "project": project.id,
        "engine": project.engine,
        "pin": project.pin,
        "segments": segments,
        "recordings": sorted(casting.recordings_of(segments)),
    }
