"""Projects: one audiobook or one course, from upload to release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, defer

from farm import blocks, casts, crew, importing, jobs, rendering, states, voices
from farm.casting import NARRATOR
from farm.db import notify, now
from farm.engine import preset as engine_preset
from farm.engine import title as engine_title
from farm.errors import Conflict, NotFound, Rejected
from farm.project_fields import LANGUAGES as LANGUAGES
from farm.project_fields import SERVING, SHAPING, WORDS, check_fits, checked, preset_of
from farm.tables import (
    Chapter,
    ChapterState,
    Event,
    Job,
    JobKind,
    JobState,
    Project,
    ProjectState,
    Source,
    Worker,
)
from farm.uses import SAMPLE

KINDS = ("book", "course")
"""What people make; beside them there are samples (farm.samples), in no list, with nothing to publish."""
MOST_EVENTS = 200
NARRATED_BY = "AI voice (Voicefarm)"
"""Until a person says otherwise: listeners are told that no human reads."""


@dataclass(frozen=True)
class Upload:
    """A manuscript that lies in the store already. `size` in bytes."""

    filename: str
    object: str
    size: int
    sha256: str


def find(session: Session, project_id: int) -> Project:
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound("There is no project {project}.", project=project_id)
    return project


def create(
    session: Session,
    uploads: Sequence[Upload],
    *,
    kind: str = "book",
    engine: str = "preview",
    owner_id: int | None = None,
    encoding: str | None = None,
) -> Project:
    """A project that is being imported. Raises Rejected when the files do not fit its kind."""
    if kind not in KINDS:
        raise Rejected("A project is a book or a course, not a {kind}.", kind=kind)
    if not uploads or (kind == "book" and len(uploads) > 1):
        raise Rejected("A book is one file; a course may be several. You sent {n}.", n=len(uploads))
    title = PurePosixPath(uploads[0].filename).stem
    project = Project(kind=kind, state=ProjectState.DRAFT, title=title, engine=engine, owner_id=owner_id)
    project.narrator = NARRATED_BY
    project.cast = {NARRATOR: voices.preset("narrator").to_json()}
    if engine == "preview":
        project.mastering = {"aac_coder": "fast"}  # a preview's sound does not repay the slower coder
    session.add(project)
    session.flush()
    for position, upload in enumerate(uploads):
        session.add(Source(project_id=project.id, position=position, encoding=encoding, **vars(upload)))
    read_again(session, project)
    return project


def read_again(session: Session, project: Project, encoding: str | None = None) -> None:
    """Import the files once more, in another encoding where one is given. Raises Conflict after the start."""
    if not importing.restart(session, project):
        raise Conflict("{title} was started; its file is not read again.", title=project.title)
    session.refresh(project)
    if encoding:
        for source in session.scalars(select(Source).where(Source.project_id == project.id)):
            source.encoding = encoding
    jobs.write(session, JobKind.IMPORT, project.id)
    states.changed(session, project.id)


def edit(session: Session, project_id: int, changes: Mapping[str, Any]) -> Project:
    """Change its words and who serves it at any time, what shapes takes until the start.

    Raises Rejected, and Conflict where the start has fixed it.
    """
    project = find(session, project_id)
    for name, value in changes.items():
        if name in SHAPING and project.state != ProjectState.REVIEW:
            raise Conflict("{title} was started; its {name} is fixed.", title=project.title, name=name)
        if name not in WORDS + SHAPING + SERVING:
            raise Rejected("A project has no {name} to change.", name=name)
        accepted = accepted_of(session, project, name, value)
        if name == "classes":
            check_fits(project, accepted)
        setattr(project, name, accepted)
    session.flush()
    states.changed(session, project_id)
    if not set(changes).isdisjoint(SERVING):
        notify(session, jobs.CLOCK)
    return project


def accepted_of(session: Session, project: Project, name: str, value: Any) -> Any:
    """The value as it is stored. Raises Rejected."""
    if name == "cast":
        return casts.chosen(session, project.engine, value)
    if name == "directions":
        return casts.roles_directed(session, project.engine, value)
    return preset_of(project.engine, value) if name == "preset" else checked(name, value)


def start(session: Session, project_id: int) -> None:
    """Fix what the takes depend on, and plan the ticked chapters. Raises Conflict, Rejected."""
    project = find(session, project_id)
    ticked = and_(Chapter.project_id == project_id, Chapter.included)
    if not session.scalar(select(Chapter.id).where(ticked).limit(1)):
        raise Rejected("No chapter of {title} is ticked. Tick at least one.", title=project.title)
    casts.check(session, project)
    terms = crew.terms(speakers(session, project))
    preset = engine_preset(project.engine, project.preset)
    project.pin = {**terms.pin, "preset": preset} if preset else terms.pin
    project.longest_segment = terms.longest_segment
    project.started_at = now
    move(session, project, ProjectState.REVIEW, ProjectState.RUNNING)
    issue(session, project_id)


class NobodySpeaks(Conflict):
    """No worker with a project's engine was ever heard of."""


def speakers(session: Session, project: Project) -> list[Worker]:
    """The workers that may serve a project, up or not. Raises NobodySpeaks, Conflict when there are none."""
    mine = [worker for worker in crew.known(session) if worker.engine == project.engine]
    if not mine:
        raise NobodySpeaks(
            "No worker here has the engine {engine} yet. Start one, then try again.",
            engine=engine_title(project.engine),
        )
    allowed = crew.allowed(mine, project, blocks.pairs(session))
    if not allowed:
        raise Conflict(
            "None of the {n} workers with {engine} may serve {title}: look at its GPU classes and tags.",
            n=len(mine),
            engine=engine_title(project.engine),
            title=project.title,
        )
    return allowed


