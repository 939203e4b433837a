"""A sentence is spoken with a voice before a book is: soon, seen in no list, and forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from farm import projects, recordings, samples, uses
from farm.db import Begin
from farm.errors import Conflict, NotFound, Rejected
from farm.samples import DONE, FAILED, WAITING
from farm.storage import Store
from farm.sweep import sweep_orphans
from farm.tables import Job, Project, Segment, Take
from tests import builders
from tests.test_house import speak_everything, work_off
from tests.voicing import recorded

TEXT = "他说今天要回家吃饭。"


@pytest.fixture
def mother(begin: Begin, store: Store) -> int:
    """A voice, and a worker that takes no work now: the tests speak in its place."""
    with begin() as session:
        builders.worker(session).last_seen = func.now() - timedelta(hours=1)
    return recorded(begin, store)


def ask(begin: Begin, voice: int, text: str = TEXT, engine: str = "") -> None:
    with begin() as session:
        samples.ask(session, voice, text, engine)


def state(begin: Begin, voice: int) -> str:
    with begin() as session:
        return samples.latest(session, voice).state


def test_a_sentence_is_spoken_and_mastered_as_a_book_is(begin: Begin, store: Store, mother: int) -> None:
    ask(begin, mother)
    assert state(begin, mother) == WAITING
    work_off(begin, store)
    with begin() as session:
        segment = session.scalars(select(Segment)).one()
        assert (segment.display, segment.language) == (TEXT, "zh")
    speak_everything(begin, store)
    work_off(begin, store)
    assert state(begin, mother) == DONE
    with begin() as session:
        sample = samples.latest(session, mother)
        assert store.head(sample.audio).size > 1000
        assert sample.chapter.seconds
        assert session.scalars(select(Project.state)).one() == "finished"
        assert not session.scalars(select(Job.kind).where(Job.kind == "publish")).all()


def test_it_goes_before_whatever_else_is_spoken(begin: Begin, store: Store, mother: int) -> None:
    with begin() as session:
        builders.worker(session, "awake")
        builders.chapter(session, builders.project(session, priority=90), ["a", "b"])
    ask(begin, mother)
    work_off(begin, store)
    with begin() as session:
        render = select(Job).where(Job.kind == "render", Job.state == "queued").order_by(Job.id)
        first = session.scalars(render).first()
        assert first is not None
        assert session.get_one(Project, first.project_id).kind == "sample"


def test_the_same_sentence_is_spoken_once(begin: Begin, store: Store, mother: int) -> None:
    for _ in range(2):
        ask(begin, mother)
        work_off(begin, store)
        speak_everything(begin, store)
        work_off(begin, store)
        assert state(begin, mother) == DONE
    with begin() as session:
        assert session.scalars(select(func.count()).select_from(Take)).one() == 1
        assert session.scalars(select(func.count()).select_from(Project)).one() == 1


def test_it_is_in_no_list_and_no_use_of_the_voice(begin: Begin, mother: int) -> None:
    ask(begin, mother)
    with begin() as session:
        assert projects.listed(session) == []
        assert projects.counts(session) == {}
        assert uses.of_recordings(session) == {}
        recordings.remove(session, mother)


def test_it_is_forgotten_after_a_while(begin: Begin, store: Store, mother: int) -> None:
    ask(begin, mother)
    sweep_orphans(begin, store, after_s=3600)
    assert state(begin, mother) == WAITING
    sweep_orphans(begin, store, after_s=0)
    with begin() as session, pytest.raises(NotFound):
        samples.latest(session, mother)


def test_why_it_failed_is_told(begin: Begin, store: Store, mother: int) -> None:
    ask(begin, mother)
    work_off(begin, store)
    with begin() as session:
        segment = session.scalars(select(Segment)).one()
        segment.state, segment.failure = "failed", {"template": "mute", "values": {}}
        chapter = samples.latest(session, mother).chapter
        chapter.state, chapter.segments_failed = "held", 1
    with begin() as session:
        sample = samples.latest(session, mother)
        assert (sample.state, str(sample.why)) == (FAILED, "mute")
        with pytest.raises(NotFound):
            _ = sample.audio


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 201])
def test_a_sample_is_a_sentence(begin: Begin, mother: int, text: str) -> None:
    with pytest.raises(Rejected, match="a sentence of 1 to 200"):
        ask(begin, mother, text)


def test_nobody_is_heard_who_has_not_agreed(begin: Begin, store: Store) -> None:
    with pytest.raises(Rejected, match="not to be used yet"):
        ask(begin, recorded(begin, store, agreed=""))


def test_a_farm_whose_workers_cannot_clone_says_what_to_add(begin: Begin, store: Store) -> None:
    with begin() as session:
        builders.worker(session, engine="preview")
    voice = recorded(begin, store)
    with pytest.raises(Conflict, match=r"No worker here speaks with recordings yet.*IndexTTS-2"):
        ask(begin, voice)
    with pytest.raises(Rejected, match="preset voices only"):
        ask(begin, voice, engine="preview")
