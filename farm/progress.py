"""How far a project is, when it will be done, why nothing happens: computed from counters, never stored."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from farm import fleet, outlook, reasons
from farm.farm_word import FarmWord, of_farm
from farm.fleet import seconds_of
from farm.forecast import Forecast, Forecaster
from farm.messages import Message
from farm.outlook import Outlook
from farm.tables import Chapter, ChapterState, Job, JobKind, JobState, Project, ProjectState

__all__ = ["FarmWord", "Progress", "of_chapter", "of_farm", "of_projects", "of_review", "underway"]

NO_FORECAST = Forecast(None, None, None, None, None)

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
    """`done_s` and `total_s` are seconds of audio. `reasons`: why nothing is spoken, most telling first."""

    done_s: float
    total_s: float
    failed: int
    strip: tuple[ChapterProgress, ...]
    forecast: Forecast
    reasons: tuple[Message, ...]

    @property
    def share(self) -> float:
        return self.done_s / self.total_s if self.total_s else 0.0

    @property
    def soonest_s(self) -> float | None:
        """Seconds from now."""
        return self.forecast.soonest_s

    @property
    def latest_s(self) -> float | None:
        return self.forecast.latest_s

    @property
    def why(self) -> Message | None:
        return self.reasons[0] if self.reasons else None


def of_chapter(chapter: Counted, language: str) -> ChapterProgress:
    mastered = chapter.state == ChapterState.DONE
    share = 1.0 if mastered else chapter.length_done / chapter.length if chapter.length else 0.0
    unplanned = 0 if chapter.length else chapter.characters
    expected_s = seconds_of(chapter.length, unplanned, language)
    weight = chapter.seconds if mastered and chapter.seconds else expected_s
    return ChapterProgress(
        chapter.id, chapter.title, chapter.state, share, weight, chapter.segments_failed, mastered
    )


def of_projects(session: Session, projects: Sequence[Project]) -> dict[int, Progress]:
    """The progress of each project, in a handful of queries however many there are."""
    chapters: dict[int, list[Counted]] = {project.id: [] for project in projects}
    for chapter in ticked(session, chapters):
        chapters[chapter.project_id].append(chapter)
    forecaster = Forecaster(fleet.look(session))
    return {project.id: of_project(project, chapters[project.id], forecaster) for project in projects}


def ticked(session: Session, project_ids: Collection[int]) -> list[Counted]:
    """The chapters to be made, in order."""
    mine = select(*COLUMNS).where(Chapter.project_id.in_(project_ids), Chapter.included)
    return list(session.execute(mine.order_by(Chapter.project_id, Chapter.position)))


def of_project(project: Project, chapters: Sequence[Counted], forecaster: Forecaster) -> Progress:
    strip = tuple(of_chapter(chapter, project.language) for chapter in chapters)
    done_s = sum(part.share * part.weight for part in strip)
    total_s = sum(part.weight for part in strip)
    failed = sum(part.failed for part in strip)
    forecast = NO_FORECAST
    if project.state == ProjectState.RUNNING:
        forecast = forecaster.of(project, sum(part.weight for part in strip if not part.mastered))
    states = Counter(part.state for part in strip)
    why = reasons.why_not(project, states, forecaster.fleet, forecast)
    return Progress(done_s, total_s, failed, strip, forecast, why)


def of_review(session: Session, project: Project) -> Outlook:
    """What a project that was not started would be, with each of the GPU classes and without."""
    parts = [of_chapter(chapter, project.language) for chapter in ticked(session, [project.id])]
    return outlook.of(fleet.look(session), project, sum(part.weight for part in parts))


def underway(session: Session, project_id: int) -> dict[int, float]:
    """Chapter id -> share done of the house job that works on it now."""
    house = select(Job.chapter_id, Job.progress).where(
        Job.project_id == project_id,
        Job.state == JobState.RUNNING,
        Job.kind.in_([JobKind.MASTER, JobKind.PUBLISH]),
    )
    return {chapter: share for chapter, share in session.execute(house) if chapter is not None}
