"""Retakes: what was spoken is to be spoken once more, or otherwise.

The earlier take stays until the new one is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, null, select, update
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
    project = open_project(session, chapter)
    chapters.lock(session, [chapter.id])
    recall_mastering(session, chapter.id)
    for segment in segments:
        speak_anew(session, project, segment, segment.take_number + 1, segment.direction)
    reopen(session, chapter, project)
    return len(segments)


def direct(session: Session, segment_id: int, direction: Mapping[str, Any] | None) -> Segment:
    """Have one segment spoken by a direction of its own, as it is stored; None: as its role is again.

    Its take number stays, so that a direction that is taken back finds the take that was there before.
    Raises NotFound, Conflict while it is being spoken.
    """
    segment = session.get(Segment, segment_id)
    if segment is None:
        raise NotFound("There is no segment {segment}.", segment=segment_id)
    chapter = chapters.find(session, segment.chapter_id)
    project = open_project(session, chapter)
    chapters.lock(session, [chapter.id])
    session.refresh(segment)
    if segment.take_key is None:
        raise Conflict("There is nothing to speak in this segment.")
    if segment.state == SegmentState.LEASED:
        raise Conflict("This segment is being spoken just now. Direct it once that is done.")
    changed = recipe_of(project, segment, segment.take_number, direction) != segment.take_key
    if changed and segment.state == SegmentState.DONE:
        recall_mastering(session, chapter.id)
        speak_anew(session, project, segment, segment.take_number, direction)
    else:
        wait_for(session, project, segment, direction)
    if changed:
        reopen(session, chapter, project)
    session.refresh(segment)
    return segment


def open_project(session: Session, chapter: Chapter) -> Project:
    """Raises Conflict where nothing is spoken."""
    project = session.get_one(Project, chapter.project_id)
    if project.state not in OPEN:
        raise Conflict("{title} is {state}; resume it first.", title=project.title, state=project.state)
    return project


def recipe_of(project: Project, segment: Segment, number: int, direction: Mapping[str, Any] | None) -> str:
    """The key of a segment's take."""
    said = segment.spoken, segment.language, segment.role
    return takes.recipe_of(project, *said, number, direction).key


def speak_anew(
    session: Session, project: Project, segment: Segment, number: int, direction: Mapping[str, Any] | None
) -> None:
    """Make a done segment wait for another take; the one there is stays until then."""
    this = and_(Segment.id == segment.id, Segment.take_key == segment.take_key)
    wanted = {
        "take_key": recipe_of(project, segment, number, direction),
        "take_number": number,
        "direction": null() if direction is None else direction,
        "earlier_key": segment.take_key,
        "earlier_number": segment.take_number,
        "earlier_direction": null() if segment.direction is None else segment.direction,
    }
    states.move(session, Segment, this, SegmentState.DONE, SegmentState.READY, **chapters.FRESH, **wanted)


def wait_for(
    session: Session, project: Project, segment: Segment, direction: Mapping[str, Any] | None
) -> None:
    """Direct a segment that waits, or that failed and is tried again now; or name its take otherwise."""
    this = Segment.id == segment.id
    key = recipe_of(project, segment, segment.take_number, direction)
    if key != segment.take_key:
        states.move(session, Segment, this, SegmentState.FAILED, SegmentState.READY, **chapters.FRESH)
    wanted = {"take_key": key, "direction": null() if direction is None else direction}
    session.execute(update(Segment).where(this).values(wanted))


def reopen(session: Session, chapter: Chapter, project: Project) -> None:
    """Chapter and project are worked at again, as long as a take is missing."""
    mine = Chapter.id == chapter.id
    states.move(session, Chapter, mine, CLOSED, ChapterState.RENDERING)
    states.move(session, Project, Project.id == project.id, ProjectState.FINISHED, ProjectState.RUNNING)
    chapters.adopt(session, Segment.chapter_id == chapter.id)
    chapters.recount(session, [chapter.id])
    session.refresh(chapter)
    notify(session, jobs.CLOCK)


def recall_mastering(session: Session, chapter_id: int) -> None:
    """What is being joined now would be joined of the earlier takes."""
    job = jobs.underway(session, JobKind.MASTER, chapter_id)
    if job is not None:
        session.refresh(job, with_for_update=True)
        jobs.end(session, job, JobState.RECALLED)
