import hashlib
import io
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import func, select

from farm import claiming, jobs, rendering, states, takes
from farm.audio.flac import write_flac
from farm.db import Begin
from farm.dispatch import Plan, tick
from farm.engine import Audio
from farm.errors import LeaseLost
from farm.jobs import Times
from farm.messages import Message
from farm.rendering import Result, Spoken, Unspoken
from farm.storage import Store
from farm.tables import Chapter, Job, JobKind, Project, Segment, Take, Worker
from tests import builders

TIMES = Times()
PLAN = Plan(TIMES, batch_s=30, house_depth=4)
Doorbell = tuple[str, int, str]


def ring(begin: Begin) -> list[Doorbell]:
    """One tick of the clock; the doorbells it rang."""
    rung: list[Doorbell] = []
    tick(begin, lambda queue, job, token: rung.append((queue, job, token)), PLAN)
    return rung


def claimed(begin: Begin, message: Doorbell) -> tuple[int, str, list[int]]:
    _, job_id, token = message
    with begin() as session:
        worker = session.scalars(select(Worker).order_by(Worker.id)).first()
        assert worker is not None
        job = claiming.claim(session, worker, job_id, token, TIMES, 30)
        assert isinstance(job, Job)
        return job.id, job.token, [segment["id"] for segment in claiming.work(session, job)["segments"]]


def speech(seconds: float = 2.2) -> bytes:
    time = np.arange(int(22050 * seconds)) / 22050
    content = io.BytesIO()
    write_flac(content, Audio((0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32), 22050))
    return content.getvalue()


def accept(
    begin: Begin, store: Store, job_id: int, token: str, results: Sequence[Result], *, last: bool = False
) -> list[int]:
    """As the worker API does it."""
    with begin() as session:
        delivery = rendering.delivered(session, jobs.hold(session, job_id, token), results)
    return rendering.accept(begin, store, delivery, last=last)


def uploaded(
    begin: Begin, store: Store, job_id: int, segments: Sequence[int], content: bytes
) -> list[Spoken]:
    with begin() as session:
        for segment in session.scalars(select(Segment).where(Segment.id.in_(segments))):
            store.put(takes.object_name(segment.take_key or "", job_id), content)
    sha256 = hashlib.sha256(content).hexdigest()
    return [Spoken(segment, len(content), sha256, 2.2, 0.1, 0) for segment in segments]


def state_counts(begin: Begin) -> dict[str, int]:
    with begin() as session:
        return dict(session.execute(select(Segment.state, func.count()).group_by(Segment.state)).all())


@pytest.fixture
def book(begin: Begin) -> int:
    """A running project of one chapter with four segments, and a worker."""
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "b", "c", "d"])
        builders.worker(session)
        return made.id


def test_a_chapter_is_dispatched_spoken_accepted_and_sent_to_mastering(
    begin: Begin, store: Store, book: int
) -> None:
    (message,) = ring(begin)
    assert message[0] == "render.cpu"
    job, token, segments = claimed(begin, message)
    done = accept(begin, store, job, token, uploaded(begin, store, job, segments, speech()), last=True)
    assert done == segments
    with begin() as session:
        chapter = session.scalars(select(Chapter)).one()
        assert (chapter.state, chapter.segments_done, chapter.length_done) == ("mastering", 4, 40.0)
        assert session.scalars(select(Job.kind).where(Job.state == "queued")).all() == ["master"]
        assert session.get_one(Job, job).state == "done"


def test_a_doubled_message_is_dropped(begin: Begin, book: int) -> None:
    (message,) = ring(begin)
    claimed(begin, message)
    with begin() as session:
        worker = session.scalars(select(Worker)).one()
        refused = claiming.claim(session, worker, message[1], message[2], TIMES, 30)
        assert isinstance(refused, Message)


def test_the_work_of_a_dead_worker_goes_back_to_the_pool(begin: Begin, store: Store, book: int) -> None:
    job, token, segments = claimed(begin, ring(begin)[0])
    with begin() as session:
        session.get_one(Job, job).lease_until = func.now()  # the lease ran out
        session.get_one(Job, job).in_hand = segments[:1]
    again = ring(begin)
    with begin() as session:
        attempts = dict(session.execute(select(Segment.id, Segment.attempts)).all())
    assert attempts == {segment: int(segment == segments[0]) for segment in segments}  # only what was in hand
    assert again
    assert again[0][2] != token
    with pytest.raises(LeaseLost):
        accept(begin, store, job, token, uploaded(begin, store, job, segments, speech()))


def test_a_claim_whose_answer_was_lost_blames_nobody(begin: Begin, book: int) -> None:
    job, _, _ = claimed(begin, ring(begin)[0])
    with begin() as session:
        session.get_one(Job, job).lease_until = func.now()  # the worker never heard that the job is its own
    assert ring(begin)
    with begin() as session:
        assert session.get_one(Job, job).state == "expired"
        assert session.scalars(select(Segment.attempts).distinct()).all() == [0]
        assert session.scalars(select(Worker.strikes)).one() == []


def test_a_message_that_got_lost_is_sent_again_and_counts_no_attempt(begin: Begin, book: int) -> None:
    (first,) = ring(begin)
    with begin() as session:
        session.get_one(Job, first[1]).published_at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 61)
    (second,) = ring(begin)
    assert first[1:] != second[1:]
    with begin() as session:
        assert session.get_one(Job, first[1]).state == "expired"
        assert session.scalars(select(Segment.attempts).distinct()).all() == [0]


