"""Casts: the voices and directions that people choose for roles, and whether the engine follows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from farm import casting, directions, recordings, uses, voices
from farm.casting import LIKE, NARRATOR
from farm.engine import CLONING, TITLES, WITH_PRESETS
from farm.engine import title as engine_title
from farm.errors import NotFound, Rejected
from farm.tables import Project, Recording


def chosen(session: Session, engine: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The cast of `wanted`: role -> a preset's name, recording:3, or a recording's name. Raises Rejected."""
    if not wanted.get(NARRATOR):
        raise Rejected("A cast needs a narrator. Choose a voice for that role.")
    cast = {role: voice_of(session, voice) for role, voice in wanted.items() if voice}
    check_engine(engine, cast)
    return cast


def voice_of(session: Session, wanted: str) -> dict[str, Any]:
    """What a cast holds of it. Raises Rejected."""
    recording_id = casting.id_in(wanted)
    if recording_id is None and (known := next((v for v in voices.PRESETS if v.name == wanted), None)):
        return known.to_json()
    try:
        row = recordings.find(session, recording_id) if recording_id else recordings.named(session, wanted)
    except NotFound as e:
        names = ", ".join(voice.name for voice in voices.PRESETS)
        raise Rejected(
            "There is no voice called {name}. Choose a recording from the voices page, or one of: {names}.",
            name=wanted[:80],
            names=names,
        ) from e
    check_right(row)
    return {casting.RECORDING: row.voice}


def directed(session: Session, engine: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A direction as it is stored; its `like` is chosen as a cast's recording is. Raises Rejected."""
    like = wanted.get(LIKE)
    if not like:
        return directions.checked(engine, {**wanted, LIKE: None})
    sound = voice_of(session, str(like))
    if not casting.recording_of(sound):
        raise Rejected(
            "{name} is a preset voice: an emotion is taken from a recording. Choose one of those on the "
            "voices page.",
            name=str(like)[:80],
        )
    return directions.checked(engine, {**wanted, LIKE: sound})


def roles_directed(session: Session, engine: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Role -> its direction as it is stored. Raises Rejected."""
    if lasting := [role for role, direction in wanted.items() if (direction or {}).get("seconds")]:
        raise Rejected("{role} cannot always last as many seconds: only a segment can.", role=lasting[0][:40])
    return {
        role: directed(session, engine, direction)
        for role, direction in wanted.items()
        if direction is not None
    }


def check_right(row: Recording) -> None:
    if row.consent is None:
        raise Rejected(
            "{name} is not to be used yet: say on the voices page that its speaker agrees.", name=row.name
        )


def check_engine(engine: str, cast: Mapping[str, Any]) -> None:
    """Raises Rejected where a voice is of a kind that the engine does not speak with."""
    named = {"engine": engine_title(engine)}
    recorded = [role for role, voice in cast.items() if casting.recording_of(voice)]
    if recorded and engine not in CLONING:
        raise Rejected(
            "The engine {engine} speaks with preset voices only, and {role} is cast with a recording. Cast a "
            "preset voice, or make the project with an engine that clones voices: {engines}.",
            role=recorded[0],
            engines=", ".join(engine_title(name) for name in sorted(CLONING & TITLES.keys())),
            **named,
        )
    preset = [role for role in cast if role not in recorded]
    if preset and engine not in WITH_PRESETS:
        raise Rejected(
            "{engine} speaks as a recording does, and {role} is cast with a preset voice. Upload or record a "
            "voice on the voices page, and cast {role} with it.",
            role=preset[0],
            **named,
        )


def check(session: Session, project: Project) -> None:
    """What must hold of a cast before a project starts. Raises Rejected."""
    check_engine(project.engine, project.cast)
    wanted = casting.recordings_in(project.cast, project.directions)
    known = uses.by_voice(session, wanted)
    for sha256 in wanted:
        if sha256 not in known or known[sha256].removed_at is not None:
            raise Rejected(
                "A recording that speaks in {title} was removed. Cast another.", title=project.title
            )
        check_right(known[sha256])


def keys(session: Session, cast: Mapping[str, Any]) -> dict[str, str]:
    """Role -> what its voice is chosen by; a voice that is not known any more is left out."""
    known = uses.by_voice(session, casting.recordings_in(cast))
    found = {}
    for role, voice in cast.items():
        if sha256 := casting.recording_of(voice):
            if sha256 in known:
                found[role] = casting.key_of(known[sha256].id)
        elif preset := voices.preset_of(voice):
            found[role] = preset.name
    return found


def told(session: Session, stored: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Directions with `like` as it is chosen by; a recording that is not known any more is left out."""
    listed = [dict(direction) for direction in stored]
    likes = {sha256 for direction in listed if (sha256 := casting.recording_of(direction.get(LIKE) or {}))}
    known = uses.by_voice(session, likes)
    for direction in listed:
        row = known.get(casting.recording_of(direction.pop(LIKE, None) or {}) or "")
        if row is not None:
            direction[LIKE] = casting.key_of(row.id)
    return listed


def roles_told(session: Session, stored: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(stored, told(session, stored.values()), strict=True))
