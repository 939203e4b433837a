"""Casts: the voices that a person chooses for roles, and whether the project's engine speaks with them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from farm import casting, recordings, uses, voices
from farm.casting import NARRATOR
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
    wanted = casting.recordings_in(project.cast)
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
