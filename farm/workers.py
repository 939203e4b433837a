"""Workers: who they are, what they said of themselves last, what is wanted of them."""

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

from farm import schedule, states
from farm.db import now
from farm.errors import Forbidden, NotFound, Rejected
from farm.gpu import CLASSES
from farm.jobs import render_queue
from farm.messages import Message
from farm.protocol import OLDEST, PROTOCOL, direct_queue, is_understood
from farm.tables import Desired, Job, JobState, Worker, WorkerState

LOST_AFTER_S = 45.0
SPEED_MEMORY = 0.3  # weight of the newest measurement in a worker's moving average
FASTEST = 10_000.0  # x realtime; no worker is believed to be faster
ASKED = (
    *(Worker.name, Worker.state, Worker.desired, Worker.at_once, Worker.approved, Worker.hold),
    *(Worker.engine, Worker.fingerprint, Worker.protocol, Worker.gpu_class, Worker.speed),
    *(Worker.tags, Worker.projects, Worker.schedule, Worker.strikes),
)
"""What of a worker is asked in every round of the dispatcher; the rest of its row is loaded when needed."""
LIVE = (WorkerState.READY, WorkerState.BUSY)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""Names are parts of queues and of the broker's patterns, where * and ? would open other workers' keys."""


MOST_TAGS = 20
TAG = re.compile(r"[\w-]{1,40}")


@dataclass(frozen=True)
class Beat:
    """What a worker reports every few seconds."""

    state: WorkerState
    engine: str
    fingerprint: str
    protocol: int
    facts: Mapping[str, Any]
    version: str = ""


@dataclass(frozen=True)
class Enrolled:
    """A worker that was made known; its secret and password are nowhere else."""

    worker_id: int
    secret: str
    broker_password: str


Wish = tuple[Desired, bool, Message | None]
"""What a worker is to do now, whether at once, and why it is not to run."""


def enrol(session: Session, name: str, gpu_class: str, *, local: bool) -> str:
    """`enrol_with_broker`; the worker's secret alone."""
    return enrol_with_broker(session, name, gpu_class, local=local).secret


def enrol_with_broker(session: Session, name: str, gpu_class: str, *, local: bool, **also: Any) -> Enrolled:
    """Make a worker known, or give a known one a new secret and password, which ends the old ones.

    Both are 256 random bits, kept only as hashes. One that was told to stop runs again. Raises Rejected.
    """
    check_class(gpu_class)
    if not NAME.fullmatch(name):
        raise Rejected(
            "A worker cannot be called {name}. Use a to z, 0 to 9 and -, at most 40 characters.",
            name=name[:80],
        )
    secret, password = secrets.token_hex(32), secrets.token_hex(32)
    fresh = {
        "secret_hash": hash_of(secret),
        "broker_hash": hash_of(password),
        "gpu_class": gpu_class,
        "local": local,
        "last_seen": None,
        **also,
    }
    started = case((Worker.desired == Desired.STOP, Desired.RUN), else_=Worker.desired)
    statement = insert(Worker).values(name=name, state=WorkerState.ENROLLED, **fresh)
    statement = statement.on_conflict_do_update(
        index_elements=[Worker.name], set_={"desired": started, **fresh}
    )
    worker_id = session.scalars(statement.returning(Worker.id)).one()
    return Enrolled(worker_id, secret, password)


def check_class(gpu_class: str) -> None:
    """Raises Rejected."""
    if gpu_class not in CLASSES:
        raise Rejected("There is no GPU class {name}.", name=gpu_class[:40])


def checked_tags(tags: Collection[str]) -> list[str]:
    """Each once, in order. Raises Rejected."""
    if len(tags) > MOST_TAGS or not all(TAG.fullmatch(tag) for tag in tags):
        raise Rejected(
            "Tags are at most {most} words of letters, digits, - and _, each at most 40 long.", most=MOST_TAGS
        )
    return sorted(set(tags))


def find(session: Session, worker_id: int) -> Worker:
    """Raises NotFound."""
    worker = session.get(Worker, worker_id, populate_existing=True)
    if worker is None:
        raise NotFound("There is no worker {worker}.", worker=worker_id)
    return worker


def everyone(session: Session) -> list[Worker]:
    return list(session.scalars(select(Worker).order_by(Worker.id)))


def has_reported(session: Session, name: str) -> bool:
    """Whether a worker was heard of since it was enrolled."""
    return session.scalar(select(Worker.last_seen).where(Worker.name == name)) is not None


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def known(session: Session, secret: str) -> Worker:
    """The worker whose secret this is. Raises Forbidden."""
    worker = session.scalar(select(Worker).where(Worker.secret_hash == hash_of(secret)))
    if worker is None or worker.desired == Desired.REVOKED:
        raise Forbidden("This worker is not known here, or was revoked. Join it again.")
    return worker


def beat(session: Session, worker: Worker, report: Beat, address: str = "") -> Wish:
    """Note what a worker says of itself; what is wanted of it now.

    One of a protocol that is not understood is noted, too: the caller refuses it by `understood`.
    """
    if worker.state != report.state:
        others = tuple(state for state in WorkerState if report.state in states.MOVES[Worker][state])
        states.move(session, Worker, Worker.id == worker.id, others, report.state)
    values = {
        "engine": report.engine,
        "fingerprint": report.fingerprint,
        "protocol": report.protocol,
        "version": report.version,
        "facts": {**card_of(worker), **report.facts},
        "address": address,
        "last_seen": now,
    }
    statement = update(Worker).where(Worker.id == worker.id).values(**values).returning(Worker, now)
    told = session.execute(statement.execution_options(populate_existing=True)).one()
    return wanted(*told)


