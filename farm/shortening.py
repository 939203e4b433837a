"""When the last card that can serve a project has left, what waits is cut anew for those that are there."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, Integer, and_, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from farm import chapters, directions, fleet, planning, states, workers
from farm.crew import supposing
from farm.db import among
from farm.fleet import Fleet
from farm.gpu import CLASSES
from farm.matching import misfit
from farm.messages import Message
from farm.tables import Chapter, Desired, Event, Project, Segment, SegmentState, Worker
from farm.text.segments import Boundary, PlannedSegment, PlanSettings, cut_anew

GONE_AFTER = timedelta(minutes=15)
CUTS_A_ROUND = 300  # segments, about a second's work: the clock has other things to do
PAGE = 300  # segments looked at in one query
WAITING = (SegmentState.READY, SegmentState.FAILED)


@dataclass(frozen=True)
class Cut:
    """A segment that is too long, and what takes its place."""

    segment: Segment
    pieces: Sequence[PlannedSegment]


def shorten_stranded(session: Session) -> list[int]:
    """Cut a round of segments of each project that lost its last card; the projects whose limit fell.

    Called by the clock every few seconds. A limit falls in the transaction in which nothing longer is left:
    until then no smaller card is given anything of the project.
    """
    seen = fleet.look(session)
    fallen = []
    for project in seen.running:
        limit = lower_limit(seen, project) if seen.unspoken_s[project.id] else None
        if limit is not None and shorten(session, project, limit):
            fallen.append(project.id)
    return fallen


def lower_limit(seen: Fleet, project: Project) -> float | None:
    """The longest segment that the live workers, who could serve a stranded project then, may be given.

    None when somebody who can serve it is here or will be back, and when a lower limit helps nobody.
    """
    able = seen.serving(project)
    if any(worker.id in able and is_around(worker, seen) for worker in seen.crew):
        return None
    limits = [
        limit
        for worker in seen.live
        if (limit := CLASSES[worker.gpu_class].longest_segment) < project.longest_segment
        and misfit(worker, supposing(project, longest_segment=limit), seen.blocked) is None
    ]
    return min(limits, default=None)


def is_around(worker: Worker, seen: Fleet) -> bool:
    """Whether it was heard of lately, or only sleeps because that is wanted."""
    if worker.last_seen is None:
        return False
    asleep = workers.wanted(worker, seen.at)[0] == Desired.SLEEP
    return asleep or seen.at - worker.last_seen < GONE_AFTER


def shorten(session: Session, project: Project, limit: float) -> bool:
    """Cut a round of a project's segments anew; whether nothing longer was left, and its limit fell.

    What is being spoken is left alone and waited for: its lease ends soon, one way or the other.
    """
    parts = {part.id: part for part in chapters.of_project(session, project.id)}
    chapters.lock(session, parts)
    settings = replace(planning.settings_of(project), limit=limit)
    cuts: dict[int, list[Cut]] = defaultdict(list)
    count = 0
    for segment in longer(session, parts, limit):
        pieces = recut(segment, settings)
        if len(pieces) > 1:
            cuts[segment.chapter_id].append(Cut(segment, pieces))
            count += 1
        if count == CUTS_A_ROUND:
            break
    for chapter_id, found in cuts.items():
        exchange(session, project, parts[chapter_id], found)
    if cuts:
        chapters.recount(session, cuts)
    if count == CUTS_A_ROUND or is_spoken(session, parts, limit):
        return False
    lower(session, project, limit)
    return True


def longer(session: Session, chapter_ids: Collection[int], limit: float) -> Iterator[Segment]:
    """The segments above the limit that wait, or that failed, in their order; page by page."""
    rank = -1
    too_long = and_(
        among(Segment.chapter_id, chapter_ids), Segment.state.in_(WAITING), Segment.length > limit
    )
    while True:
        following = select(Segment).where(too_long, Segment.rank > rank).order_by(Segment.rank).limit(PAGE)
        page = session.scalars(following).all()
        yield from page
        if len(page) < PAGE:
            return
        rank = page[-1].rank


def is_spoken(session: Session, chapter_ids: Collection[int], limit: float) -> bool:
    """Whether a segment above the limit is with a worker, or on its way to one."""
    held = and_(
        among(Segment.chapter_id, chapter_ids),
        Segment.state == SegmentState.LEASED,
        Segment.length > limit,
    )
    return session.scalar(select(Segment.id).where(held).limit(1)) is not None


def recut(segment: Segment, settings: PlanSettings) -> list[PlannedSegment]:
    after = Boundary(segment.after)
    return cut_anew(segment.display, segment.language, segment.role, after, settings)


def exchange(session: Session, project: Project, chapter: Chapter, cuts: Sequence[Cut]) -> None:
    """Put pieces in the places of a locked chapter's segments, in their order; what lies behind moves up."""
    gone = [cut.segment.id for cut in cuts]
    unneeded = delete(Segment).where(among(Segment.id, gone))
    session.execute(unneeded.execution_options(synchronize_session=False))
    move_up(session, chapter, cuts)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    added = 0
    for segment, pieces in ((cut.segment, cut.pieces) for cut in cuts):
        for at, piece in enumerate(pieces, segment.position + added):
            made = planning.row(project, chapter, at, piece, direction_of(piece, segment))
            rows[segment.state].append(as_it_was(made, segment))
        added += len(pieces) - 1
    for alike in rows.values():
        session.execute(insert(Segment), alike)
    chapters.adopt(session, Segment.chapter_id == chapter.id)


