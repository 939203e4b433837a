"""Takes: audio named by its recipe, so that nothing is rendered twice."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from farm import casting
from farm.errors import NotFound
from farm.tables import Project, Segment, Take

FOLDER = "takes"
LARGEST = 16 * 2**20  # bytes; a minute of FLAC is a tenth of it


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a take. Pauses, loudness and titles do not."""

    spoken: str
    language: str
    engine: str
    pin: Mapping[str, Any]  # weights fingerprint, precision, preset
    voice: Mapping[str, Any]
    direction: Mapping[str, Any]
    seed: int

    @property
    def key(self) -> str:
        """64 hexadecimal digits."""
        recipe = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(recipe.encode()).hexdigest()


def recipe_of(
    project: Project,
    spoken: str,
    language: str,
    role: str,
    number: int = 0,
    direction: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of a segment's take; a retake has the next `number`. `direction` is the segment's own."""
    return Recipe(
        spoken=spoken,
        language=language,
        engine=project.engine,
        pin=project.pin,
        voice=casting.voice_for(project.cast, role),
        direction=direction_of(project, role, direction),
        seed=project.seed + number,
    )


def direction_of(project: Project, role: str, own: Mapping[str, Any] | None) -> dict[str, Any]:
    """How a segment is to be spoken: by its own direction, in place of its role's, or by that."""
    return casting.direction_for(project.cast, project.directions, role) if own is None else dict(own)


def object_name(key: str, job_id: int) -> str:
    """Where an attempt uploads: every attempt has its own name, the accepting transaction picks one."""
    return f"{FOLDER}/{key[:2]}/{key}.{job_id}.flac"


def of_segment(session: Session, segment_id: int) -> Take:
    """What was recorded of a segment, the earlier one while a new take is being made. Raises NotFound."""
    its = or_(Segment.take_key == Take.key, Segment.earlier_key == Take.key)
    statement = select(Take).join(Segment, its).where(Segment.id == segment_id)
    take = session.scalar(statement.order_by(Segment.take_key == Take.key).limit(1))
    if take is None:
        raise NotFound("Nothing was spoken of segment {segment} yet.", segment=segment_id)
    return take


def wanted(session: Session, names: Iterable[str]) -> set[str]:
    """Which of the objects `names` a take points to."""
    return set(session.scalars(select(Take.object).where(Take.object.in_(list(names)))))


def forget_unused(session: Session, older_than: datetime) -> None:
    """Delete the takes that no segment uses any more; their objects are swept afterwards."""
    used = select(Segment.id).where(Segment.take_key == Take.key).exists()
    kept = select(Segment.id).where(Segment.earlier_key == Take.key).exists()
    session.execute(delete(Take).where(Take.created_at < older_than, ~used, ~kept))
