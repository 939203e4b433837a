"""How far a project is, when it will be done, why nothing happens: computed from counters, never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from farm import workers
from farm.db import now
from farm.messages import Message
from farm.tables import (
    Chapter,
    ChapterState,
    Job,
    JobKind,
    JobState,
    Project,
    ProjectState,
    Worker,
    WorkerState,
)

SPOKEN_PER_CHARACTER = {"zh": 0.89, "en": 0.337}
"""Spoken characters per visible one, measured on whole novels; until a chapter is planned and counted."""

SECONDS_PER_SPOKEN = {"zh": 0.247, "en": 0.277}
"""Of mastered audio, pauses included, measured on whole novels with the preview engine."""

MASTERING_SPEED = 100.0  # x realtime of one house process on one core, measured
SWIFT, SLOW = 0.9, 1.5  # the range that a forecast is given as
OVERHEAD_S = 15.0


COLUMNS = (
    Chapter.project_id,
    Chapter.id,
    Chapter.title,
    Chapter.state,
    Chapter.characters,
    Chapter.length,
    Chapter.length_done,
    Chapter.seconds,
    Chapter.segments_failed,
)
Counted = Chapter | Row[Any]
"""A chapter, or these columns of it: a row of text and of places in the audio is much to load 6 000 times."""


class ChapterProgress(NamedTuple):
    """A chapter's piece of the strip. `share` of it is spoken, 0 to 1; `weight` is its length in seconds."""

    id: int
    title: str
    state: str
    share: float
    weight: float
    failed: int
    mastered: bool


@dataclass(frozen=True)
class Progress:
    """`done_s` and `total_s` are seconds of audio; the forecast is in seconds from now, None without one."""

    done_s: float
    total_s: float
    soonest_s: float | None
    latest_s: float | None
    failed: int
    strip: tuple[ChapterProgress, ...]
    why: Message | None

    @property
    def share(self) -> float:
        return self.done_s / self.total_s if self.total_s else 0.0


def of_chapter(chapter: Counted, language: str) -> ChapterProgress:
    spoken = chapter.length or chapter.characters * SPOKEN_PER_CHARACTER.get(language, 0.9)
    mastered = chapter.state == ChapterState.DONE
    share = 1.0 if mastered else chapter.length_done / chapter.length if chapter.length else 0.0
    expected_s = spoken * SECONDS_PER_SPOKEN.get(language, 0.23)
    weight = chapter.seconds if mastered and chapter.seconds else expected_s
    return ChapterProgress(
        chapter.id, chapter.title, chapter.state, share, weight, chapter.segments_failed, mastered
    )


def of_projects(session: Session, projects: Sequence[Project]) -> dict[int, Progress]:
    """The progress of each project, in a handful of queries however many there are."""
    ids = [project.id for project in projects]
    mine = select(*COLUMNS).where(Chapter.project_id.in_(ids), Chapter.included)
    chapters: dict[int, list[Counted]] = {project_id: [] for project_id in ids}
    for chapter in session.execute(mine.order_by(Chapter.project_id, Chapter.position)).all():
        chapters[chapter.project_id].append(chapter)  # type: ignore[arg-type]
    speeds = crew_speeds(workers.live(session), projects)
    rivals = running(session)
    return {
        project.id: of_project(project, chapters[project.id], speeds[needs(project)], rivals)
        for project in projects
    }


def needs(project: Project) -> tuple[Any, ...]:
    """What of a project decides who can serve it; projects alike in it have the same crew."""
    return project.engine, project.pin.get("fingerprint"), project.longest_segment


def crew_speeds(crew: Sequence[Worker], projects: Sequence[Project]) -> dict[tuple[Any, ...], float | None]:
    """By `needs`: how fast those who can serve it are together, x realtime; None when there are none."""
    alike = {needs(project): project for project in projects}
    speeds: dict[tuple[Any, ...], float | None] = {}
    for need, project in alike.items():
        able = [worker.speed or 0.0 for worker in crew if workers.can_serve(worker, project)]
        speeds[need] = sum(able) if able else None
    return speeds


