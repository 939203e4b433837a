"""Where recordings are used: the projects whose casts have them, and what the store keeps for them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Text, cast, literal, select
from sqlalchemy.orm import Session

from farm import casting
from farm.tables import Project, ProjectState, Recording

ORIGINALS, VOICES = "recordings", "voices"
"""Folders of the store."""
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
    columns = select(Project.id, Project.title, Project.state, Project.cast).where(cast_with_recordings())
    for project_id, title, state, roles in session.execute(columns.order_by(Project.id)):
        mine: dict[int, list[str]] = {}
        for role, voice in roles.items():
            recording_id = whose.get(casting.recording_of(voice) or "")
            if recording_id:
                mine.setdefault(recording_id, []).append(role)
        for recording_id, its in mine.items():
            found.setdefault(recording_id, []).append(Use(project_id, title, state, tuple(sorted(its))))
    return found


def cast_with_recordings() -> Any:
    return cast(Project.cast, Text).contains(f'"{casting.RECORDING}"')


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
    for roles in session.scalars(select(Project.cast).where(cast_with_recordings())):
        held |= casting.recordings_in(roles)
    return {object_of(sha256) for sha256 in held} & set(names)
