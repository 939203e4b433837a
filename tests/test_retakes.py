import pytest
from sqlalchemy import select

from farm import chapters, retakes, takes
from farm.db import Begin
from farm.errors import Conflict
from farm.tables import Chapter, Job, Project, Segment, SegmentState, Take
from tests import builders


@pytest.fixture
def spoken(begin: Begin) -> int:
    """A chapter of two segments that were spoken and are being mastered."""
    with begin() as session:
        chapter = builders.chapter(session, builders.project(session), ["a", "b"])
        for segment in session.scalars(select(Segment)):
            session.add(
                Take(key=segment.take_key, object=f"takes/{segment.take_key}", size=1, seconds=2.0, seed=0)
            )
        session.flush()
        chapters.adopt(session, Segment.chapter_id == chapter.id)
        chapters.recount(session, [chapter.id])
        return chapter.id


def seen(begin: Begin) -> tuple[Chapter, list[Segment]]:
    with begin() as session:
        return session.scalars(select(Chapter)).one(), list(
            session.scalars(select(Segment).order_by(Segment.position))
        )


def fail_all(begin: Begin) -> None:
    """As the farm does after the last attempt."""
    with begin() as session:
        for segment in session.scalars(select(Segment).where(Segment.state == SegmentState.READY)):
            segment.state = SegmentState.FAILED
        session.flush()
        chapters.recount(session, [session.scalars(select(Chapter.id)).one()])


def test_a_new_take_has_the_next_seed_and_the_earlier_one_is_heard_until_it_is_there(
    begin: Begin, spoken: int
) -> None:
    with begin() as session:
        assert retakes.of_chapter(session, spoken) == 2
    chapter, segments = seen(begin)
    assert (chapter.state, chapter.segments_done) == ("rendering", 0)
    assert [s.take_number for s in segments] == [1, 1]
    assert [s.earlier_key for s in segments] == ["a", "b"]
    with begin() as session:
        project = session.scalars(select(Project)).one()
        first = segments[0]
        wanted = takes.recipe_of(project, first.spoken, first.language, first.role, 1)
        assert first.take_key == wanted.key
        assert wanted.seed == project.seed + 1
        assert takes.of_segment(session, first.id).key == "a"


def test_one_segment_is_spoken_anew_alone(begin: Begin, spoken: int) -> None:
    with begin() as session:
        retakes.of_segment(session, 2)
    chapter, segments = seen(begin)
    assert [segment.state for segment in segments] == ["done", "ready"]
    assert (chapter.state, chapter.segments_done) == ("rendering", 1)


def test_mastering_of_the_earlier_takes_is_recalled(begin: Begin, spoken: int) -> None:
    with begin() as session:
        assert session.scalars(select(Job.state)).all() == ["queued"]
        retakes.of_chapter(session, spoken)
        assert session.scalars(select(Job.state)).all() == ["recalled"]


def test_a_finished_project_runs_again(begin: Begin, spoken: int) -> None:
    with begin() as session:
        session.scalars(select(Project)).one().state = "finished"
    with begin() as session:
        retakes.of_chapter(session, spoken)
    with begin() as session:
        assert session.scalars(select(Project.state)).one() == "running"


def test_the_earlier_take_is_not_swept_while_it_is_needed(begin: Begin, spoken: int) -> None:
    with begin() as session:
        retakes.of_chapter(session, spoken)
        later = session.scalars(select(Take.created_at)).first()
        assert later is not None
        takes.forget_unused(session, later.replace(year=later.year + 1))
        assert set(session.scalars(select(Take.key))) == {"a", "b"}


def test_a_new_take_that_cannot_be_spoken_leaves_the_earlier_one(begin: Begin, spoken: int) -> None:
    with begin() as session:
        retakes.of_segment(session, 2)
    fail_all(begin)
    with begin() as session:
        chapters.waive(session, spoken)
    chapter, segments = seen(begin)
    assert (chapter.state, chapter.segments_done, chapter.segments_failed) == ("mastering", 2, 0)
    assert (segments[1].take_key, segments[1].take_number, segments[1].earlier_key) == ("b", 0, None)


def test_what_was_not_spoken_has_no_new_take(begin: Begin) -> None:
    with begin() as session:
        chapter = builders.chapter(session, builders.project(session), ["a"])
        with pytest.raises(Conflict, match="Nothing of Chapter 1"):
            retakes.of_chapter(session, chapter.id)
