"""A whole novel on unlike cards: how near the ideal it is finished, and how long a card idles meanwhile."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Text, cast, func, select, update

from farm import oneshot
from farm.db import Begin
from farm.oneshot import Request
from farm.settings import Settings
from farm.tables import Job, JobKind, Segment, Take, Worker
from models.bench.figures import Figure
from tests.bench.options import Options
from tests.chaos.field import Card, Field, eventually, field_up

SPEEDS = {"3060": 5.7, "4090": 28.0, "h200": 60.0}  # x realtime, as PERFORMANCE.md has them
CLASSES = {"3060": "12g", "4090": "24g", "h200": "24g"}
FLEET = ("3060-1", "3060-2", "3060-3", "3060-4", "4090-1", "4090-2", "h200-1")
REAL_TIMES = ("lease_s", "renew_s", "stall_s", "unclaimed_s", "beat_s", "batch_s", "tick_s")


def speed_of(name: str) -> float:
    return SPEEDS[name.partition("-")[0]]


def run(options: Options) -> list[Figure]:
    crew = {
        name: Card(f"simulated:speed={speed_of(name)},batch=4", CLASSES[name.partition("-")[0]])
        for name in FLEET
    }
    times = {name: getattr(Settings(), name) for name in REAL_TIMES}
    with field_up(crew, **times) as field:
        measured(field)
        request = Request((options.book,), engine="simulated", chapters=options.chapters)
        book = oneshot.asked_for(field.begin, field.store, request)
        eventually(lambda: field.started(book, request))
        eventually(lambda: field.finished(book), within_s=1800)
        return figures(field.begin)


def measured(field: Field) -> None:
    """As each worker was when it joined."""
    with field.begin() as session:
        for name in FLEET:
            session.execute(update(Worker).where(Worker.name == name).values(speed=speed_of(name)))


class Spell(NamedTuple):
    """A worker had a job."""

    worker: str
    start: datetime
    end: datetime


def figures(begin: Begin) -> list[Figure]:
    jobs = (
        select(Worker.name, Job.claimed_at, func.coalesce(func.max(Take.created_at), Job.ended_at))
        .join(Job, Job.worker_id == Worker.id)
        .outerjoin(Take, func.split_part(Take.object, ".", 2) == cast(Job.id, Text))
        .where(Job.kind == JobKind.RENDER, Job.claimed_at.is_not(None))
        .group_by(Worker.name, Job.id)
    )
    with begin() as session:
        spells = [Spell(*row) for row in session.execute(jobs)]
        first, last = min(spell.start for spell in spells), max(spell.end for spell in spells)
        audio_s = session.scalars(select(func.sum(Take.seconds))).one()
        longest = too_long(session.scalars(select(Segment.length)).all())
    ideal_s = audio_s / sum(map(speed_of, FLEET))
    makespan_s = (last - first).total_seconds()
    fed_until = max(spell.start for spell in spells)
    idle = {name: idleness(name, spells, first, fed_until) for name in FLEET}
    return [
        Figure(
            "makespan ÷ ideal", makespan_s / ideal_s, "", most=1.1, said=f"{audio_s / 3600:.2f} h of audio"
        ),
        Figure("makespan", makespan_s, "s", said=f"ideal {ideal_s:.1f} s"),
        Figure("the idlest card while work fits it", max(idle.values()), "", most=0.05, said=told(idle)),
        Figure("segments over 100 characters", longest, "", most=0),
    ]


def too_long(lengths: Sequence[float]) -> int:
    return sum(length > 100 for length in lengths)


def idleness(name: str, spells: Sequence[Spell], first: datetime, until: datetime) -> float:
    """The share of the time from the first claim until the last one in which a worker had no job."""
    busy_s, reached = 0.0, first
    for spell in sorted(spell for spell in spells if spell.worker == name):
        start, end = max(spell.start, reached), min(spell.end, until)
        if end > start:
            busy_s += (end - start).total_seconds()
            reached = end
    return 1 - busy_s / max((until - first).total_seconds(), 1e-9)


def told(idle: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in idle.items())