def of_project(project: Project, chapters: Sequence[Counted], speed: float | None, rivals: int) -> Progress:
    """A pure computation. `speed` of the workers that can serve it (None: nobody is awake), x realtime;
    `rivals`: how many projects share them."""
    strip = tuple(of_chapter(chapter, project.language) for chapter in chapters)
    done_s = sum(part.share * part.weight for part in strip)
    total_s = sum(part.weight for part in strip)
    unmastered_s = sum(part.weight for part in strip if not part.mastered)
    soonest = latest = None
    if project.state == ProjectState.RUNNING and speed and unmastered_s:
        alone_s = max((total_s - done_s) / speed, unmastered_s / MASTERING_SPEED)
        soonest, latest = SWIFT * alone_s, SLOW * alone_s * max(rivals, 1) + OVERHEAD_S
    failed = sum(part.failed for part in strip)
    return Progress(
        done_s, total_s, soonest, latest, failed, strip, why(project, strip, awake=speed is not None)
    )


def why(project: Project, strip: Sequence[ChapterProgress], *, awake: bool) -> Message | None:
    """The sentence that answers “why is nothing happening?”, or None when something is or nothing should."""
    if project.state == ProjectState.PAUSED:
        return Message("Paused. Press resume to go on; nothing is lost.")
    if project.state != ProjectState.RUNNING:
        return None
    if project.failure:
        return Message("The last step failed and waits for you to try it again.")
    states = {part.state for part in strip}
    if states <= {ChapterState.DONE, ChapterState.HELD} and ChapterState.HELD in states:
        return Message(
            "Held: some sentences could not be spoken. Try them again, or give the chapter out without."
        )
    unspoken = states & {ChapterState.DRAFT, ChapterState.PLANNED, ChapterState.RENDERING}
    if unspoken and not awake:
        return Message("No worker with the engine {engine} is awake. Start one.", {"engine": project.engine})
    return None


def running(session: Session) -> int:
    """How many projects share the workers."""
    return session.scalars(
        select(func.count()).select_from(Project).where(Project.state == ProjectState.RUNNING)
    ).one()


@dataclass(frozen=True)
class FarmWord:
    """The farm in one word: working, waiting, idle or trouble, with the reason and the numbers behind it."""

    word: str
    why: Message
    workers: int
    speed: float
    at: datetime


def of_farm(session: Session) -> FarmWord:
    at = session.scalars(select(now)).one()
    crew = workers.live(session)
    open_jobs = select(func.count()).select_from(Job).where(Job.state == JobState.RUNNING)
    busy = session.scalars(open_jobs).one()
    projects = running(session)
    speed = sum(worker.speed or 0.0 for worker in crew if worker.state == WorkerState.BUSY)
    word, reason = verdict(len(crew), busy, projects)
    return FarmWord(word, reason, len(crew), speed, at)


def verdict(crew: int, busy: int, projects: int) -> tuple[str, Message]:
    if not crew:
        return "trouble", Message("No render worker has been heard of lately. Start one.")
    if busy:
        return "working", Message("{jobs} jobs are under way.", {"jobs": busy})
    if projects:
        return "waiting", Message("Projects are running, but nothing is being spoken at this moment.")
    return "idle", Message("Nothing to do. Start a project.")


def pace(session: Session, engine: str) -> float | None:
    """Seconds this farm needs for a second of audio, as fast as it is now; None before it was measured."""
    speed = sum(worker.speed or 0.0 for worker in workers.live(session) if worker.engine == engine)
    return max(1 / speed, 1 / MASTERING_SPEED) if speed else None


def underway(session: Session, project_id: int) -> dict[int, float]:
    """Chapter id -> share done of the house job that works on it now."""
    house = select(Job.chapter_id, Job.progress).where(
        Job.project_id == project_id,
        Job.state == JobState.RUNNING,
        Job.kind.in_([JobKind.MASTER, JobKind.PUBLISH]),
    )
    return {chapter: share for chapter, share in session.execute(house) if chapter is not None}
