"""Directing: how one segment is to be spoken, as people say it, and what they are warned of."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from farm import casts, directions, retakes, takes
from farm.audio.qa import expected_s
from farm.errors import NotFound
from farm.messages import Message
from farm.tables import Project, Segment, Take


def direct(session: Session, segment_id: int, wanted: Mapping[str, Any] | None) -> Segment:
    """Have a segment spoken as `wanted` says, whatever its role's way is; None: as its role again.

    Raises NotFound, Rejected, Conflict while it is being spoken.
    """
    segment = session.get(Segment, segment_id)
    if segment is None:
        raise NotFound("There is no segment {segment}.", segment=segment_id)
    project = session.get_one(Project, segment.project_id)
    direction = None if wanted is None else casts.directed(session, project.engine, wanted)
    return retakes.direct(session, segment_id, direction)


def warnings(session: Session, project: Project, segment: Segment) -> list[Message]:
    """What may be heard to be wrong with a segment's own direction."""
    own = segment.direction or {}
    natural = natural_s(session, project, segment) if "seconds" in own else None
    return directions.warnings(project.engine, own, natural)


def natural_s(session: Session, project: Project, segment: Segment) -> float:
    """How long a segment would last at the engine's own pace: by what was spoken of it, else by its text."""
    if segment.earlier_key:
        key, own = segment.earlier_key, segment.earlier_direction
    else:
        key, own = segment.take_key or "", segment.direction
    take, direction = session.get(Take, key), takes.direction_of(project, segment.role, own)
    if take is None or "seconds" in direction:
        return expected_s(segment.length, segment.language)
    return float(take.seconds * direction.get("pace", 1.0))
