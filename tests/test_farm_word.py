"""The farm in one word."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from farm import jobs, progress
from farm.db import Begin, now
from farm.messages import Message
from farm.progress import FarmWord
from farm.tables import JobKind, Worker
from tests import builders


def of(begin: Begin) -> FarmWord:
    with begin() as session:
        return progress.of_farm(session)


@pytest.fixture
def book(begin: Begin) -> int:
    with begin() as session:
        made = builders.project(session)
        builders.chapter(session, made, ["a", "b"])
        return made.id


def told(farm: FarmWord) -> str:
    return " ".join(map(str, farm.details))


def test_a_farm_without_workers_is_in_trouble(begin: Begin) -> None:
    assert of(begin).word == "trouble"
    assert "Start one." in str(of(begin).why)


def test_a_farm_without_projects_is_idle_also_with_its_machines_off(begin: Begin) -> None:
    with begin() as session:
        builders.worker(session)
    assert of(begin).word == "idle"
    with begin() as session:
        session.execute(update(Worker).values(last_seen=now - timedelta(days=2)))
    assert of(begin).word == "idle"
    assert "w1 has not been heard of" in told(of(begin))


def test_it_waits_until_a_job_is_under_way_and_then_it_works(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session)
    assert of(begin).word == "waiting"
    with begin() as session:
        job = jobs.write(session, JobKind.RENDER, book, queue="render.cpu")
        jobs.claim(session, job.id, job.token, jobs.Times())
        session.execute(update(Worker).values(state="busy"))
    working = of(begin)
    assert (working.word, working.workers, working.speed) == ("working", 1, 60.0)


def test_a_project_that_nobody_can_serve_is_trouble_by_name(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session).engine = "another"
    assert of(begin).word == "trouble"
    assert str(of(begin).why).startswith("A book: Needs a worker with the simulated engine")


def test_a_lost_worker_is_trouble_only_where_it_is_missed(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session)
        builders.worker(session, "w2").last_seen = now - timedelta(minutes=5)
    assert of(begin).word == "waiting"
    assert "w2 has not been heard of" in told(of(begin))
    with begin() as session:
        session.execute(update(Worker).values(last_seen=now - timedelta(minutes=5)))
    assert of(begin).word == "trouble"


def test_a_worker_on_hold_is_trouble_while_there_is_work_for_it(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session)
        builders.worker(session, "w2").hold = Message("It failed 3 times.").to_json()
    assert of(begin).word == "trouble"
    assert str(of(begin).why) == "w2 is on hold: It failed 3 times."
    with begin() as session:
        session.execute(update(Worker).where(Worker.name == "w2").values(engine="another"))
    assert of(begin).word == "waiting"
    assert "on hold" in told(of(begin))


def test_all_asleep_is_no_trouble(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session)
        session.execute(update(Worker).values(desired="sleep", state="asleep"))
    asleep = of(begin)
    assert asleep.word == "asleep"
    assert str(asleep.why) == "w1 is asleep."


def test_a_store_that_takes_nothing_is_told_and_nonsense_is_not_believed(begin: Begin) -> None:
    with begin() as session:
        builders.worker(session).facts = {"spooled_mib": 12.4}
        builders.worker(session, "w2").facts = {"spooled_mib": "lots"}
        builders.worker(session, "w3").facts = {"spooled_mib": 1e300}
    assert "Workers that keep it meanwhile: 1, with 12 MiB." in told(of(begin))
