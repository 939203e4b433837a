"""A project whose last big card has left is cut anew for the small ones that are there."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import chapters, jobs, planning, projects, shortening, takes
from farm.db import Begin, now
from farm.dispatch import Plan, tick
from farm.jobs import Times
from farm.storage import Store
from farm.tables import Chapter, Event, JobKind, Project, Segment, Take, Worker
from farm.text.segments import plan_chapter
from farm.work import Work
from tests import builders

PIN = {"fingerprint": "f1", "precision": "fp16"}
SENTENCE = "他走到窗前，看着外面的雨，想起了很多年以前的事情，那时候他还很年轻，什么也不怕，只是一直往前走。"
TEXT = "\n".join(SENTENCE * 5 for _ in range(6))


@pytest.fixture
def book(begin: Begin) -> int:
    """A project cut for 24 GB cards in two chapters, and a worker with a 12 GB card."""
    with begin() as session:
        made = builders.project(session)
        made.language, made.pin, made.longest_segment, made.started_at = "zh", PIN, 130, now
        for position in (0, 1):
            part = builders.chapter(session, made, [], position=position)
            part.title, part.text, part.state = f"第{position + 1}回", TEXT, "draft"
            session.flush()
            chapters.lock(session, [part.id])
            planning.write(session, made, part, plan_chapter(part.title, TEXT, planning.settings_of(made)))
        builders.worker(session, "small", gpu_class="12g")
        return made.id


def away(session: Session, name: str, minutes: float, gpu_class: str = "24g") -> Worker:
    worker = builders.worker(session, name, gpu_class=gpu_class)
    worker.last_seen = now - timedelta(minutes=minutes)
    session.flush()
    session.refresh(worker)
    return worker


def shorten(begin: Begin) -> float:
    """Rounds until nothing changes; the project's limit."""
    for _ in range(20):
        with begin() as session:
            if shortening.shorten_stranded(session):
                break
    with begin() as session:
        return session.scalars(select(Project.longest_segment)).one()


def segments(session: Session, chapter: Chapter) -> list[Segment]:
    mine = select(Segment).where(Segment.chapter_id == chapter.id)
    return list(session.scalars(mine.order_by(Segment.position)))


def test_unspoken_text_is_cut_for_the_cards_that_are_there(begin: Begin, book: int) -> None:
    with begin() as session:
        before = {s.id for s in session.scalars(select(Segment).where(Segment.length <= 100))}
        away(session, "big", minutes=16)
    assert shorten(begin) == 100
    with begin() as session:
        for part in session.scalars(select(Chapter)):
            found = segments(session, part)
            assert "".join(s.display for s in found) == part.title + part.text
            assert [s.position for s in found] == list(range(len(found)))
            assert [s.rank for s in found] == [
                part.position * planning.RANKS + at for at in range(len(found))
            ]
            assert max(s.length for s in found) <= 100
            assert part.segments == len(found)
            assert part.length == pytest.approx(sum(s.length for s in found))
        assert before <= set(session.scalars(select(Segment.id)))


def test_the_project_says_from_what_to_what_and_why(begin: Begin, book: int) -> None:
    assert shorten(begin) == 100
    with begin() as session:
        project = session.get_one(Project, book)
        assert project.shortened is not None
        assert (project.shortened["values"]["before"], project.shortened["values"]["after"]) == (130, 100)
        assert project.shortened in session.scalars(select(Event.what)).all()


def test_what_was_spoken_stays_as_it_is(begin: Begin, book: int) -> None:
    with begin() as session:
        first = session.scalars(select(Segment).where(Segment.length > 100).order_by(Segment.rank)).first()
        assert first is not None
        session.add(Take(key=first.take_key, object="o", size=1, seconds=20, seed=0))
        session.flush()
        chapters.lock(session, [first.chapter_id])
        chapters.add(session, chapters.adopt(session, Segment.id == first.id), [])
        kept = (first.id, first.display, first.take_key)
    assert shorten(begin) == 100
    with begin() as session:
        again = session.get_one(Segment, kept[0])
        assert (again.id, again.display, again.take_key, again.state) == (*kept, "done")
        part = session.get_one(Chapter, again.chapter_id)
        assert part.segments_done == len([s for s in segments(session, part) if s.state == "done"])


