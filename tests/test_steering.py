"""What a person wants of a worker is done at once, and costs no segment an attempt."""

from datetime import timedelta

import psycopg
import pytest

from farm import broker, jobs, steering, workers
from farm.db import Begin, now, plain
from farm.embedded import Servers
from farm.errors import Conflict, Forbidden, NotFound, Rejected
from farm.messages import Message
from farm.protocol import direct_queue
from farm.tables import Desired, Job, JobKind, Segment, Worker
from tests import builders


@pytest.fixture
def worker_id(begin: Begin) -> int:
    """A worker that speaks two segments, and for which a third one waits in its own queue."""
    with begin() as session:
        worker = builders.worker(session)
        book = builders.project(session)
        builders.chapter(session, book, ["a", "b", "c"])
        running = jobs.write(session, JobKind.RENDER, book.id, queue="render.cpu")
        waiting = jobs.write(session, JobKind.RENDER, book.id, queue=direct_queue(worker.name))
        for segment, job in zip(session.query(Segment), (running, running, waiting), strict=True):
            segment.state, segment.job_id = "leased", job.id
        jobs.claim(session, running.id, running.token, jobs.Times(), worker.id)
        return worker.id


def states(begin: Begin) -> tuple[list[str], list[str]]:
    """Of the two jobs and the three segments."""
    with begin() as session:
        segments = session.query(Segment).order_by(Segment.id)
        assert {segment.attempts for segment in segments} == {0}
        return [job.state for job in session.query(Job).order_by(Job.id)], [one.state for one in segments]


def be_away(begin: Begin, worker_id: int, seconds: float = 60) -> None:
    with begin() as session:
        workers.find(session, worker_id).last_seen = now - timedelta(seconds=seconds)


ALL_BACK = (["recalled", "recalled"], ["ready", "ready", "ready"])


def test_revoking_ends_secret_password_and_leases(begin: Begin, worker_id: int) -> None:
    with begin() as session:
        secret = workers.enrol(session, "w1", "cpu", local=True)
        steering.revoke(session, worker_id)
        with pytest.raises(Forbidden):
            workers.known(session, secret)
        worker = workers.find(session, worker_id)
        assert (worker.desired, worker.broker_hash) == ("revoked", "")
        assert not broker.may_enter(worker)
        assert workers.live(session) == []
    assert states(begin) == ALL_BACK


@pytest.mark.parametrize("step", ["revoke", "forget", "describe"])
def test_the_clock_hears_that_the_brokers_users_must_change(
    begin: Begin, servers: Servers, worker_id: int, step: str
) -> None:
    be_away(begin, worker_id)
    with psycopg.connect(plain(servers.database_url), autocommit=True) as connection:
        connection.execute(f"LISTEN {jobs.CLOCK}")
        with begin() as session:
            getattr(steering, step)(session, worker_id)
        assert any(note.payload == broker.NEWS for note in connection.notifies(timeout=20))