def card_of(worker: Worker) -> dict[str, Any]:
    """What the machine said of the card when it joined; beats tell of its use only."""
    return {name: worker.facts[name] for name in ("gpu", "vram_total_mib") if name in worker.facts}


def unheard_s(session: Session, worker: Worker) -> float | None:
    """For how long a doorbell that a ready worker should hear has been ringing; None when none is."""
    if worker.state != WorkerState.READY:
        return None
    ears = (render_queue(worker.gpu_class), direct_queue(worker.name))
    ringing = and_(Job.queue.in_(ears), Job.state == JobState.QUEUED, Job.published_at.is_not(None))
    first = select(func.extract("epoch", now - func.min(Job.published_at))).where(ringing)
    age = session.scalar(first)
    return None if age is None else float(age)


def wanted_now(session: Session, worker: Worker) -> Wish:
    """`wanted` by the database's clock."""
    return wanted(worker, session.scalars(select(now)).one())


def understood(worker: Worker) -> None:
    """Raises Rejected when the worker last spoke a protocol that this farm does not."""
    if not is_understood(worker.protocol):
        message = stranger(worker)
        raise Rejected(message.template, **message.values)


def is_stranger(worker: Worker) -> bool:
    return worker.protocol != 0 and not is_understood(worker.protocol)


def stranger(worker: Worker) -> Message:
    return Message(
        "Worker {name} speaks protocol {theirs}; this farm understands {oldest} to {newest}. "
        "Update the worker.",
        {"name": worker.name, "theirs": worker.protocol, "oldest": OLDEST, "newest": PROTOCOL},
    )


def wanted(worker: Worker, at: datetime) -> Wish:
    """What a worker is to do at that moment: a person's wish first, then what keeps it from work. Pure."""
    if worker.desired != Desired.RUN:
        return Desired(worker.desired), worker.at_once, None
    if is_stranger(worker):
        return Desired.DRAIN, False, stranger(worker)
    if not worker.approved:
        return Desired.DRAIN, False, Message("It waits until a person lets it in.")
    if worker.hold:
        return Desired.DRAIN, False, Message.from_json(worker.hold)
    if not schedule.works_at(worker.schedule, at):
        return Desired.SLEEP, False, Message("These are not the hours in which it works.")
    return Desired.RUN, False, None


def is_lost(worker: Worker, at: datetime) -> bool:
    """Whether a worker that reported was not heard of for `LOST_AFTER_S`. Pure."""
    return worker.last_seen is not None and at - worker.last_seen > timedelta(seconds=LOST_AFTER_S)


def word(worker: Worker, at: datetime) -> str:
    """What a worker is, in one word for people. Pure."""
    away = away_word(worker, at)
    if away:
        return away
    if worker.state == WorkerState.ERROR or is_stranger(worker):
        return "error"
    if not worker.approved:
        return "waiting"
    if worker.state == WorkerState.ENROLLED:
        return "joining"
    if worker.hold:
        return "held"
    desired, _, _ = wanted(worker, at)
    if desired == Desired.RUN and worker.state == WorkerState.ASLEEP:
        return "asleep"
    return (BUSY if worker.state == WorkerState.BUSY else IDLE)[desired]


def away_word(worker: Worker, at: datetime) -> str | None:
    """What a worker is that cannot be heard; one that was told to go is not lost."""
    if worker.desired == Desired.REVOKED:
        return "revoked"
    if worker.last_seen is None:
        return "joining"
    if not is_lost(worker, at):
        return None
    return GONE.get(Desired(worker.desired), "lost")


BUSY = {
    Desired.RUN: "working",
    Desired.DRAIN: "draining",
    Desired.SLEEP: "draining",
    Desired.MAINTENANCE: "draining",
    Desired.STOP: "stopping",
}
IDLE = {
    Desired.RUN: "ready",
    Desired.DRAIN: "drained",
    Desired.SLEEP: "asleep",
    Desired.MAINTENANCE: "maintenance",
    Desired.STOP: "stopping",
}
GONE = {Desired.STOP: "stopped", Desired.MAINTENANCE: "maintenance"}


def listening(session: Session) -> list[tuple[Worker, Desired]]:
    """Workers that were heard of lately and take jobs from their queues, and what is wanted of each now."""
    fresh = Worker.last_seen > now - timedelta(seconds=LOST_AFTER_S)
    statement = select(Worker, now).where(fresh, Worker.state.in_(LIVE), Worker.desired != Desired.REVOKED)
    statement = statement.options(load_only(*ASKED)).order_by(Worker.id)
    return [(worker, wanted(worker, at)[0]) for worker, at in session.execute(statement)]


def live(session: Session) -> list[Worker]:
    """Workers that were heard of lately and are wanted to run."""
    return [worker for worker, desired in listening(session) if desired == Desired.RUN]


def measured(old: float | None, audio_s: float, busy_s: float) -> float | None:
    """The moving average of a worker's speed after it made `audio_s` of audio in `busy_s`."""
    if busy_s <= 0:
        return old
    newest = min(audio_s / busy_s, FASTEST)
    return newest if old is None else old + SPEED_MEMORY * (newest - old)


def benchmarked(session: Session, worker: Worker, speed: float, batch: int, peak_mib: float) -> None:
    """Note what a worker measured of itself when it joined; `speed` in x realtime."""
    worker.benchmark = min(speed, FASTEST)
    worker.speed = worker.speed or worker.benchmark
    worker.profile = {**worker.profile, "batch": batch, "peak_mib": peak_mib}
    session.flush()
