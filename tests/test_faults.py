"""kill -9 of everything, in turn and at once: the book is finished, with the same audio."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from farm import oneshot, progress, projects
from farm.errors import FarmError
from farm.oneshot import Request
from farm.tables import Chapter, Job, Segment, Take
from tests.conftest import place
from tests.farms import Farm, eventually, farm_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENGINE = "simulated:speed=40,batch=4"
VICTIMS = ("redis", "api", "clock", "house", "render", "web", "postgres")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Six chapters, some ten minutes of audio, no sentence twice."""
    path = tmp_path / "book.txt"
    chapters = [
        f"Chapter {c}\n\n"
        + "\n\n".join(
            f"In chapter {c} the keeper of the lamp counted ship number {c * 100 + s} and wrote it down. "
            f"He had never seen one like it, he said, not in {s + 20} years of looking."
            for s in range(12)
        )
        for c in range(1, 7)
    ]
    path.write_text("\n\n".join(chapters))
    return path


def request_of(book: Path) -> Request:
    return Request((book,), engine="simulated")


def finished_audio(farm: Farm, book: Path, out: Path) -> str:
    """Follow the book to its end; the hash of the M4B."""
    (made,) = oneshot.render(farm.begin, farm.store, request_of(book), out, lambda project, now: None)
    return hashlib.sha256(made.read_bytes()).hexdigest()


def share_done(farm: Farm, project_id: int) -> float:
    try:
        with farm.begin() as session:
            return progress.of_projects(session, [projects.find(session, project_id)])[project_id].share
    except (FarmError, DBAPIError, AssertionError):
        return 0.0  # the database was the victim


def audit(farm: Farm) -> None:
    """The invariants: every segment done once, counters equal counts, every take exists, no lease is left."""
    with farm.begin() as session:
        states = dict(session.execute(select(Segment.state, func.count()).group_by(Segment.state)).all())
        assert set(states) == {"done"}
        counted = select(func.sum(Chapter.segments_done), func.sum(Chapter.segments))
        done, total = session.execute(counted).one()
        assert done == total == states["done"]
        missing = session.scalar(
            text(
                "SELECT count(*) FROM segments s LEFT JOIN takes t ON t.key = s.take_key WHERE t.key IS NULL"
            )
        )
        assert missing == 0
        for take in session.scalars(select(Take)):
            assert farm.store.head(take.object).size == take.size
        assert session.scalars(select(Job).where(Job.state.in_(["queued", "running"]))).all() == []


def test_whatever_is_killed_the_book_is_finished_with_the_same_audio(book: Path, tmp_path: Path) -> None:
    with place() as folder:
        with farm_up(folder / "calm", FARM_ENGINE=ENGINE) as calm:
            expected = finished_audio(calm, book, tmp_path / "calm.m4b")
        with farm_up(folder / "stormy", FARM_ENGINE=ENGINE) as farm:
            project_id = oneshot.asked_for(farm.begin, farm.store, request_of(book))
            eventually(lambda: started(farm, project_id, book))
            for at, victim in enumerate(VICTIMS):
                eventually(lambda at=at: share_done(farm, project_id) > 0.04 * at)
                farm.kill(victim)
            assert share_done(farm, project_id) < 1.0
            farm.kill_everything()
            farm.start()
            assert finished_audio(farm, book, tmp_path / "stormy.m4b") == expected
            audit(farm)


def started(farm: Farm, project_id: int, book: Path) -> bool:
    """Press start as soon as the book is read; whether that is done."""
    with farm.begin() as session:
        project = projects.find(session, project_id)
        if project.state == "review":
            oneshot.begin_work(session, project, request_of(book))
        return project.state == "running" or project.started_at is not None
