"""Plan: a chapter's text becomes segments, each with the recipe of its take."""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from farm import casting, chapters, states, takes
from farm.tables import Chapter, ChapterState, Project, Segment, SegmentState
from farm.text.lexicon import Lexicon
from farm.text.segments import PlannedSegment, PlanSettings, plan_chapter
from farm.work import Work

RANKS = 10_000_000  # more segments than a chapter has


def run(work: Work) -> None:
    with work.begin() as session:
        project = session.get_one(Project, work.job.project_id)
        chapter = chapters.find(session, work.job.chapter_id or 0)
        text = chapter.text
    segments = plan_chapter(chapter.title, text, settings_of(project))
    work.progress(0.5)
    with work.finishing() as session:
        chapters.lock(session, [chapter.id])
        limit = session.scalars(select(Project.longest_segment).where(Project.id == project.id)).one()
        if limit != project.longest_segment:  # lowered meanwhile, under this lock
            project.longest_segment = limit
            segments = plan_chapter(chapter.title, text, settings_of(project))
        write(session, project, chapter, segments)


def settings_of(project: Project) -> PlanSettings:
    return PlanSettings(
        language=project.language,
        limit=project.longest_segment,
        one_sentence=project.one_sentence,
        dialogue_apart=casting.speaks_dialogue_apart(project.cast, project.directions),
        lexicon=Lexicon.from_text(project.lexicon),
    )


def write(session: Session, project: Project, chapter: Chapter, segments: list[PlannedSegment]) -> None:
    """Replace the segments of a chapter that is locked; those whose take exists are done at once.

    What people decided about a segment stays with its words, wherever they are now.
    """
    wanted = decided(session, chapter.id)
    session.execute(delete(Segment).where(Segment.chapter_id == chapter.id))
    rows = []
    for at, segment in enumerate(segments):
        direction, number = wanted[segment.spoken].popleft() if wanted[segment.spoken] else (None, 0)
        rows.append(row(project, chapter, at, segment, direction, number))
    if rows:  # a chapter without a word has none, and an INSERT of nothing is not nothing
        session.execute(insert(Segment), rows)
    chapters.adopt(session, Segment.chapter_id == chapter.id)
    states.move(
        session, Chapter, Chapter.id == chapter.id, ChapterState.DRAFT, ChapterState.PLANNED, failure=None
    )
    chapters.recount(session, [chapter.id])


def decided(session: Session, chapter_id: int) -> defaultdict[str, deque[tuple[Any, int]]]:
    """Each segment's direction and the number of its wanted take, by what it says, in the chapter's order."""
    found = select(Segment.spoken, Segment.direction, Segment.take_number)
    ours = found.where(Segment.chapter_id == chapter_id).order_by(Segment.position)
    by_words: defaultdict[str, deque[tuple[Any, int]]] = defaultdict(deque)
    for spoken, direction, number in session.execute(ours):
        by_words[spoken].append((direction, number))
    return by_words


def row(
    project: Project,
    chapter: Chapter,
    position: int,
    segment: PlannedSegment,
    direction: Mapping[str, Any] | None = None,
    number: int = 0,
) -> dict[str, Any]:
    """`direction` is the segment's own, where it has one; `number` that of the take that is wanted."""
    said = segment.spoken, segment.language, segment.role
    recipe = takes.recipe_of(project, *said, number, direction)
    return {
        "project_id": project.id,
        "chapter_id": chapter.id,
        "position": position,
        "rank": chapter.position * RANKS + position,
        "role": segment.role,
        "language": segment.language,
        "display": segment.display,
        "spoken": segment.spoken,
        "after": segment.after,
        "length": segment.length,
        "sentences": [[sentence.end, sentence.length] for sentence in segment.sentences],
        "state": SegmentState.READY if segment.spoken else SegmentState.DONE,
        "take_key": recipe.key if segment.spoken else None,
        "take_number": number,
        "direction": direction,
    }
