"""The workers as people see them: what each does, spoke last and failed at, in a few queries for all."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from farm import hearsay, schedule, workers
from farm.db import among, now
from farm.messages import Message
from farm.tables import Block, Desired, Job, JobKind, JobState, Mishap, Project, Segment, SegmentState, Worker

FEW, MANY = 3, 100  # mishaps of each worker: in a list of all, and of one
ORDER = (
    *("error", "held", "waiting", "joining", "working", "draining", "ready"),
    *("drained", "asleep", "maintenance", "stopping", "stopped", "lost", "revoked"),
)
"""Trouble first, then who works, who could, who does not."""

WORKING = ("working", "draining")
NEEDS_YOU = ("error", "held", "waiting")
AWAY = ("lost", "stopped", "revoked")
KEPT = ("held", "waiting", "asleep", "draining", "drained")
SAYS = {
    "error": Message("It cannot work; its last failures say why. It tries again by itself."),
    "waiting": Message("It has joined and waits for you to let it in."),
    "joining": Message("It is joining: checking itself and measuring how fast it is."),
    "working": Message("It is speaking."),
    "ready": Message("It is awake; there is no work that fits it at this moment."),
    "draining": Message("It ends its batch, then takes no more work."),
    "drained": Message("It takes no work until you let it."),
    "asleep": Message("It sleeps, and holds no memory of its card."),
    "maintenance": Message("It is kept from work so that you can work on the machine."),
    "stopping": Message("It stops after its batch."),
    "stopped": Message("Its process has ended. Start it again on its machine."),
    "lost": Message("It has not been heard of lately. Is its machine on, and on the network?"),
    "revoked": Message("It may never come back. Its machine can join anew, by a new line."),
}


@dataclass(frozen=True)
class Doing:
    """The render job it holds; `segments` it said that it is speaking."""

    project: int
    title: str
    segments: int
    since: datetime | None


@dataclass(frozen=True)
class Spoke:
    """A segment that has the audio it made last."""

    segment: int
    chapter: int
    project: int
    title: str
    display: str


@dataclass(frozen=True)
class Failed:
    """A mishap; `chapter` is None when its segment was cut anew since."""

    at: datetime
    project: int
    title: str
    chapter: int | None
    segment: int
    display: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Kept:
    """A project that it is kept from."""

    project: int
    title: str
    reason: Message


@dataclass(frozen=True)
class Standing:
    """A worker, and what it is in one word."""

    worker: Worker
    word: str

    @property
    def speed(self) -> float | None:
        """x realtime: what it says of this minute while it works, else its moving average."""
        said = hearsay.number(self.worker.facts.get("speed_now"))
        return said if said and self.word == "working" else self.worker.speed

    @property
    def works(self) -> bool:
        return self.word in WORKING

    @property
    def needs_you(self) -> bool:
        return self.word in NEEDS_YOU

    @property
    def is_heard(self) -> bool:
        """Whether its facts are of now."""
        return self.word not in AWAY


@dataclass(frozen=True)
class Seen(Standing):
    """`wakes_at`: when its schedule lets it sleep no longer; `facts` are checked, nothing else is."""

    why: Message
    wakes_at: datetime | None
    facts: Mapping[str, Any]
    doing: Doing | None
    spoke: Spoke | None
    failed: tuple[Failed, ...]
    kept_from: tuple[Kept, ...]


def everyone(session: Session) -> list[Seen]:
    """Every worker: who needs a person first, then who works."""
    return seen(session, standings(session))


def standings(session: Session) -> list[Standing]:
    """The same, without what takes more than one query."""
    found = session.execute(select(Worker, now)).all()
    every = [Standing(worker, workers.word(worker, at)) for worker, at in found]
    return sorted(every, key=lambda it: (ORDER.index(it.word), it.worker.name))


def one(session: Session, worker_id: int) -> Seen:
    """Raises NotFound."""
    at = session.scalars(select(now)).one()
    worker = workers.find(session, worker_id)
    return seen(session, [Standing(worker, workers.word(worker, at))], MANY)[0]


def seen(session: Session, found: Collection[Standing], most: int = FEW) -> list[Seen]:
    """Those with all that is known of each, and its last `most` mishaps."""
    at = session.scalars(select(now)).one()
    ids = [it.worker.id for it in found]
    doing = held(session)
    spoke = spoken(session, {it.worker.last_take for it in found if it.worker.last_take})
    failed, kept = mishaps(session, ids, most), blocks(session, ids)
    return [
        Seen(
            worker := it.worker,
            it.word,
            why(worker, it.word, at),
            wakes(worker, it.word, at),
            hearsay.facts(worker.facts),
            doing.get(worker.id),
            spoke.get(worker.last_take or ""),
            tuple(failed[worker.id]),
            tuple(kept[worker.id]),
        )
        for it in found
    ]


def why(worker: Worker, word: str, at: datetime) -> Message:
    """What keeps it from work, else what its word means."""
    if word == "error" and workers.is_stranger(worker):
        return workers.stranger(worker)
    if word == "error" and (trouble := hearsay.words(worker.facts.get("trouble"))):
        return Message("It cannot work: {trouble}", {"trouble": trouble})
    reason = workers.wanted(worker, at)[2] if word in KEPT else None
    return reason or SAYS[word]


def wakes(worker: Worker, word: str, at: datetime) -> datetime | None:
    asleep = word == "asleep" and worker.desired == Desired.RUN
    return schedule.next_change(worker.schedule, at) if asleep else None


def held(session: Session) -> dict[int, Doing]:
    """Worker -> its render job."""
    segments = func.cardinality(Job.in_hand)
    jobs = (
        select(Job.worker_id, Job.project_id, Project.title, segments, Job.claimed_at)
        .join(Project, Project.id == Job.project_id)
        .where(Job.state == JobState.RUNNING, Job.kind == JobKind.RENDER, Job.worker_id.is_not(None))
    )
    return {row[0]: Doing(*row[1:]) for row in session.execute(jobs)}


def spoken(session: Session, keys: Collection[str]) -> dict[str, Spoke]:
    """Take's key -> one segment that has it."""
    found = (
        select(
            Segment.take_key,
            Segment.id,
            Segment.chapter_id,
            Segment.project_id,
            Project.title,
            Segment.display,
        )
        .ext(distinct_on(Segment.take_key))
        .join(Project, Project.id == Segment.project_id)
        .where(Segment.take_key.in_(keys), Segment.state == SegmentState.DONE)
        .order_by(Segment.take_key, Segment.id)
    )
    return {row[0]: Spoke(*row[1:]) for row in session.execute(found) if row[0]}


