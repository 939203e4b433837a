"""Chapters: the unit of progress. Counters move with the segments, in the same transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from farm import jobs, states
from farm.db import among
from farm.errors import Conflict, NotFound
from farm.tables import Chapter, ChapterState, JobKind, Project, Release, Segment, SegmentState, Take

PAGE = 200
FRESH: dict[str, Any] = {"attempts": 0, "failed_by": [], "failure": None}
"""A segment that a person wants tried again starts from nothing."""
ENDED = Chapter.segments_done + Chapter.segments_failed == Chapter.segments


@dataclass(frozen=True)
class Heard:
    """A segment with the take to hear of it and, in a finished chapter, where it lies; all in seconds.

    While a new take is awaited, the earlier one is heard.
    """

    segment: Segment
    take: str | None
    seconds: float | None
    start_s: float | None = None
    end_s: float | None = None


def find(session: Session, chapter_id: int) -> Chapter:
    chapter = session.get(Chapter, chapter_id)
    if chapter is None:
        raise NotFound("There is no chapter {chapter}.", chapter=chapter_id)
    return chapter


def lock(session: Session, chapter_ids: Collection[int]) -> list[int]:
    """Lock chapters, always in the order of their ids: two accepts cannot wait for each other."""
    statement = select(Chapter.id).where(Chapter.id.in_(chapter_ids)).order_by(Chapter.id).with_for_update()
    return list(session.scalars(statement))


def recount(session: Session, chapter_ids: Collection[int]) -> None:
    """Set the counters from the segments themselves, then settle; accepts `add` instead."""
    done = Segment.state == SegmentState.DONE
    failed = Segment.state == SegmentState.FAILED
    counts = (
        select(
            Chapter.id,
            func.count(Segment.id).label("segments"),
            func.count().filter(done).label("done"),
            func.count().filter(failed).label("failed"),
            func.coalesce(func.sum(Segment.length), 0).label("length"),
            func.coalesce(func.sum(Segment.length).filter(done), 0).label("length_done"),
        )
        .outerjoin(Segment, Segment.chapter_id == Chapter.id)
        .where(Chapter.id.in_(chapter_ids))
        .group_by(Chapter.id)
        .subquery()
    )
    session.execute(
        update(Chapter)
        .where(Chapter.id == counts.c.id)
        .values(
            segments=counts.c.segments,
            segments_done=counts.c.done,
            segments_failed=counts.c.failed,
            length=counts.c.length,
            length_done=counts.c.length_done,
        )
        .execution_options(synchronize_session=False)
    )
    settle(session, chapter_ids)
    for project_id in set(session.scalars(select(Chapter.project_id).where(Chapter.id.in_(chapter_ids)))):
        states.changed(session, project_id)


def add(session: Session, done: Sequence[int], failed: Sequence[int]) -> None:
    """Count segments that just became done or failed, and settle their chapters."""
    is_done = Segment.id.in_(done)
    counts = (
        select(
            Segment.chapter_id,
            func.count().filter(is_done).label("done"),
            func.count().filter(~is_done).label("failed"),
            func.coalesce(func.sum(case((is_done, Segment.length))), 0).label("length"),
        )
        .where(Segment.id.in_([*done, *failed]))
        .group_by(Segment.chapter_id)
        .subquery()
    )
    statement = (
        update(Chapter)
        .where(Chapter.id == counts.c.chapter_id)
        .values(
            segments_done=Chapter.segments_done + counts.c.done,
            segments_failed=Chapter.segments_failed + counts.c.failed,
            length_done=Chapter.length_done + counts.c.length,
        )
        .returning(Chapter.id, Chapter.project_id, ENDED)
        .execution_options(synchronize_session=False)
    )
    counted = session.execute(statement).all()
    if ended := [chapter for chapter, _, has_ended in counted if has_ended]:
        settle(session, ended)
    for project_id in {project_id for _, project_id, _ in counted}:
        states.changed(session, project_id)


def settle(session: Session, chapter_ids: Collection[int]) -> None:
    """Send complete chapters to mastering, hold those with failed segments and nothing left to speak."""
    ours = Chapter.id.in_(chapter_ids)
    open_states = (ChapterState.PLANNED, ChapterState.RENDERING)
    complete = and_(ours, Chapter.segments_done == Chapter.segments)
    for chapter_id in states.move(
        session, Chapter, complete, open_states, ChapterState.MASTERING, failure=None
    ):
        jobs.write(session, JobKind.MASTER, find(session, chapter_id).project_id, chapter_id)
    failed = and_(ours, ENDED, Chapter.segments_failed > 0)
    states.move(session, Chapter, failed, open_states, ChapterState.HELD)


def adopt(session: Session, where: Any) -> list[int]:
    """Mark as done the ready segments that match `where` and whose take exists already; their ids."""
    found = select(Take.key).where(Take.key == Segment.take_key).exists()
    return states.move(
        session, Segment, and_(where, found), SegmentState.READY, SegmentState.DONE, earlier_key=None
    )


def retry(session: Session, chapter_id: int) -> None:
    """Speak a chapter's failed segments again, or redo the step that failed. Raises Conflict."""
    chapter = find(session, chapter_id)
    lock(session, [chapter_id])
    session.refresh(chapter)
    mine = Segment.chapter_id == chapter_id
    mended = states.move(session, Segment, mine, SegmentState.FAILED, SegmentState.READY, **FRESH)
    held = Chapter.id == chapter_id
    if mended:
        states.move(session, Chapter, held, ChapterState.HELD, ChapterState.RENDERING)
        recount(session, [chapter_id])
    elif chapter.state == ChapterState.HELD and chapter.failure and chapter.segments_done:
        states.move(session, Chapter, held, ChapterState.HELD, ChapterState.MASTERING, failure=None)
        jobs.write(session, JobKind.MASTER, chapter.project_id, chapter_id)
    elif chapter.state == ChapterState.HELD and chapter.failure:
        states.move(session, Chapter, held, ChapterState.HELD, ChapterState.DRAFT, failure=None)
        jobs.write(session, JobKind.PLAN, chapter.project_id, chapter_id)
    else:
        raise Conflict("Nothing in {chapter} has failed.", chapter=chapter.title)
    states.changed(session, chapter.project_id)