def issue(session: Session, project_id: int) -> None:
    """Write the house jobs that a running project needs and that are not under way."""
    steps = {ChapterState.DRAFT: JobKind.PLAN, ChapterState.MASTERING: JobKind.MASTER}
    underway = select(Job.id).where(Job.chapter_id == Chapter.id, Job.state.in_(jobs.OPEN)).exists()
    due = and_(Chapter.project_id == project_id, Chapter.included, Chapter.state.in_(steps), ~underway)
    for chapter_id, state in session.execute(
        select(Chapter.id, Chapter.state).where(due).order_by(Chapter.position)
    ):
        jobs.write(session, steps[ChapterState(state)], project_id, chapter_id)
    publish_if_done(session, project_id)


def publish_if_done(session: Session, project_id: int) -> None:
    """Write the publish job once every ticked chapter is mastered."""
    project = session.get_one(Project, project_id, with_for_update=True)
    unfinished = and_(Chapter.project_id == project_id, Chapter.included, Chapter.state != ChapterState.DONE)
    if project.state == ProjectState.RUNNING and not session.scalar(
        select(Chapter.id).where(unfinished).limit(1)
    ):
        if project.kind == SAMPLE:
            move(session, project, ProjectState.RUNNING, ProjectState.FINISHED)
            return
        whole = and_(Job.project_id == project_id, Job.kind == JobKind.PUBLISH, Job.chapter_id.is_(None))
        if not session.scalar(select(Job.id).where(whole, Job.state.in_(jobs.OPEN)).limit(1)):
            jobs.write(session, JobKind.PUBLISH, project_id)


def pause(session: Session, project_id: int) -> None:
    """Stop speaking: what a worker has in hand is taken back, uncounted; house work goes on."""
    move(session, find(session, project_id), ProjectState.RUNNING, ProjectState.PAUSED)
    take_back(session, project_id, Job.kind == JobKind.RENDER)


def resume(session: Session, project_id: int) -> None:
    """Go on after a pause or a cancellation; nothing that was rendered is rendered again."""
    project = find(session, project_id)
    if project.started_at is None:
        move(session, project, ProjectState.CANCELLED, ProjectState.REVIEW)
    else:
        move(session, project, (ProjectState.PAUSED, ProjectState.CANCELLED), ProjectState.RUNNING)
        issue(session, project_id)


def cancel(session: Session, project_id: int) -> None:
    """Stop everything; the project stays, and can be resumed or deleted."""
    stoppable = tuple(
        state for state in ProjectState if ProjectState.CANCELLED in states.MOVES[Project][state]
    )
    move(session, find(session, project_id), stoppable, ProjectState.CANCELLED)
    take_back(session, project_id, Job.kind.is_not(None))


def retry(session: Session, project_id: int) -> None:
    """Do again what the project as a whole failed at: importing or publishing. Raises Conflict."""
    project = find(session, project_id)
    if project.failure is None:
        raise Conflict("Nothing of {title} as a whole has failed.", title=project.title)
    project.failure = None
    if project.state == ProjectState.DRAFT:
        read_again(session, project)
    else:
        publish_if_done(session, project_id)
    states.changed(session, project_id)


def prioritise(session: Session, project_id: int, priority: int) -> None:
    """Higher goes first; 50 is usual."""
    if not 0 <= priority <= 100:
        raise Rejected("A priority is a number from 0 to 100, not {priority}.", priority=priority)
    find(session, project_id).priority = priority
    states.changed(session, project_id)


def delete(session: Session, project_id: int) -> None:
    """Forget a project; the store's objects nobody else needs are swept later."""
    project = find(session, project_id)
    take_back(session, project_id, Job.kind.is_not(None))
    states.changed(session, project_id)
    session.delete(project)


def take_back(session: Session, project_id: int, which: Any) -> None:
    statement = select(Job).where(Job.project_id == project_id, Job.state.in_(jobs.OPEN), which)
    for job in session.scalars(statement.order_by(Job.id).with_for_update()):
        rendering.give_back(session, job, JobState.RECALLED)


def move(session: Session, project: Project, old: str | tuple[str, ...], new: ProjectState) -> None:
    """Move a project or raise Conflict with the state it is in."""
    if not states.move(session, Project, Project.id == project.id, old, new):
        session.refresh(project)
        raise Conflict(
            "{title} is {state}; that is not possible now.", title=project.title, state=project.state
        )
    session.refresh(project)
    states.changed(session, project.id)


def sources(session: Session, project_id: int) -> list[Source]:
    """The uploaded files, in order."""
    mine = select(Source).where(Source.project_id == project_id)
    return list(session.scalars(mine.order_by(Source.position)))


def set_cover(session: Session, project_id: int, name: str) -> None:
    """Point to another cover; the old one's object is swept."""
    find(session, project_id).cover = name
    states.changed(session, project_id)


def history(session: Session, project_id: int) -> list[Event]:
    """What happened to a project lately, the newest first."""
    mine = select(Event).where(Event.project_id == project_id)
    return list(session.scalars(mine.order_by(Event.id.desc()).limit(MOST_EVENTS)))


def counts(session: Session) -> dict[str, int]:
    """How many projects are in each state."""
    known = select(Project.state, func.count()).where(Project.kind.in_(KINDS))
    return dict(session.execute(known.group_by(Project.state)).all())


def listed(session: Session) -> list[Project]:
    """Every project, the newest first, without what was read of its file."""
    heavy = (defer(Project.reading), defer(Project.lexicon))
    known = select(Project).options(*heavy).where(Project.kind.in_(KINDS))
    return list(session.scalars(known.order_by(Project.id.desc())))