def mishaps(session: Session, ids: Collection[int], most: int) -> dict[int, list[Failed]]:
    """Worker -> its last mishaps, the newest first."""
    mine = select(Mishap).where(Mishap.worker_id == Worker.id).order_by(Mishap.id.desc()).limit(most)
    last = mine.lateral("last")
    found = (
        select(
            *(last.c.worker_id, last.c.at, last.c.project_id, Project.title, Segment.chapter_id),
            *(last.c.segment_id, last.c.display, last.c.kind, last.c.reason),
        )
        .join_from(Worker, last, true())
        .join(Project, Project.id == last.c.project_id)
        .outerjoin(Segment, Segment.id == last.c.segment_id)
        .where(among(Worker.id, ids))
        .order_by(last.c.id.desc())
    )
    return grouped((row[0], Failed(*row[1:])) for row in session.execute(found))


def blocks(session: Session, ids: Collection[int]) -> dict[int, list[Kept]]:
    """Worker -> the projects it is kept from."""
    found = (
        select(Block.worker_id, Block.project_id, Project.title, Block.reason)
        .join(Project, Project.id == Block.project_id)
        .where(among(Block.worker_id, ids))
        .order_by(Block.project_id)
    )
    return grouped(
        (row[0], Kept(row[1], row[2], Message.from_json(row[3]))) for row in session.execute(found)
    )


def names(session: Session) -> dict[int, str]:
    """By id, in the alphabet's order."""
    found = select(Worker.id, Worker.name).order_by(Worker.name)
    return dict(session.execute(found).all())


def tags(session: Session) -> list[str]:
    """Every tag that a worker carries."""
    return sorted(session.scalars(select(func.unnest(Worker.tags)).distinct()))


def grouped(pairs: Iterable[tuple[int, Any]]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for worker_id, value in pairs:
        found[worker_id].append(value)
    return found
