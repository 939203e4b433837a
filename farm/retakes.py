"""Retakes: what was spoken is to be spoken once more; the earlier take stays until the new one is there."""

from collections.abc import Sequence

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from farm import chapters, jobs, states, takes
from farm.db import notify
from farm.errors import Conflict, NotFound
from farm.tables import (
    Chapter,
    ChapterState,
    JobKind,
    JobState,
    Project,
    ProjectState,
    Segment,
    SegmentState,
)

OPEN = (ProjectState.RUNNING, ProjectState.PAUSED, ProjectState.FINISHED)
CLOSED = (ChapterState.DONE, ChapterState.MASTERING, ChapterState.HELD)


def of_chapter(session: Session, chapter_id: int) -> int:
    """Speak all that was spoken of a chapter anew; how many segments that is. Raises NotFound, Conflict."""
    chapter = chapters.find(session, chapter_id)
    return begin(session, chapter, list(session.scalars(spoken(chapter))))


def of_segment(session: Session, segment_id: int) -> Chapter:
    """Speak one segment anew. Raises NotFound, Conflict when it was not spoken yet."""
    segment = session.get(Segment, segment_id)
    if segment is None:
        raise NotFound("There is no segment {segment}.", segment=segment_id)
    chapter = chapters.find(session, segment.chapter_id)
    found = list(session.scalars(spoken(chapter).where(Segment.id == segment_id)))
    if not found:
        raise Conflict("This segment waits to be spoken already, or has failed and can be tried again.")
    begin(session, chapter, found)
    return chapter


def spoken(chapter: Chapter) -> Select[Segment]:
    its = (Segment.chapter_id == chapter.id, Segment.take_key.is_not(None))
    return select(Segment).where(*its, Segment.state == SegmentState.DONE).order_by(Segment.id)


def begin(session: Session, chapter: Chapter, segments: Sequence[Segment]) -> int:
    """Give done segments their next recipes and make them ready; chapter and project are open again."""
    if not segments:
        raise Conflict("Nothing of {chapter} was spoken yet.", chapter=chapter.title)
    project = session.get_one(Project, chapter.project_id)
    if project.state not in OPEN:
        raise Conflict("{title} is {state}; resume it first.", title=project.title, state=project.state)
    chapters.lock(session, [chapter.id])
    recall_mastering(session, chapter.id)
    for segment in segments:
        number = segment.take_number + 1
        recipe = takes.recipe_of(project, segment.spoken, segment.language, segment.role, number)
        this = and_(Segment.id == segment.id, Segment.take_key == segment.take_key)
        wanted = {"take_key": recipe.key, "take_number": number, "earlier_key": segment.take_key}
        states.move(session, Segment, this, SegmentState.DONE, SegmentState.READY, **chapters.FRESH, **wanted)
    mine = Chapter.id == chapter.id
    states.move(session, Chapter, mine, CLOSED, ChapterState.RENDERING)
    states.move(session, Project, Project.id == project.id, ProjectState.FINISHED, ProjectState.RUNNING)
    chapters.adopt(session, Segment.chapter_id == chapter.id)
    chapters.recount(session, [chapter.id])
    session.refresh(chapter)
    notify(session, jobs.CLOCK)
    return len(segments)


def recall_mastering(session: Session, chapter_id: int) -> None:
    """What is being joined now would be joined of the earlier takes."""
    job = jobs.underway(session, JobKind.MASTER, chapter_id)
    if job is not None:
        session.refresh(job, with_for_update=True)
        jobs.end(session, job, JobState.RECALLED)
