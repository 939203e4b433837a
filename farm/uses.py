"""Where recordings are used: the projects whose casts have them, and what the store keeps for them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Text, and_, cast, literal, null, select
from sqlalchemy.orm import Session

from farm import casting
from farm.tables import Project, ProjectState, Recording, Segment

ORIGINALS, VOICES = "recordings", "voices"
"""Folders of the store."""
SAMPLE = "sample"
"""The kind of projects that try a voice (farm.samples): that is no use of it."""
OVER = (ProjectState.FINISHED, ProjectState.CANCELLED)


@dataclass(frozen=True)
class Use:
    """A project whose cast has a recording."""

    project: int
    title: str
    state: str
    roles: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def object_of(sha256: str) -> str:
    """Where the store has what engines are given."""
    return f"{VOICES}/{sha256[:2]}/{sha256}.wav"


def of_recordings(session: Session) -> dict[int, list[Use]]:
    """By recording: the projects whose casts have it, as it is or as it was."""
    rows = session.execute(select(Recording.id, Recording.voice, Recording.earlier)).all()
    whose = {sha256: id for id, voice, earlier in rows for sha256 in (*earlier, voice)}
    found: dict[int, list[Use]] = {}
    columns = select(Project.id, Project.title, Project.state, Project.cast, Project.directions)
    alone = of_segments(session)
    mentioned = columns.where(Project.kind != SAMPLE, cast_with_recordings() | Project.id.in_(alone))
    for project_id, title, state, roles, directions in session.execute(mentioned.order_by(Project.id)):
        mine: dict[int, set[str]] = {}
        for role, sound in [*casting.sounds_of(roles, directions), *alone.get(project_id, [])]:
            recording_id = whose.get(casting.recording_of(sound) or "")
            if recording_id:
                mine.setdefault(recording_id, set()).add(role)
        for recording_id, its in mine.items():
            found.setdefault(recording_id, []).append(Use(project_id, title, state, tuple(sorted(its))))
    return found


def cast_with_recordings() -> Any:
    named = f'"{casting.RECORDING}"'
    return cast(Project.cast, Text).contains(named) | cast(Project.directions, Text).contains(named)


def of_segments(session: Session) -> dict[int, list[tuple[str, dict[str, Any]]]]:
    """By project: the roles of single segments with the recordings whose emotions they take."""
    like = Segment.direction[casting.LIKE]
    directed = and_(Segment.direction.is_not(null()), like.is_not(null()))
    found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for project_id, role, sound in session.execute(
        select(Segment.project_id, Segment.role, like).where(directed).distinct()
    ):
        found.setdefault(project_id, []).append((role, sound))
    return found


def by_voice(session: Session, shas: Collection[str]) -> dict[str, Recording]:
    """The recordings, removed ones too, that the voices of casts were made of: the newest."""
    if not shas:
        return {}
    earlier = Recording.earlier.op("&&")(literal(list(shas), ARRAY(Text)))
    rows = session.scalars(
        select(Recording).where(Recording.voice.in_(shas) | earlier).order_by(Recording.id)
    )
    return {sha256: row for row in rows for sha256 in (*row.earlier, row.voice) if sha256 in shas}


def wanted_originals(session: Session, names: Iterable[str]) -> set[str]:
    """Which of the objects `names` a recording points to."""
    return set(session.scalars(select(Recording.object).where(Recording.object.in_(list(names)))))


def wanted_voices(session: Session, names: Iterable[str]) -> set[str]:
    """Which of the objects `names` engines are or may be given."""
    held = set(session.scalars(select(Recording.voice)))
    columns = select(Project.cast, Project.directions).where(cast_with_recordings())
    for roles, directions in session.execute(columns):
        held |= casting.recordings_in(roles, directions)
    for sounds in of_segments(session).values():
        held |= {sound[casting.RECORDING] for _, sound in sounds}
    return {object_of(sha256) for sha256 in held} & set(names)
