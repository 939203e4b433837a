"""Recordings: voices as people send them, what is made of them for engines, and the right to use them.

What was sent is kept as it came. What engines are given is made of it, is named by its own hash (a cast and a
take's recipe hold nothing else of it), and can be made again differently at any time.
"""

import hashlib
import io
import secrets
from dataclasses import asdict
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from farm import casting, states, uses, voices
from farm.audio import quality, received
from farm.audio.cleaning import Given, Preparation
from farm.audio.quality import Quality, measure
from farm.db import Begin, now
from farm.errors import Conflict, NotFound, Rejected
from farm.messages import Message
from farm.storage import Store
from farm.tables import Json, Project, Recording
from farm.uses import ORIGINALS, object_of

LARGEST = 50 * 2**20  # bytes of what is sent
SHORTEST_S = 1.0
LONGEST_NAME = 80
CONSENT = Message(
    "This is my own voice, or the person who speaks has allowed me to have a machine speak with it."
)
"""What is agreed to before a recording may be used."""
NAMES = 0x766F69636573  # two people who give one name wait for each other


def add(
    begin: Begin,
    store: Store,
    source: BinaryIO,
    filename: str,
    *,
    name: str,
    by: str,
    wanted: Preparation | None = None,
    agreed: str | None = None,
) -> int:
    """Keep a file as a voice called `name`; its id. `agreed`: the sentence that `by` agreed to, if any.

    Raises Rejected for what is no recording of a voice, Conflict where the name or the file is here already.
    """
    plain = name_of(name)
    size = source.seek(0, io.SEEK_END)
    if size > LARGEST:
        most = {"size": round(size / 2**20), "most": LARGEST // 2**20}
        raise Rejected("{name} has {size} MiB; {most} are the most. Send a part.", name=filename, **most)
    wanted = wanted or Preparation()
    heard = listen(source, filename)
    given = Given.of(heard.audio, wanted)
    source.seek(0)
    sha256 = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
    with begin() as session:
        check_is_new(session, plain, sha256)
    stored = f"{ORIGINALS}/{secrets.token_hex(16)}.{heard.format.ending}"
    source.seek(0)
    store.put(stored, source)
    store.put(object_of(given.sha256), given.content)
    with begin() as session:
        check_is_new(session, plain, sha256)
        made = Recording(
            **{"name": plain, "uploaded_by": by, "filename": filename, "object": stored, "size": size},
            **{"sha256": sha256, "seconds": round(heard.seconds, 2)},
            **outcome(given, wanted, measure(heard.audio)),
        )
        session.add(made)
        session.flush()
        if agreed:
            agree(session, made.id, by=by, sentence=agreed)
        return made.id


def listen(source: BinaryIO, filename: str) -> received.Received:
    heard = received.read(source, filename)
    if heard.audio.seconds < SHORTEST_S:
        raise Rejected("{name} lasts less than a second. From 6 to 15 s hold a voice best.", name=filename)
    return heard


def outcome(given: Given, wanted: Preparation, sent: Quality) -> Json:
    """The columns that say what engines are given."""
    return {
        "voice": given.sha256,
        "voice_seconds": round(given.audio.seconds, 2),
        "preparation": {**asdict(wanted), "start_s": given.start_s, "end_s": given.end_s},
        "quality": {"sent": asdict(sent), "given": asdict(measure(given.audio))},
    }


def prepare(begin: Begin, store: Store, recording_id: int, wanted: Preparation) -> None:
    """Make anew what engines are given, from what was sent. Raises NotFound.

    Projects that have not begun are given the new one; those that have go on with what they began with.
    """
    with begin() as session:
        row = find(session, recording_id)
    heard = listen(io.BytesIO(store.read(row.object, LARGEST)), row.filename)
    given = Given.of(heard.audio, wanted)
    store.put(object_of(given.sha256), given.content)
    with begin() as session:
        row = find(session, recording_id, lock=True)
        before = row.voice
        for column, value in outcome(given, wanted, measure(heard.audio)).items():
            setattr(row, column, value)
        if before != row.voice:
            row.earlier = [*(sha256 for sha256 in row.earlier if sha256 != row.voice), before]
            recast(session, before, row.voice)


def recast(session: Session, before: str, after: str) -> None:
    """In the projects that have not begun."""
    unbegun = select(Project).where(uses.cast_with_recordings(), Project.started_at.is_(None))
    for project in session.scalars(unbegun.with_for_update()):
        if before in casting.recordings_in(project.cast, project.directions):
            new = {casting.RECORDING: after}
            project.cast = {
                role: new if casting.recording_of(voice) == before else voice
                for role, voice in project.cast.items()
            }
            old = {casting.RECORDING: before}
            project.directions = {
                role: {**its, casting.LIKE: new} if its.get(casting.LIKE) == old else its
                for role, its in project.directions.items()
            }
            states.changed(session, project.id)


def find(session: Session, recording_id: int, *, lock: bool = False) -> Recording:
    """One that was not removed. Raises NotFound."""
    row = session.get(Recording, recording_id, with_for_update=lock or None)
    if row is None or row.removed_at is not None:
        raise NotFound("There is no recording {recording}.", recording=recording_id)
    return row


def named(session: Session, name: str) -> Recording:
    """Raises NotFound, naming those there are."""
    row = session.scalar(select(Recording).where(Recording.name == name.strip(), kept()))
    if row is None:
        names = ", ".join(row.name for row in listed(session)) or "–"
        raise NotFound("There is no recording called {name}. There are: {names}.", name=name, names=names)
    return row


def kept() -> ColumnElement[bool]:
    return Recording.removed_at.is_(None)


def listed(session: Session) -> list[Recording]:
    """The newest first."""
    return list(session.scalars(select(Recording).where(kept()).order_by(Recording.id.desc())))


def removed(session: Session) -> list[Recording]:
    """Those that can still be brought back."""
    gone = select(Recording).where(Recording.removed_at.is_not(None))
    return list(session.scalars(gone.order_by(Recording.removed_at.desc())))


def rename(session: Session, recording_id: int, name: str) -> Recording:
    """Raises NotFound, Rejected, Conflict."""
    row, plain = find(session, recording_id), name_of(name)
    if plain != row.name:
        check_is_new(session, plain)
    row.name = plain
    session.flush()
    return row


def agree(session: Session, recording_id: int, *, by: str, sentence: str) -> Recording:
    """Note who agreed to what and when; from now on roles can be cast with it. Raises NotFound."""
    row = find(session, recording_id)
    at: datetime = session.scalars(select(now)).one()
    row.consent = {"sentence": sentence, "by": by, "at": at.isoformat()}
    session.flush()
    return row


def remove(session: Session, recording_id: int) -> Recording:
    """Take it out of use; once no project has it either, it is swept away. Raises NotFound, Conflict."""
    row = find(session, recording_id, lock=True)
    if open_uses := [use for use in uses.of_recordings(session).get(row.id, []) if not use.is_over]:
        raise Conflict(
            "{name} speaks in {titles}. Cast another voice there, or finish, cancel or delete it first.",
            name=row.name,
            titles=", ".join(use.title for use in open_uses[:3]),
        )
    row.removed_at = now
    session.flush()
    session.refresh(row)
    return row


def restore(session: Session, recording_id: int) -> Recording:
    """Bring back what was removed and not swept yet. Raises NotFound, Conflict where its name is taken."""
    row = session.get(Recording, recording_id)
    if row is None:
        raise NotFound("There is no recording {recording}.", recording=recording_id)
    if row.removed_at is not None:
        check_is_new(session, row.name, row.sha256)
        row.removed_at = None
        session.flush()
    return row


def name_of(name: str) -> str:
    """Raises Rejected for what cannot be told from other voices' names."""
    plain = " ".join(name.split())
    presets = {voice.name for voice in voices.PRESETS}
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise Rejected("Give the voice a name of 1 to {most} characters.", most=LONGEST_NAME)
    if plain.lower() in presets or plain.lower().startswith(casting.KEY):
        raise Rejected("{name} is what a preset voice is called. Choose another name.", name=plain)
    return plain


def check_is_new(session: Session, name: str, sha256: str | None = None) -> None:
    """Raises Conflict where a recording has this name, or is of this very file."""
    session.execute(select(func.pg_advisory_xact_lock(NAMES)))
    if session.scalar(select(Recording.id).where(Recording.name == name, kept())):
        raise Conflict("There is a voice called {name} already. Choose another name.", name=name)
    same = select(Recording.name).where(Recording.sha256 == sha256, kept())
    if sha256 and (known := session.scalar(same.limit(1))):
        raise Conflict("This very file is here already, as {name}.", name=known)


def forget_removed(session: Session, older_than: datetime) -> None:
    """Delete the rows of what was removed before, and is in no cast; their objects are swept afterwards."""
    used = uses.of_recordings(session)
    gone = session.scalars(select(Recording.id).where(Recording.removed_at < older_than))
    unused = [recording_id for recording_id in gone if recording_id not in used]
    session.execute(delete(Recording).where(Recording.id.in_(unused)))


def quality_of(row: Recording) -> Quality:
    """Of what engines are given."""
    return Quality(**row.quality["given"])


def advice_on(row: Recording) -> list[Message]:
    """What could be better about it, and how."""
    done = {"trimmed": row.preparation["trim"], "denoised": row.preparation["denoise"]}
    return [one.says for one in quality.advice(quality_of(row), **done)]