@pytest.mark.parametrize("desired", ["drain", "sleep", "maintenance", "stop"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_wish_leaves_the_worker_what_it_speaks(
    begin: Begin, worker_id: int, desired: str, at_once: bool
) -> None:
    with begin() as session:
        steering.wish(session, worker_id, Desired(desired), at_once=at_once)
        worker = workers.find(session, worker_id)
        assert workers.wanted_now(session, worker) == (desired, at_once, None)
    assert states(begin) == (["running", "recalled"], ["leased", "leased", "ready"])


def test_of_a_lost_worker_everything_is_put_back(begin: Begin, worker_id: int) -> None:
    be_away(begin, worker_id)
    with begin() as session:
        steering.wish(session, worker_id, Desired.STOP, at_once=False)
    assert states(begin) == ALL_BACK


def test_a_worker_that_is_to_run_keeps_all(begin: Begin, worker_id: int) -> None:
    with begin() as session:
        steering.wish(session, worker_id, Desired.RUN, at_once=True)
        assert workers.wanted_now(session, workers.find(session, worker_id)) == ("run", False, None)
    assert states(begin) == (["running", "queued"], ["leased"] * 3)


def test_wishing_for_revoked_revokes_and_nothing_but_joining_undoes_it(begin: Begin, worker_id: int) -> None:
    with begin() as session:
        steering.wish(session, worker_id, Desired.REVOKED, at_once=False)
        for undo in (
            lambda: steering.wish(session, worker_id, Desired.RUN, at_once=False),
            lambda: steering.approve(session, worker_id),
            lambda: steering.release(session, worker_id),
        ):
            with pytest.raises(Conflict, match="w1 was revoked"):
                undo()
    assert states(begin) == ALL_BACK


def test_a_held_worker_that_is_released_works_with_a_clean_slate(begin: Begin, worker_id: int) -> None:
    with begin() as session:
        worker = workers.find(session, worker_id)
        worker.hold, worker.strikes = Message("It failed three segments.").to_json(), [1, 2, 3]
        session.flush()
        assert workers.live(session) == []
        steering.release(session, worker_id)
    with begin() as session:
        worker = workers.find(session, worker_id)
        assert (worker.hold, worker.strikes) == (None, [])
        assert [live.id for live in workers.live(session)] == [worker_id]


def test_only_a_worker_that_is_gone_is_forgotten(begin: Begin, worker_id: int) -> None:
    with begin() as session, pytest.raises(Conflict, match="Revoke it first"):
        steering.forget(session, worker_id)
    be_away(begin, worker_id)
    with begin() as session:
        steering.forget(session, worker_id)
        assert session.query(Worker).count() == 0
    assert states(begin) == ALL_BACK


def test_a_worker_that_leaves_is_revoked_and_an_ephemeral_one_forgotten(begin: Begin, worker_id: int) -> None:
    with begin() as session:
        passing = builders.worker(session, "passing")
        passing.ephemeral = True
        session.flush()
        steering.leave(session, worker_id)
        steering.leave(session, passing.id)
        (left,) = session.query(Worker)
        assert (left.name, left.desired) == ("w1", "revoked")
    assert states(begin) == ALL_BACK


def test_ephemeral_workers_that_stay_away_are_forgotten_and_no_others(begin: Begin) -> None:
    with begin() as session:
        for name, ephemeral in (("kept", False), ("near", True), ("away", True), ("never-spoke", True)):
            builders.worker(session, name).ephemeral = ephemeral
        for name, minutes in (("kept", 40), ("near", 20), ("away", 40)):
            session.query(Worker).filter_by(name=name).one().last_seen = now - timedelta(minutes=minutes)
        silent = session.query(Worker).filter_by(name="never-spoke").one()
        silent.last_seen, silent.created_at = None, now - timedelta(minutes=40)
        session.flush()
        assert steering.forget_away(session) == ["away", "never-spoke"]
        assert steering.forget_away(session) == []
        assert {worker.name for worker in workers.everyone(session)} == {"kept", "near"}


def test_what_is_given_of_a_worker_can_be_changed_one_by_one(begin: Begin, worker_id: int) -> None:
    hours = {"zone": "UTC", "hours": {"mon": [["22:00", "07:00"]]}}
    with begin() as session:
        book = builders.project(session).id
        steering.describe(session, worker_id, tags=["b", "a"], projects=[book])
        steering.describe(session, worker_id, schedule=hours)
        steering.describe(session, worker_id, gpu_class="12g")
    with begin() as session:
        worker = workers.find(session, worker_id)
        assert (worker.tags, worker.projects, worker.schedule) == (["a", "b"], [book], hours)
        assert worker.gpu_class == "12g"
        steering.describe(session, worker_id, tags=[], projects=[], schedule={})
        worker = workers.find(session, worker_id)
        assert (worker.tags, worker.projects, worker.schedule) == ([], [], {})
        with pytest.raises(NotFound, match="no project 99"):
            steering.describe(session, worker_id, projects=[99])
        for wrong in ({"gpu_class": "13g"}, {"tags": ["a b"]}, {"schedule": {"zone": "UTC"}}):
            with pytest.raises(Rejected):
                steering.describe(session, worker_id, **wrong)  # type: ignore[arg-type]


def test_a_worker_that_is_not_there_is_not_found(begin: Begin) -> None:
    with begin() as session:
        for step in (steering.approve, steering.release, steering.revoke, steering.forget, steering.leave):
            with pytest.raises(NotFound, match="no worker 7"):
                step(session, 7)