def speak_again(session: Session, chapter_id: int, take_key: str) -> None:
    """Forget a take whose audio is gone; this chapter's segments that used it are spoken anew."""
    lock(session, [chapter_id])
    session.execute(delete(Take).where(Take.key == take_key))
    mine = and_(Segment.chapter_id == chapter_id, Segment.take_key == take_key)
    states.move(session, Segment, mine, SegmentState.DONE, SegmentState.READY, attempts=0)
    this = Chapter.id == chapter_id
    states.move(session, Chapter, this, ChapterState.MASTERING, ChapterState.RENDERING)
    recount(session, [chapter_id])


def retry_segment(session: Session, segment_id: int) -> Chapter:
    """Speak one failed segment again. Raises NotFound, Conflict when it did not fail."""
    segment = session.get(Segment, segment_id)
    if segment is None:
        raise NotFound("There is no segment {segment}.", segment=segment_id)
    lock(session, [segment.chapter_id])
    this = Segment.id == segment_id
    if not states.move(session, Segment, this, SegmentState.FAILED, SegmentState.READY, **FRESH):
        raise Conflict("This segment has not failed.")
    chapter = Chapter.id == segment.chapter_id
    states.move(session, Chapter, chapter, ChapterState.HELD, ChapterState.RENDERING)
    recount(session, [segment.chapter_id])
    return find(session, segment.chapter_id)


def waive(session: Session, chapter_id: int) -> None:
    """Master a held chapter without its failed segments; the report names them. Raises Conflict.

    Where a retake failed, what was spoken before is kept.
    """
    lock(session, [chapter_id])
    where = and_(Chapter.id == chapter_id, Chapter.segments_failed > 0)
    if not states.move(session, Chapter, where, ChapterState.HELD, ChapterState.MASTERING):
        raise Conflict("Chapter {chapter} is not held for failed segments.", chapter=chapter_id)
    keep_earlier(session, chapter_id)
    chapter = find(session, chapter_id)
    jobs.write(session, JobKind.MASTER, chapter.project_id, chapter_id)
    states.changed(session, chapter.project_id)