def direction_of(piece: PlannedSegment, segment: Segment) -> dict[str, Any] | None:
    """A piece is directed as the whole was, and lasts its share of it."""
    if segment.direction is None:
        return None
    return directions.of_a_part(segment.direction, piece.length / max(segment.length, piece.length, 1e-9))


def as_it_was(row: dict[str, Any], segment: Segment) -> dict[str, Any]:
    """A piece of a failed segment has failed, too: a person decides when it is tried again."""
    if segment.state != SegmentState.FAILED:
        return row
    kept = {name: getattr(segment, name) for name in ("state", "attempts", "failed_by", "failure")}
    return row | kept


def move_up(session: Session, chapter: Chapter, cuts: Sequence[Cut]) -> None:
    """Make room for the pieces. By way of negative positions: a position may occur once at any moment."""
    places = literal([cut.segment.position for cut in cuts], ARRAY(Integer))
    more = literal([len(cut.pieces) - 1 for cut in cuts], ARRAY(Integer))
    cut = func.unnest(places, more).table_valued("place", "more").render_derived()
    added = select(func.sum(cut.c.more)).where(cut.c.place < Segment.position).scalar_subquery()
    mine = Segment.chapter_id == chapter.id
    session.execute(
        update(Segment)
        .where(mine, Segment.position > cuts[0].segment.position)
        .values(position=-1 - (Segment.position + added))
        .execution_options(synchronize_session=False)
    )
    found = -1 - Segment.position
    session.execute(
        update(Segment)
        .where(mine, Segment.position < 0)
        .values(position=found, rank=chapter.position * planning.RANKS + found)
        .execution_options(synchronize_session=False)
    )


def lower(session: Session, project: Project, limit: float) -> None:
    """Note the new limit, for people too."""
    said = Message(
        "Its segments have up to {after} characters now instead of {before}: every worker that could speak "
        "the longer ones has been away for {minutes} minutes. What was spoken stays.",
        {
            "before": round(project.longest_segment),
            "after": round(limit),
            "minutes": GONE_AFTER // timedelta(minutes=1),
        },
    ).to_json()
    project.longest_segment = limit
    project.shortened = said
    session.add(Event(project_id=project.id, what=said))
    session.flush()
    states.changed(session, project.id)
