from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func

from farm import workers
from farm.db import Begin
from farm.errors import Forbidden, Rejected
from farm.messages import Message
from farm.protocol import OLDEST, PROTOCOL
from farm.schedule import DAYS
from farm.tables import Desired, Worker, WorkerState
from farm.workers import Beat, checked_tags, measured, wanted, word
from tests import builders

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
NIGHTS = {"zone": "UTC", "hours": {"mon": [["22:00", "07:00"]]}}


def seen(**values: Any) -> Worker:
    """A worker that is ready, and was heard of a second ago."""
    usual = {
        "name": "w",
        "state": "ready",
        "desired": "run",
        "at_once": False,
        "approved": True,
        "schedule": {},
        "protocol": PROTOCOL,
        "last_seen": AT - timedelta(seconds=1),
    }
    return Worker(**{**usual, **values})


def test_a_secret_is_kept_as_a_hash_and_a_new_one_ends_the_old(begin: Begin) -> None:
    with begin() as session:
        first = workers.enrol(session, "w", "cpu", local=True)
        second = workers.enrol(session, "w", "cpu", local=True)
        assert workers.known(session, second).secret_hash != second
        with pytest.raises(Forbidden):
            workers.known(session, first)


def test_the_brokers_password_is_kept_as_a_hash_and_a_new_one_ends_the_old(begin: Begin) -> None:
    with begin() as session:
        first = workers.enrol_with_broker(session, "w", "cpu", local=True)
        second = workers.enrol_with_broker(session, "w", "cpu", local=True)
        kept = workers.find(session, second.worker_id).broker_hash
        assert first.worker_id == second.worker_id
        assert kept == workers.hash_of(second.broker_password) != workers.hash_of(first.broker_password)


@pytest.mark.parametrize("name", ["", "W", "a b", "a*", "?", "-a", "a\n", "x" * 41, "ä", "a.b"])
def test_a_name_that_would_open_other_workers_queues_is_refused(begin: Begin, name: str) -> None:
    with begin() as session, pytest.raises(Rejected, match="A worker cannot be called"):
        workers.enrol(session, name, "cpu", local=True)


def test_a_stopped_worker_that_is_started_again_runs(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session)
        for desired, after in (("stop", "run"), ("sleep", "sleep"), ("revoked", "revoked")):
            worker.desired = desired
            session.flush()
            workers.enrol(session, worker.name, "cpu", local=True)
            session.refresh(worker)
            assert worker.desired == after


def test_a_worker_of_another_protocol_is_noted_and_refused_by_name(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session, "old-one")
        desired, _, why = workers.beat(session, worker, Beat(WorkerState.READY, "preview", "f", 9, {}))
        assert (desired, worker.protocol) == ("drain", 9)
        assert f"old-one speaks protocol 9; this farm understands {OLDEST} to {PROTOCOL}" in str(why)
        assert workers.live(session) == []
        with pytest.raises(Rejected, match="old-one speaks protocol 9"):
            workers.understood(worker)


@pytest.mark.parametrize("protocol", range(OLDEST, PROTOCOL + 1))
def test_the_last_two_protocols_work_together(begin: Begin, protocol: int) -> None:
    with begin() as session:
        worker = builders.worker(session)
        report = Beat(WorkerState.READY, "preview", "f", protocol, {})
        assert workers.beat(session, worker, report) == ("run", False, None)
        workers.understood(worker)


def test_a_worker_not_heard_of_is_not_counted_on(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session)
        assert workers.live(session) == [worker]
        worker.last_seen = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, workers.LOST_AFTER_S + 1)
        session.flush()
        assert workers.live(session) == []


@pytest.mark.parametrize(
    "kept_back",
    [
        {"desired": "drain"},
        {"approved": False},
        {"hold": Message("It failed three segments.").to_json()},
        {"protocol": PROTOCOL + 1},
    ],
)
def test_a_worker_that_is_not_to_run_gets_no_work(begin: Begin, kept_back: dict[str, Any]) -> None:
    with begin() as session:
        worker = builders.worker(session)
        for name, value in kept_back.items():
            setattr(worker, name, value)
        session.flush()
        assert workers.live(session) == []


def test_a_worker_gets_no_work_outside_of_its_hours(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session)
        (today,) = session.execute(func.to_char(func.timezone("UTC", func.now()), "dy")).one()
        everyday = {day: [["00:00", "24:00"]] for day in DAYS}
        worker.schedule = {"zone": "UTC", "hours": everyday}
        session.flush()
        assert workers.live(session) == [worker]
        far = DAYS[(DAYS.index(today) + 3) % 7]
        worker.schedule = {"zone": "UTC", "hours": {far: everyday[far]}}
        session.flush()
        assert workers.live(session) == []


