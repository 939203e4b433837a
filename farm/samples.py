"""Samples: a sentence spoken with a recording before a book is, by whatever worker can.

A sample is a project of its own kind: planned, spoken and mastered as a book is, so that it is what would be
heard; it goes before all others, is in no list, and is forgotten after a day.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import casting, casts, chapters, crew, progress, projects, recordings
from farm.engine import CLONING, TITLES
from farm.engine import title as engine_title
from farm.errors import Conflict, NotFound, Rejected
from farm.manuscript.languages import guess_language
from farm.manuscript.parts import visible
from farm.messages import Message
from farm.tables import Chapter, ChapterState, Project, ProjectState, Recording
from farm.uses import SAMPLE

LONGEST = 200  # characters
PRIORITY = 100
STATES = WAITING, DONE, FAILED = ("waiting", "done", "failed")


@dataclass(frozen=True)
class Sample:
    """`state`: waiting, done or failed, as STATES has it; `why` it waits, or failed."""

    text: str
    engine: str
    state: str
    why: Message | None
    chapter: Chapter

    @property
    def audio(self) -> str:
        """The object of what is to be heard. Raises NotFound until it is done."""
        if self.state != DONE:
            raise NotFound("The sample is not spoken yet.")
        return str(self.chapter.files["m4a"])


def ask(session: Session, recording_id: int, text: str, engine: str = "") -> Sample:
    """Have `text` spoken with a recording; its sample before is forgotten.

    Raises NotFound, Rejected, and Conflict where no worker could speak it.
    """
    row = recordings.find(session, recording_id)
    casts.check_right(row)
    plain = " ".join(text.split())
    if not 0 < len(plain) <= LONGEST:
        raise Rejected("A sample is a sentence of 1 to {most} characters.", most=LONGEST)
    for earlier in of_recording(session, recording_id):
        projects.delete(session, earlier.id)
    made = Project(
        kind=SAMPLE,
        state=ProjectState.REVIEW,
        title=row.name,
        language=guess_language(plain),
        engine=engine or an_engine(session),
        cast={casting.NARRATOR: {casting.RECORDING: row.voice}},
        mastering={"aac_coder": "fast"},
        priority=PRIORITY,
        request=asked_for(row.id),
    )
    session.add(made)
    session.flush()
    session.add(chapter_of(made, plain))
    session.flush()
    projects.start(session, made.id)
    return told(session, made)


def asked_for(recording_id: int) -> str:
    return f"{SAMPLE}:{recording_id}"


def chapter_of(project: Project, text: str) -> Chapter:
    words = {"title": "", "volume": "", "text": text, "characters": visible(text)}
    states = {"state": ChapterState.DRAFT, "included": True}
    return Chapter(project_id=project.id, position=0, kind="chapter", **words, **states)


def an_engine(session: Session) -> str:
    """One that speaks with recordings, of the worker that was heard of last. Raises Conflict."""
    engines = [worker.engine for worker in crew.known(session) if worker.engine in CLONING]
    if not engines:
        raise Conflict(
            "No worker here speaks with recordings yet. Add one with the engine {engine}, then try again.",
            engine=", ".join(engine_title(name) for name in sorted(CLONING & TITLES.keys())),
        )
    return engines[0]


def of_recording(session: Session, recording_id: int) -> list[Project]:
    mine = select(Project).where(Project.kind == SAMPLE, Project.request == asked_for(recording_id))
    return list(session.scalars(mine.order_by(Project.id.desc())))


def latest(session: Session, recording_id: int) -> Sample:
    """Raises NotFound where none was asked for."""
    row: Recording = recordings.find(session, recording_id)
    found = of_recording(session, recording_id)
    if not found:
        raise NotFound("Nothing was spoken with {name} to try it.", name=row.name)
    return told(session, found[0])


def told(session: Session, project: Project) -> Sample:
    session.refresh(project)
    (chapter,) = chapters.of_project(session, project.id)
    session.refresh(chapter)
    state, why = WAITING, progress.of_projects(session, [project])[project.id].why
    if chapter.state == ChapterState.DONE:
        state, why = DONE, None
    elif chapter.state == ChapterState.HELD:
        reasons = [
            chapter.failure,
            *(failed.failure for failed in chapters.failed_segments(session, project.id)),
        ]
        state, why = FAILED, next((Message.from_json(reason) for reason in reasons if reason), None)
    return Sample(chapter.text, project.engine, state, why, chapter)


def forget(session: Session, older_than: datetime) -> None:
    """Delete the samples that were asked for before; what was made of them is swept afterwards."""
    old = select(Project.id).where(Project.kind == SAMPLE, Project.created_at < older_than)
    for project_id in session.scalars(old).all():
        projects.delete(session, project_id)
