"""Workers: who they are, what they said of themselves last, whether they may do a project's work."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from farm import states
from farm.db import now
from farm.errors import Forbidden, Rejected
from farm.gpu import CLASSES
from farm.protocol import PROTOCOL
from farm.tables import Project, Worker, WorkerState

LOST_AFTER_S = 45.0
SPEED_MEMORY = 0.3  # weight of the newest measurement in a worker's moving average
FASTEST = 10_000.0  # x realtime; no worker is believed to be faster
REPORTED = (WorkerState.READY, WorkerState.BUSY, WorkerState.ASLEEP, WorkerState.ERROR)
LIVE = (WorkerState.READY, WorkerState.BUSY)


@dataclass(frozen=True)
class Beat:
    """What a worker reports every few seconds."""

    state: WorkerState
    engine: str
    fingerprint: str
    protocol: int
    facts: Mapping[str, Any]


def enrol(session: Session, name: str, gpu_class: str, *, local: bool) -> str:
    """Make a worker known, or give a known one a new secret: 256 random bits, kept only as a hash."""
    if gpu_class not in CLASSES:
        raise Rejected("There is no GPU class {name}.", name=gpu_class)
    secret = secrets.token_hex(32)
    fresh = {"secret_hash": hash_of(secret), "gpu_class": gpu_class, "local": local, "last_seen": None}
    statement = insert(Worker).values(name=name, state=WorkerState.ENROLLED, **fresh)
    session.execute(statement.on_conflict_do_update(index_elements=[Worker.name], set_=fresh))
    return secret


def has_reported(session: Session, name: str) -> bool:
    """Whether a worker was heard of since it was enrolled."""
    return session.scalar(select(Worker.last_seen).where(Worker.name == name)) is not None


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def known(session: Session, secret: str) -> Worker:
    """The worker whose secret this is. Raises Forbidden."""
    worker = session.scalar(select(Worker).where(Worker.secret_hash == hash_of(secret)))
    if worker is None or worker.desired == "revoked":
        raise Forbidden("This worker is not known here, or was revoked. Join it again.")
    return worker


def beat(session: Session, worker: Worker, report: Beat) -> str:
    """Note what a worker says of itself; what it is wanted to do."""
    if report.protocol != PROTOCOL:
        raise Rejected(
            "Worker {name} speaks protocol {theirs}, the farm {ours}. Update the worker.",
            name=worker.name,
            theirs=report.protocol,
            ours=PROTOCOL,
        )
    values = {"engine": report.engine, "fingerprint": report.fingerprint, "facts": dict(report.facts)}
    others = tuple(state for state in WorkerState if report.state in states.MOVES[Worker][state])
    states.move(session, Worker, Worker.id == worker.id, others, report.state)
    session.execute(update(Worker).where(Worker.id == worker.id).values(last_seen=now, **values))
    return worker.desired


def live(session: Session) -> list[Worker]:
    """Workers that were heard of lately and take work."""
    fresh = Worker.last_seen > now - timedelta(seconds=LOST_AFTER_S)
    return list(session.scalars(select(Worker).where(fresh, Worker.state.in_(LIVE), Worker.desired == "run")))


def can_serve(worker: Worker, project: Project) -> bool:
    """Whether the project's pin, engine and longest segment allow this worker. A pure choice."""
    return (
        worker.engine == project.engine
        and worker.fingerprint == project.pin.get("fingerprint")
        and CLASSES[worker.gpu_class].longest_segment >= project.longest_segment
    )


def measured(old: float | None, audio_s: float, busy_s: float) -> float | None:
    """The moving average of a worker's speed after it made `audio_s` of audio in `busy_s`."""
    if busy_s <= 0:
        return old
    newest = min(audio_s / busy_s, FASTEST)
    return newest if old is None else old + SPEED_MEMORY * (newest - old)
