"""Who may serve a project, and what it asks of them: precision, longest segment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from farm.engine import precision
from farm.gpu import CLASSES, TYPICAL_SPEED, GpuClass
from farm.matching import Pair, computes_alike, misfit
from farm.tables import Desired, Project, Worker

Blocked = Collection[Pair]
"""Who is kept from what."""

ASKED = ("id", "title", "engine", "pin", "cast", "classes", "tags", "longest_segment")
"""What of a project decides who may serve it."""

SHARE = ("priority", "weight", "most_workers")
"""What decides how much of them it gets."""


@dataclass(frozen=True)
class Terms:
    """What a project's start fixes, because takes depend on it. `longest_segment` is in spoken characters."""

    fingerprint: str
    precision: str
    longest_segment: float

    @property
    def pin(self) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint, "precision": self.precision}


def known(session: Session) -> list[Worker]:
    """Every worker that was not revoked, up or not; the last heard of first."""
    kept = select(Worker).where(Worker.desired != Desired.REVOKED)
    return list(session.scalars(kept.order_by(Worker.last_seen.desc().nulls_last(), Worker.id)))


def supposing(project: Project, **changes: Any) -> Project:
    """The project as it would be, for asking who fits; no row of the database."""
    return Project(**{name: getattr(project, name) for name in ASKED + SHARE} | changes)


def allowed(crew: Sequence[Worker], project: Project, blocked: Blocked) -> list[Worker]:
    """The workers of its engine that settings, its own and theirs, let serve it before anything is fixed."""
    return [worker for worker in crew if misfit(worker, as_for(project, worker), blocked) is None]


def as_for(project: Project, worker: Worker) -> Project:
    """The project as if it had been started for this worker."""
    own = CLASSES[worker.gpu_class]
    pin = Terms(worker.fingerprint, precision_of(worker), own.longest_segment).pin
    return supposing(project, pin=pin, longest_segment=own.longest_segment)


def precision_of(worker: Worker) -> str:
    return precision(worker.engine, CLASSES[worker.gpu_class].dtype)


def terms(crew: Sequence[Worker]) -> Terms:
    """What a project that these workers serve is cut for: fp16 where one has a GPU, the smallest one's limit.

    `crew` is not empty, the last heard of first: its weights are the ones that count.
    """
    best = max((precision_of(worker) for worker in crew), key=("", "fp32", "fp16").index)
    able = [worker for worker in crew if precision_of(worker) == best]
    fingerprint = next((worker.fingerprint for worker in able if worker.fingerprint), "")
    alike = [worker for worker in able if worker.fingerprint in ("", fingerprint)]
    return Terms(fingerprint, best, min(CLASSES[worker.gpu_class].longest_segment for worker in alike))


def started_with(project: Project, found: Terms) -> Project:
    return supposing(project, pin=found.pin, longest_segment=found.longest_segment)


def serving(crew: Sequence[Worker], project: Project, blocked: Blocked) -> frozenset[int]:
    """The ids of those who may serve a started project."""
    return frozenset(worker.id for worker in crew if misfit(worker, project, blocked) is None)


def able_classes(project: Project) -> list[GpuClass]:
    """The GPU classes that could serve it: all, those of its precision and limit once it was started."""
    return [
        item
        for item in CLASSES.values()
        if not project.pin
        or (computes_alike(item, project) and item.longest_segment >= project.longest_segment)
    ]


def classes_for(project: Project) -> list[str]:
    """The names of those that may."""
    able = [item.name for item in able_classes(project)]
    return [name for name in able if not project.classes or name in project.classes]


def speed_of(worker: Worker) -> float:
    """x realtime: as it works, as it was measured when it joined, as its class usually is; 0 when unknown."""
    typical = TYPICAL_SPEED.get((worker.engine, worker.gpu_class))
    return worker.speed or worker.benchmark or typical or 0.0