def keep_earlier(session: Session, chapter_id: int) -> None:
    """Go back to the earlier takes of segments whose retakes failed."""
    there = select(Take.key).where(Take.key == Segment.earlier_key).exists()
    failed = and_(Segment.chapter_id == chapter_id, there)
    unnoted = Segment.earlier_number.is_(None)
    earlier = {
        "take_key": Segment.earlier_key,
        "take_number": func.coalesce(Segment.earlier_number, Segment.take_number - 1),
        "direction": case((unnoted, Segment.direction), else_=Segment.earlier_direction),
    }
    again = SegmentState.READY
    if kept := states.move(session, Segment, failed, SegmentState.FAILED, again, **FRESH, **earlier):
        adopt(session, among(Segment.id, kept))
        recount(session, [chapter_id])


def forget_releases(session: Session, chapter: Chapter) -> None:
    """Drop finished files that no longer hold what the chapter says; their objects are swept."""
    mine = and_(
        Release.project_id == chapter.project_id,
        or_(Release.chapter_id.is_(None), Release.chapter_id == chapter.id),
    )
    for release in session.scalars(select(Release).where(mine)):
        session.delete(release)


def of_project(session: Session, project_id: int) -> list[Chapter]:
    """A project's chapters in order."""
    return list(
        session.scalars(select(Chapter).where(Chapter.project_id == project_id).order_by(Chapter.position))
    )


def preview(session: Session, chapter_id: int, most: int) -> str:
    """The first `most` characters of a chapter's text."""
    statement = select(func.left(Chapter.text, most)).where(Chapter.id == chapter_id)
    return str(session.scalars(statement).one())


def segments(session: Session, chapter_id: int, after: int = -1) -> list[Segment]:
    """A page of a chapter's segments after position `after`."""
    mine = select(Segment).where(Segment.chapter_id == chapter_id, Segment.position > after)
    return list(session.scalars(mine.order_by(Segment.position).limit(PAGE)))


def heard(session: Session, chapter: Chapter, after: int = -1) -> list[Heard]:
    """A page of a chapter's segments after position `after`, with their times."""
    mine = Segment.chapter_id == chapter.id
    earlier = aliased(Take)
    take = func.coalesce(earlier.key, Take.key), func.coalesce(earlier.seconds, Take.seconds)
    statement = select(Segment, *take).outerjoin(Take, Take.key == Segment.take_key)
    statement = statement.outerjoin(earlier, earlier.key == Segment.earlier_key)
    statement = statement.where(mine, Segment.position > after).order_by(Segment.position).limit(PAGE)
    spoken = and_(mine, Segment.position <= after, Segment.state == SegmentState.DONE)
    places = iter(placed(chapter)[session.scalar(select(func.count()).where(spoken)) or 0 :])
    found = []
    for segment, key, seconds in session.execute(statement):
        place = next(places, ()) if segment.state == SegmentState.DONE else ()
        found.append(Heard(segment, key, seconds, *place))
    return found


def placed(chapter: Chapter) -> list[list[float]]:
    """Start and end in seconds of each spoken segment of a finished chapter; stale once it opens again."""
    done = chapter.state == ChapterState.DONE and chapter.mastered
    return list(done["placed"]) if done else []


def failed_segments(session: Session, project_id: int) -> list[Segment]:
    mine = select(Segment).join(Chapter, Chapter.id == Segment.chapter_id)
    failed = and_(Chapter.project_id == project_id, Segment.state == SegmentState.FAILED)
    return list(session.scalars(mine.where(failed).order_by(Segment.rank).limit(PAGE)))


def edit(
    session: Session, chapter_id: int, *, title: str | None = None, included: bool | None = None
) -> Chapter:
    """Rename or tick a chapter while its project is being reviewed. Raises Conflict afterwards."""
    chapter = find(session, chapter_id)
    project = session.get_one(Project, chapter.project_id)
    if project.state != "review":
        raise Conflict(
            "{title} has been started: its chapters can no longer be changed here.", title=project.title
        )
    if title is not None:
        chapter.title = title.strip() or chapter.title
    if included is not None:
        chapter.included = included
    return chapter


def tick(session: Session, project_id: int, chapter_ids: Collection[int], included: bool) -> None:
    """Tick or untick chapters of one project. Raises NotFound when one is not the project's, Conflict."""
    strangers = set(chapter_ids) - {chapter.id for chapter in of_project(session, project_id)}
    if strangers:
        raise NotFound("There is no chapter {chapter}.", chapter=min(strangers))
    for chapter_id in chapter_ids:
        edit(session, chapter_id, included=included)
    states.changed(session, project_id)