def test_a_persons_wish_goes_before_what_else_keeps_a_worker_from_work() -> None:
    hold = Message("It failed three segments.").to_json()
    outside = {"schedule": NIGHTS}
    assert wanted(seen(), AT) == ("run", False, None)
    assert wanted(seen(desired="stop", at_once=True, hold=hold), AT) == ("stop", True, None)
    assert wanted(seen(hold=hold, **outside), AT)[::2] == ("drain", Message("It failed three segments."))
    assert wanted(seen(approved=False, hold=hold), AT)[2] == Message("It waits until a person lets it in.")
    assert wanted(seen(**outside), AT)[0] == "sleep"
    assert wanted(seen(**outside), AT + timedelta(hours=11))[0] == "run"
    assert wanted(seen(desired="drain", **outside), AT + timedelta(hours=11))[0] == "drain"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "ready"),
        ({"state": "busy"}, "working"),
        ({"state": "error"}, "error"),
        ({"protocol": 99}, "error"),
        ({"state": "enrolled"}, "joining"),
        ({"last_seen": None}, "joining"),
        ({"approved": False}, "waiting"),
        ({"hold": {"template": "x", "values": {}}}, "held"),
        ({"desired": "drain", "state": "busy"}, "draining"),
        ({"desired": "drain"}, "drained"),
        ({"desired": "sleep", "state": "busy"}, "draining"),
        ({"desired": "sleep"}, "asleep"),
        ({"desired": "sleep", "state": "asleep"}, "asleep"),
        ({"state": "asleep"}, "asleep"),
        ({"schedule": NIGHTS}, "asleep"),
        ({"desired": "maintenance", "state": "asleep"}, "maintenance"),
        ({"desired": "stop", "state": "busy"}, "stopping"),
        ({"desired": "stop"}, "stopping"),
        ({"desired": "stop", "last_seen": AT - timedelta(minutes=1)}, "stopped"),
        ({"desired": "maintenance", "last_seen": AT - timedelta(minutes=1)}, "maintenance"),
        ({"last_seen": AT - timedelta(minutes=1)}, "lost"),
        ({"last_seen": AT - timedelta(minutes=1), "approved": False}, "lost"),
        ({"desired": "revoked"}, "revoked"),
        ({"desired": "revoked", "last_seen": None}, "revoked"),
    ],
)
def test_a_worker_is_told_in_one_word(values: dict[str, Any], expected: str) -> None:
    assert word(seen(**values), AT) == expected


def test_there_is_a_word_for_every_wish_and_report() -> None:
    for desired in Desired:
        for state in WorkerState:
            for last_seen in (None, AT, AT - timedelta(days=1)):
                assert word(seen(desired=desired, state=state, last_seen=last_seen), AT)


@pytest.mark.parametrize("state", WorkerState)
def test_whatever_a_worker_reports_is_what_it_is(begin: Begin, state: WorkerState) -> None:
    with begin() as session:
        worker = builders.worker(session)
        workers.beat(session, worker, Beat(state, "preview", "f", PROTOCOL, {}, "abc"), "10.0.0.7")
        session.refresh(worker)
        assert (worker.state, worker.version, worker.address) == (state, "abc", "10.0.0.7")


def test_speed_is_a_moving_average() -> None:
    assert measured(None, 60, 10) == 6.0
    assert measured(6.0, 60, 5) == pytest.approx(7.8)
    assert measured(6.0, 60, 0) == 6.0


def test_a_benchmark_is_a_workers_speed_until_it_has_worked(begin: Begin) -> None:
    with begin() as session:
        fresh = builders.worker(session, "fresh", speed=None)
        workers.benchmarked(session, fresh, 5.5, 8, 5400.0)
        assert (fresh.speed, fresh.benchmark) == (5.5, 5.5)
        assert fresh.profile == {"batch": 8, "peak_mib": 5400.0}
        tried = builders.worker(session, "tried", speed=3.0)
        workers.benchmarked(session, tried, 1e30, 8, 5400.0)
        assert (tried.speed, tried.benchmark) == (3.0, workers.FASTEST)


def test_a_worker_that_was_enrolled_again_has_yet_to_report(begin: Begin) -> None:
    with begin() as session:
        assert workers.has_reported(session, builders.worker(session).name)
        workers.enrol(session, "w1", "cpu", local=True)
        session.expire_all()
        assert not workers.has_reported(session, "w1")
        assert session.query(Worker).count() == 1


def test_tags_are_few_words_each_once() -> None:
    assert checked_tags(["attic", "Büro_2", "attic"]) == ["Büro_2", "attic"]
    for wrong in (["a b"], [""], ["a,b"], ["x" * 41], ["a\n"], [str(n) for n in range(21)]):
        with pytest.raises(Rejected, match="Tags are at most 20 words"):
            checked_tags(wrong)