def test_an_upload_that_is_not_what_was_said_fails_that_segment_alone(
    begin: Begin, store: Store, book: int
) -> None:
    job, token, segments = claimed(begin, ring(begin)[0])
    results = uploaded(begin, store, job, segments, speech())
    forged = Spoken(segments[0], results[0].size, "0" * 64, 2.2, 0.1, 0)
    assert accept(begin, store, job, token, [forged, *results[1:]], last=True) == segments[1:]
    assert state_counts(begin) == {"ready": 1, "done": 3}


def test_silence_is_not_speech(begin: Begin, store: Store, book: int) -> None:
    content = io.BytesIO()
    write_flac(content, Audio(np.zeros(48510, np.float32), 22050))
    job, token, segments = claimed(begin, ring(begin)[0])
    results = uploaded(begin, store, job, segments, content.getvalue())
    assert accept(begin, store, job, token, results) == []


def test_words_that_cannot_be_spoken_hold_the_chapter_with_their_reason(
    begin: Begin, store: Store, book: int
) -> None:
    job, token, segments = claimed(begin, ring(begin)[0])
    good = uploaded(begin, store, job, segments[1:], speech())
    accept(begin, store, job, token, [Unspoken(segments[0], "text", "no such sound"), *good], last=True)
    with begin() as session:
        assert session.scalars(select(Chapter.state)).one() == "held"
        failed = session.scalars(select(Segment).where(Segment.state == "failed")).one()
        assert failed.failure is not None
        assert failed.failure["values"]["reason"] == "no such sound"


def test_four_attempts_fail_a_segment_and_the_last_is_alone(begin: Begin, store: Store, book: int) -> None:
    sizes = []
    for _ in range(jobs.MOST_ATTEMPTS):
        job, token, segments = claimed(begin, ring(begin)[0])
        sizes.append(len(segments))
        poison = min(segments)
        rest = uploaded(begin, store, job, [s for s in segments if s != poison], speech())
        accept(begin, store, job, token, [Unspoken(poison, "engine", "broke"), *rest], last=True)
    assert sizes[-1] == 1
    assert state_counts(begin) == {"done": 3, "failed": 1}


def test_what_was_spoken_once_is_never_spoken_again(begin: Begin, store: Store, book: int) -> None:
    job, token, segments = claimed(begin, ring(begin)[0])
    accept(begin, store, job, token, uploaded(begin, store, job, segments, speech()), last=True)
    with begin() as session:
        other = builders.project(session, title="The same words elsewhere")
        builders.chapter(session, other, ["a", "b"])
    messages = ring(begin)
    assert [queue for queue, _, _ in messages] == ["house", "house"]  # both chapters go straight to mastering
    assert state_counts(begin) == {"done": 6}


def test_a_phrase_said_twice_in_a_book_is_rendered_once(begin: Begin, store: Store) -> None:
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "a", "b"])
        builders.worker(session)
    job, token, segments = claimed(begin, ring(begin)[0])
    assert len(segments) == 2
    accept(begin, store, job, token, uploaded(begin, store, job, segments, speech()), last=True)
    assert state_counts(begin) == {"done": 3}


def test_a_result_delivered_twice_changes_nothing(begin: Begin, store: Store, book: int) -> None:
    job, token, segments = claimed(begin, ring(begin)[0])
    results = uploaded(begin, store, job, segments[:2], speech())
    accept(begin, store, job, token, results)
    accept(begin, store, job, token, results)
    with begin() as session:
        assert session.scalars(select(Chapter.segments_done)).one() == 2
        assert session.scalars(select(func.count()).select_from(Take)).one() == 2


def test_a_paused_project_gives_no_work_to_a_late_claim(begin: Begin, book: int) -> None:
    (message,) = ring(begin)
    with begin() as session:
        states.move(session, Project, Project.id == book, "running", "paused")
        worker = session.scalars(select(Worker)).one()
        refused = claiming.claim(session, worker, message[1], message[2], TIMES, 30)
        assert isinstance(refused, Message)
    assert state_counts(begin) == {"ready": 4}


def test_a_worker_with_other_weights_is_not_given_the_project(begin: Begin) -> None:
    with begin() as session:
        made = builders.project(session)
        made.pin = {"fingerprint": "other", "precision": "fp32"}
        builders.chapter(session, made, ["a"])
        builders.worker(session)
    assert ring(begin) == []


def test_the_claimer_keeps_what_it_can_speak_in_a_batch_and_gives_back_the_rest(begin: Begin) -> None:
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, [f"k{n}" for n in range(100)])
        builders.worker(session, speed=60.0)
    (message, *_) = ring(begin)
    with begin() as session:
        session.scalars(select(Worker)).one().speed = 1.0
    _, _, segments = claimed(begin, message)
    assert len(segments) == 13  # 30 s at realtime, 2.2 s each


def test_an_innocent_segment_is_not_failed_for_the_company_it_was_lost_in(begin: Begin, book: int) -> None:
    """Three workers died of its neighbour; alone, it is spoken."""
    with begin() as session:
        for worker in [builders.worker(session, f"w{n}") for n in (2, 3, 4)]:
            job = jobs.write(session, JobKind.RENDER, book, queue="render.cpu")
            states.move(session, Segment, Segment.project_id == book, "ready", "leased", job_id=job.id)
            session.refresh(job)
            claimed = jobs.claim(session, job.id, job.token, TIMES, worker.id)
            assert claimed is not None
            claimed.in_hand = list(session.scalars(select(Segment.id)))
            session.flush()
            rendering.lose(session, claimed)
        tried = session.execute(select(Segment.state, Segment.attempts, func.cardinality(Segment.failed_by)))
        assert set(tried) == {("ready", 3, 3)}
