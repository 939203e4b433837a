"""Mishaps: what went wrong on a worker, and when it is the worker rather than the book."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from farm.db import among
from farm.messages import Message
from farm.tables import Job, Mishap, Project, ProjectState, Segment, SegmentState, Worker

KEPT = 50  # a worker
SHOWN = 80  # characters of a segment
MOST_STRIKES = 3
MOST_UNJUDGED = 8
EVERYWHERE = ("text", "voice")
"""Failures that are no machine's: the same words, the same voice fail on every one."""


@dataclass(frozen=True)
class Trouble:
    """What went wrong with a segment; `kind` as in farm.engine.SpeechFailure, or lost, upload, audio."""

    segment: Segment
    kind: str
    reason: str


class Verdict(StrEnum):
    """On a worker that failed several segments in a row."""

    WORK = "work"
    WAIT = "wait"  # until others have tried what it failed
    HOLD = "hold"


def note(session: Session, job: Job, troubles: Sequence[Trouble]) -> None:
    """Remember them; of each worker only the last ones are kept."""
    if job.worker_id is None or not troubles:
        return
    for trouble in troubles[-KEPT:]:
        what = {"display": trouble.segment.display[:SHOWN], "kind": trouble.kind, "reason": trouble.reason}
        whose = {"worker_id": job.worker_id, "project_id": job.project_id, "segment_id": trouble.segment.id}
        session.add(Mishap(**whose, **what))
    session.flush()
    mine = Mishap.worker_id == job.worker_id
    oldest = select(Mishap.id).where(mine).order_by(Mishap.id.desc()).offset(KEPT - 1).limit(1)
    session.execute(delete(Mishap).where(mine, Mishap.id < oldest.scalar_subquery()))


def strike(worker: Worker, trouble: Trouble) -> bool:
    """Count a failure against the worker; whether it was one more strike.

    Not where the words or the voice are at fault, nor where another worker failed with them before.
    """
    others = set(trouble.segment.failed_by) - {worker.id}
    if trouble.kind in EVERYWHERE or others or trouble.segment.id in worker.strikes:
        return False
    worker.strikes = [*worker.strikes, trouble.segment.id]
    return True


def is_doubted(worker: Worker) -> bool:
    """Whether it failed so much in a row that it gets nothing from its class's queue."""
    return len(worker.strikes) >= MOST_STRIKES


def judge(session: Session, worker: Worker, able: Callable[[int], Collection[int]]) -> Verdict:
    """Whether a doubted worker is at fault: what it failed is given to others, who speak it or fail, too.

    `able` gives the live workers that can serve a project. Three segments that others could speak put the
    worker on hold. What others fail as well is forgiven: three poisonous segments never hold an innocent one.
    Where nobody else can try (a farm of one worker), work goes on, with nothing lost but attempts, until
    so many segments failed in a row that a book's bad patch is less likely than a broken machine; it is then
    right to stop, for each further segment would fail for good.
    """
    found = session.scalars(select(Segment).where(among(Segment.id, worker.strikes))).all()
    standing = [segment for segment in found if not set(segment.failed_by) - {worker.id}]
    worker.strikes = [id for id in worker.strikes if id in {segment.id for segment in standing}]
    spoken = [segment for segment in standing if segment.state == SegmentState.DONE]
    if len(spoken) >= MOST_STRIKES or len(standing) >= MOST_UNJUDGED:
        hold(session, worker, len(spoken))
        return Verdict.HOLD
    running = projects_running(session, [segment.project_id for segment in standing])
    pending = any(
        segment.state in (SegmentState.READY, SegmentState.LEASED)
        and segment.project_id in running
        and set(able(segment.project_id)) - {worker.id}
        for segment in standing
    )
    return Verdict.WAIT if pending and is_doubted(worker) else Verdict.WORK


def projects_running(session: Session, project_ids: Collection[int]) -> set[int]:
    running = select(Project.id).where(Project.state == ProjectState.RUNNING)
    return set(session.scalars(running.where(Project.id.in_(project_ids))))


def hold(session: Session, worker: Worker, spoken: int) -> None:
    """Give the worker no work until a person releases it; it begins without strikes then."""
    last = select(Mishap.reason).where(Mishap.worker_id == worker.id).order_by(Mishap.id.desc()).limit(1)
    values = {"count": len(worker.strikes), "reason": session.scalar(last) or "?"}
    if spoken >= MOST_STRIKES:
        why = Message("It failed {count} sentences in a row that others could speak. Last: {reason}", values)
    else:
        why = Message(
            "It failed {count} sentences in a row, and no other worker could try them. Last: {reason}", values
        )
    worker.hold = why.to_json()
    worker.strikes = []
