import pytest
from sqlalchemy import func

from farm import workers
from farm.db import Begin
from farm.errors import Forbidden, Rejected
from farm.protocol import PROTOCOL
from farm.tables import Worker, WorkerState
from farm.workers import Beat, can_serve, measured
from tests import builders


def test_a_secret_is_kept_as_a_hash_and_a_new_one_ends_the_old(begin: Begin) -> None:
    with begin() as session:
        first = workers.enrol(session, "w", "cpu", local=True)
        second = workers.enrol(session, "w", "cpu", local=True)
        assert workers.known(session, second).secret_hash != second
        with pytest.raises(Forbidden):
            workers.known(session, first)


def test_a_worker_of_another_protocol_is_refused_by_name(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session, "old-one")
        with pytest.raises(Rejected, match="old-one speaks protocol 0"):
            workers.beat(session, worker, Beat(WorkerState.READY, "preview", "f", 0, {}))


def test_a_worker_not_heard_of_is_not_counted_on(begin: Begin) -> None:
    with begin() as session:
        worker = builders.worker(session)
        assert workers.live(session) == [worker]
        worker.last_seen = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, workers.LOST_AFTER_S + 1)
        session.flush()
        assert workers.live(session) == []


@pytest.mark.parametrize("beat", ["ready", "busy", "asleep", "error"])
def test_whatever_a_worker_reports_is_what_it_is(begin: Begin, beat: str) -> None:
    with begin() as session:
        worker = builders.worker(session)
        workers.beat(session, worker, Beat(WorkerState(beat), "preview", "f", PROTOCOL, {}))
        session.refresh(worker)
        assert worker.state == beat


@pytest.mark.parametrize(
    ("gpu_class", "longest", "able"),
    [("12g", 100, True), ("12g", 130, False), ("24g", 100, True), ("8g", 100, False), ("cpu", 100, True)],
)
def test_no_card_is_given_segments_too_long_for_it(
    begin: Begin, gpu_class: str, longest: int, able: bool
) -> None:
    with begin() as session:
        project = builders.project(session)
        project.longest_segment = longest
        worker = builders.worker(session, gpu_class=gpu_class)
        assert can_serve(worker, project) is able
        worker.fingerprint = "other weights"
        assert not can_serve(worker, project)


def test_speed_is_a_moving_average() -> None:
    assert measured(None, 60, 10) == 6.0
    assert measured(6.0, 60, 5) == pytest.approx(7.8)
    assert measured(6.0, 60, 0) == 6.0


def test_a_worker_that_was_enrolled_again_has_yet_to_report(begin: Begin) -> None:
    with begin() as session:
        assert workers.has_reported(session, builders.worker(session).name)
        workers.enrol(session, "w1", "cpu", local=True)
        session.expire_all()
        assert not workers.has_reported(session, "w1")
        assert session.query(Worker).count() == 1