@pytest.mark.parametrize("minutes", [0, 14])
def test_nothing_is_cut_while_a_card_that_fits_is_here_or_was_lately(
    begin: Begin, book: int, minutes: int
) -> None:
    with begin() as session:
        away(session, "big", minutes)
    assert shorten(begin) == 130


def test_a_card_that_only_sleeps_will_be_back(begin: Begin, book: int) -> None:
    with begin() as session:
        away(session, "big", minutes=600).desired = "sleep"
    assert shorten(begin) == 130


def test_nothing_is_cut_where_shorter_segments_help_nobody(begin: Begin, book: int) -> None:
    with begin() as session:
        session.get_one(Project, book).classes = ["24g"]
    assert shorten(begin) == 130


def test_what_is_being_spoken_is_waited_for(begin: Begin, book: int) -> None:
    with begin() as session:
        away(session, "big", minutes=0)
    tick_once(begin)
    with begin() as session:
        away(session, "big", minutes=16)
        held = session.scalars(select(Segment.id).where(Segment.state == "leased")).all()
        assert held
    assert shorten(begin) == 130
    with begin() as session:
        assert set(held) <= set(session.scalars(select(Segment.id)))
        projects.pause(session, book)
        projects.resume(session, book)
    assert shorten(begin) == 100


def tick_once(begin: Begin) -> None:
    tick(begin, lambda queue, job, token: None, Plan(Times(), batch_s=30, house_depth=0))


def test_a_failed_segment_stays_failed_in_pieces(begin: Begin, book: int) -> None:
    with begin() as session:
        failed = session.scalars(select(Segment).where(Segment.length > 100)).first()
        assert failed is not None
        failed.state, failed.attempts, failed.failure = "failed", 4, {"template": "No.", "values": {}}
        session.flush()
        chapters.recount(session, [failed.chapter_id])
        chapter_id = failed.chapter_id
    assert shorten(begin) == 100
    with begin() as session:
        found = [s for s in segments(session, session.get_one(Chapter, chapter_id)) if s.state == "failed"]
        assert len(found) > 1
        assert all((s.attempts, s.failure) == (4, {"template": "No.", "values": {}}) for s in found)
        assert session.get_one(Chapter, chapter_id).segments_failed == len(found)
        chapters.retry(session, chapter_id)


def test_the_limit_falls_only_when_nothing_longer_is_left(
    begin: Begin, book: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortening, "CUTS_A_ROUND", 3)
    with begin() as session:
        assert shortening.shorten_stranded(session) == []
        assert session.get_one(Project, book).longest_segment == 130
    assert shorten(begin) == 100


def test_a_chapter_that_was_being_planned_meanwhile_is_planned_by_the_new_limit(
    begin: Begin, store: Store, book: int
) -> None:
    class Meanwhile(Work):
        """While it plans, another process lowers the limit."""

        def progress(self, done: float) -> None:
            with begin() as session:
                session.get_one(Project, book).longest_segment = 60
            super().progress(done)

    with begin() as session:
        part = builders.chapter(session, session.get_one(Project, book), [], position=2)
        part.text, part.state = TEXT, "draft"
        made = jobs.write(session, JobKind.PLAN, book, part.id)
        job = jobs.claim(session, made.id, made.token, Times())
        assert job is not None
    planning.run(Meanwhile(begin, store, job, Times()))
    with begin() as session:
        assert 40 < max(s.length for s in segments(session, part)) <= 60


def test_the_pieces_of_a_directed_segment_are_directed_as_it_was_and_last_as_long(
    begin: Begin, book: int
) -> None:
    direction = {"emotion": {"sad": 0.5}, "seconds": 20.0}
    with begin() as session:
        away(session, "big", 20)
        longest = session.scalars(select(Segment).order_by(Segment.length.desc()).limit(1)).one()
        assert longest.length > 100
        longest.direction = direction
    shorten(begin)
    with begin() as session:
        pieces = session.scalars(select(Segment).where(Segment.direction.is_not(None))).all()
        project = session.get_one(Project, book)
        for piece in pieces:
            said = piece.spoken, piece.language, piece.role
            assert piece.take_key == takes.recipe_of(project, *said, direction=piece.direction).key
    assert len(pieces) > 1
    assert all(piece.direction["emotion"] == {"sad": 0.5} for piece in pieces)
    assert sum(piece.direction["seconds"] for piece in pieces) == pytest.approx(20.0, abs=0.5)
