"""What the API and the pages are told of voices: presets and recordings."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from dashboard.languages import say
from dashboard.snapshots import Snapshot, message, moment
from farm import recordings, uses
from farm.audio import quality
from farm.casting import key_of
from farm.messages import Message
from farm.samples import Sample
from farm.tables import Recording
from farm.uses import Use
from farm.voices import PRESETS, PresetVoice

PRESET, RECORDING = "preset", "recording"
KINDS = (PRESET, RECORDING)


def everyone(session: Session) -> list[Snapshot]:
    """Whom a role can be cast with: the recordings, the newest first, and the presets."""
    where = uses.of_recordings(session)
    recorded = [voice_of(row, where.get(row.id, [])) for row in recordings.listed(session)]
    return [*recorded, *map(preset, PRESETS)]


def preset(voice: PresetVoice) -> Snapshot:
    return {"name": voice.name, "title": say(Message(voice.title)), "kind": PRESET, "recording": None}


def voice_of(row: Recording, where: Sequence[Use]) -> Snapshot:
    told = {"name": key_of(row.id), "title": row.name, "kind": RECORDING}
    return {**told, "recording": recording(row, where)}


def one(session: Session, recording_id: int) -> Snapshot:
    return of(session, recordings.find(session, recording_id))


def of(session: Session, row: Recording) -> Snapshot:
    return recording(row, uses.of_recordings(session).get(row.id, []))


def recording(row: Recording, where: Sequence[Use]) -> Snapshot:
    """`quality` is of what was sent, and of what engines are given; grade and advice are of the latter."""
    return {
        "id": row.id,
        "name": row.name,
        "voice": row.voice,
        "uploaded_by": row.uploaded_by,
        "created_at": moment(row.created_at),
        "filename": row.filename,
        "size": row.size,
        "seconds": row.seconds,
        "given_seconds": row.voice_seconds,
        "preparation": row.preparation,
        "quality": row.quality,
        "grade": quality.grade(recordings.quality_of(row)),
        "advice": [message(said) for said in recordings.advice_on(row)],
        "consent": row.consent,
        "used_by": [used(use) for use in where],
        "removed_at": moment(row.removed_at),
    }


def sample(found: Sample) -> Snapshot:
    told = {"text": found.text, "engine": found.engine, "state": found.state, "why": message(found.why)}
    return {**told, "seconds": found.chapter.seconds}


def used(use: Use) -> dict[str, Any]:
    return {"project": use.project, "title": use.title, "state": use.state, "roles": list(use.roles)}
