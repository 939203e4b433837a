import pytest
from sqlalchemy import func, select

from farm import progress
from farm.db import Begin
from farm.progress import Progress, verdict
from farm.tables import Chapter, Project, Worker
from tests import builders


def of(begin: Begin, project_id: int = 1) -> Progress:
    with begin() as session:
        return progress.of_projects(session, [session.get_one(Project, project_id)])[project_id]


@pytest.fixture
def book(begin: Begin) -> int:
    """A running project of two planned chapters of equal length, and a worker that makes 2 s in one."""
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "b"], position=0)
        builders.chapter(session, made, ["c", "d"], position=1)
        builders.worker(session, speed=2.0)
        return made.id


def test_what_is_spoken_counts_as_done(begin: Begin, book: int) -> None:
    with begin() as session:
        session.scalars(select(Chapter).order_by(Chapter.id)).first().length_done = 10  # type: ignore[union-attr]
    assert of(begin).share == pytest.approx(0.25)


def test_the_forecast_is_a_range_that_follows_the_workers_speed(begin: Begin, book: int) -> None:
    slow = of(begin)
    with begin() as session:
        session.scalars(select(Worker)).one().speed = 20.0
    fast = of(begin)
    assert slow.soonest_s is not None
    assert slow.latest_s is not None
    assert slow.soonest_s < slow.latest_s
    assert fast.latest_s is not None
    assert fast.latest_s < slow.latest_s


def test_without_a_worker_there_is_no_forecast_but_a_reason(begin: Begin, book: int) -> None:
    with begin() as session:
        session.scalars(select(Worker)).one().last_seen = func.now() - func.make_interval(0, 0, 0, 0, 0, 5)
    seen = of(begin)
    assert seen.soonest_s is None
    assert "engine preview" in str(seen.why)


def test_a_paused_project_says_so(begin: Begin) -> None:
    with begin() as session:
        builders.project(session, state="paused")
    assert "Paused" in str(of(begin).why)


def test_a_project_whose_last_chapters_are_held_needs_a_person(begin: Begin, book: int) -> None:
    with begin() as session:
        for chapter in session.scalars(select(Chapter)):
            chapter.segments_failed = 1
        session.execute(Chapter.__table__.update().values(state="held"))  # type: ignore[attr-defined]
    seen = of(begin)
    assert seen.failed == 2
    assert "Held" in str(seen.why)


def test_nothing_is_wrong_while_work_goes_on(begin: Begin, book: int) -> None:
    assert of(begin).why is None


def test_unticked_chapters_are_not_counted(begin: Begin, book: int) -> None:
    whole = of(begin).total_s
    with begin() as session:
        session.scalars(select(Chapter)).first().included = False  # type: ignore[union-attr]
    assert of(begin).total_s == pytest.approx(whole / 2)


@pytest.mark.parametrize(
    ("crew", "busy", "projects", "word"),
    [(0, 0, 1, "trouble"), (1, 1, 1, "working"), (1, 0, 1, "waiting"), (1, 0, 0, "idle")],
)
def test_the_farm_is_one_word(crew: int, busy: int, projects: int, word: str) -> None:
    assert verdict(crew, busy, projects)[0] == word
