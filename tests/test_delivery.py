"""What an engine spoke reaches the book, whatever the store, the farm or the process before did meanwhile."""

import math
import resource
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

import models
from dashboard.belongings import Belongings
from farm.db import Begin
from farm.embedded import Servers
from farm.engine import Direction, Utterance
from farm.settings import Settings
from farm.tables import Job, Segment, Take, Worker
from models.simulated import Simulated
from tasks.client import FarmClient, Orders
from tasks.delivery import MOST_TOGETHER, Delivery
from tasks.speaking import Speaker, speak_job, utterance
from tasks.spool import MIB, NoRoom, Result, SpooledJob
from tasks.writing import Writing
from tests import speech
from tests.farms import eventually
from tests.speech import Door

KEPT = 64 * MIB


@dataclass
class Scene:
    """A farm with one worker, whose spool is `root`."""

    begin: Begin
    door: Door
    client: FarmClient
    root: Path

    def delivery(self, limit: int = KEPT) -> Delivery:
        made = Delivery(self.client, self.root, limit, heed=self.heard.append)
        made.start()
        self.deliveries.append(made)
        return made

    def job(self, project: int, segments: int) -> tuple[int, str]:
        with self.begin() as session:
            return speech.job(session, session.get_one(speech.Project, project), segments)

    def book(self, segments: int) -> int:
        with self.begin() as session:
            return speech.book(session, segments).id

    def states(self) -> dict[str, int]:
        with self.begin() as session:
            counted = select(Segment.state, func.count()).group_by(Segment.state)
            return dict(session.execute(counted).all())  # type: ignore[arg-type]

    def job_state(self, job_id: int) -> str:
        with self.begin() as session:
            return session.get_one(Job, job_id).state

    def __post_init__(self) -> None:
        self.heard: list[Orders] = []
        self.deliveries: list[Delivery] = []


@pytest.fixture
def scene(servers: Servers, begin: Begin, tmp_path: Path) -> Iterator[Scene]:
    settings = Settings(
        home=tmp_path / "home",
        database_url=servers.database_url,
        store_url=str(tmp_path / "store"),
        secret="a secret for tests",
        renew_s=0.2,
    )
    with begin() as session:
        secret = speech.enrolled(session)
    with speech.open_door(replace(Belongings.of(settings), begin=begin)) as (door, address):
        made = Scene(begin, door, FarmClient(address, secret), tmp_path / "spool")
        yield made
        door.shut = ()
        for delivery in made.deliveries:
            delivery.finish(0)
            for thread in delivery.threads:
                thread.join(30)


@pytest.fixture
def speaker() -> Speaker:
    return Speaker(models.load(speech.ENGINE))


def never() -> bool:
    return False


def test_what_is_spoken_is_accepted_and_leaves_nothing_behind(scene: Scene, speaker: Speaker) -> None:
    number = 2 * MOST_TOGETHER + 3
    job = scene.job(scene.book(number), number)
    delivery = scene.delivery()
    speak_job(scene.client, speaker, delivery, *job, never)
    eventually(lambda: scene.job_state(job[0]) == "done")
    assert scene.states() == {"done": number}
    eventually(lambda: not delivery.jobs)
    assert list(scene.root.iterdir()) == []


def test_the_engine_goes_on_while_the_store_is_away_and_no_lease_ends(scene: Scene, speaker: Speaker) -> None:
    book = scene.book(8)
    jobs = [scene.job(book, 4), scene.job(book, 4)]
    delivery = scene.delivery()
    scene.door.shut = ("/store/",)
    for job in jobs:
        speak_job(scene.client, speaker, delivery, *job, never)
    assert [len(job.waiting) for job in delivery.jobs] == [4, 4]
    before = [job.progress for job in delivery.jobs]
    eventually(lambda: all(job.progress > was for job, was in zip(delivery.jobs, before, strict=True)))
    renewals = [f"/worker/v1/jobs/{job_id}/renew" for job_id, _ in jobs]
    scene.door.asked.clear()
    eventually(lambda: set(renewals) <= set(scene.door.asked))
    assert scene.states() == {"leased": 8}
    scene.door.shut = ()
    eventually(lambda: scene.states() == {"done": 8})
    with scene.begin() as session:
        assert {take.object.split(".")[1] for take in session.scalars(select(Take))} == {
            str(job_id) for job_id, _ in jobs
        }


def test_a_job_that_is_lost_is_dropped_alone(scene: Scene, speaker: Speaker) -> None:
    book = scene.book(8)
    lost, kept = scene.job(book, 4), scene.job(book, 4)
    delivery = scene.delivery()
    scene.door.shut = ("/store/",)
    for job in (lost, kept):
        speak_job(scene.client, speaker, delivery, *job, never)
    with scene.begin() as session:
        session.execute(text("UPDATE jobs SET state = 'expired' WHERE id = :id"), {"id": lost[0]})
    eventually(lambda: [job.id for job in delivery.jobs] == [kept[0]])
    eventually(lambda: [folder.name for folder in scene.root.iterdir()] == [str(kept[0])])
    scene.door.shut = ()
    eventually(lambda: scene.job_state(kept[0]) == "done")
    assert scene.states() == {"done": 4, "leased": 4}


def test_a_job_whose_files_are_gone_holds_up_no_other(scene: Scene, speaker: Speaker) -> None:
    """As when it is found lost in the middle of its delivery."""
    book = scene.book(8)
    gone, kept = scene.job(book, 4), scene.job(book, 4)
    delivery = scene.delivery()
    scene.door.shut = ("/store/",)
    for job in (gone, kept):
        speak_job(scene.client, speaker, delivery, *job, never)
    shutil.rmtree(scene.root / str(gone[0]))
    scene.door.shut = ()
    eventually(lambda: scene.job_state(kept[0]) == "done")


def test_the_engine_stops_when_its_job_is_lost(scene: Scene) -> None:
    slow = Speaker(models.load("simulated:speed=20,batch=1"))
    job = scene.job(scene.book(100), 100)
    delivery = scene.delivery()
    speaking = threading.Thread(target=speak_job, args=(scene.client, slow, delivery, *job, never))
    speaking.start()
    eventually(lambda: scene.states().get("done", 0) > 0)
    with scene.begin() as session:
        session.execute(text("UPDATE jobs SET state = 'expired'"))
    speaking.join(30)
    assert not speaking.is_alive()
    assert scene.states()["done"] < 100
    eventually(lambda: list(scene.root.iterdir()) == [])


def test_a_stopped_worker_gives_back_what_it_did_not_speak(scene: Scene) -> None:
    slow = Speaker(models.load("simulated:speed=20,batch=1"))
    job = scene.job(scene.book(50), 50)
    delivery, stop = scene.delivery(), threading.Event()
    speaking = threading.Thread(target=speak_job, args=(scene.client, slow, delivery, *job, stop.is_set))
    speaking.start()
    eventually(lambda: scene.states().get("done", 0) > 2)
    stop.set()
    speaking.join(30)
    eventually(lambda: scene.job_state(job[0]) == "done")
    assert set(scene.states()) == {"done", "ready"}
    with scene.begin() as session:
        assert session.scalars(select(func.max(Segment.attempts))).one() == 0


def test_the_engine_waits_when_the_spool_is_full(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(30), 30)
    scene.door.shut = ("/store/",)
    delivery = scene.delivery(limit=5)  # bytes: one take fills it
    speaking = threading.Thread(target=speak_job, args=(scene.client, speaker, delivery, *job, never))
    speaking.start()
    eventually(lambda: delivery.size > 0)
    assert len(delivery.jobs[0].waiting) == 1
    scene.door.shut = ()
    speaking.join(60)
    eventually(lambda: scene.states() == {"done": 30})


def test_a_successor_delivers_what_a_killed_process_left(scene: Scene, speaker: Speaker) -> None:
    """The killed one had ended one job, and spoken half of another."""
    book = scene.book(8)
    ended, half = scene.job(book, 4), scene.job(book, 4)
    before = Delivery(scene.client, scene.root, KEPT)  # never started, as one that was killed
    speak_job(scene.client, speaker, before, *ended, never)
    job = before.begin(scene.client.claim(*half) or {}, half[1])
    said = SpooledJob.found(scene.root / str(ended[0])).waiting[:2]
    for at, spooled in enumerate(said):
        for file in (spooled.file, spooled.take):
            assert file is not None
            content = file.read_bytes().replace(b'"segment": %d,' % (at + 1), b'"segment": %d,' % (at + 5))
            (job.folder / file.name).write_bytes(content)
    after = scene.delivery()
    eventually(lambda: not after.jobs)
    assert scene.job_state(ended[0]) == "done"
    assert scene.states() == {"done": 6, "ready": 2}
    assert scene.job_state(half[0]) == "expired"
    with scene.begin() as session:
        # What kills its process must count an attempt.
        assert [session.get_one(Segment, segment).attempts for segment in (7, 8)] == [1, 1]
    assert list(scene.root.iterdir()) == []


def test_a_spool_whose_lease_is_gone_is_dropped(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(4), 4)
    speak_job(scene.client, speaker, Delivery(scene.client, scene.root, KEPT), *job, never)
    with scene.begin() as session:
        session.execute(text("UPDATE jobs SET state = 'expired'"))
    delivery = scene.delivery()
    eventually(lambda: not delivery.jobs)
    assert list(scene.root.iterdir()) == []
    assert scene.states() == {"leased": 4}


def test_a_damaged_folder_in_the_spool_is_cleared_away(scene: Scene, speaker: Speaker) -> None:
    for name, content in (("1", "{"), ("2", "[]"), ("3", '{"job": "x"}'), ("4", None)):
        (scene.root / name).mkdir(parents=True)
        if content is not None:
            (scene.root / name / "job.json").write_text(content)
    job = scene.job(scene.book(1), 1)
    delivery = scene.delivery()
    speak_job(scene.client, speaker, delivery, *job, never)
    eventually(lambda: scene.job_state(job[0]) == "done")
    eventually(lambda: list(scene.root.iterdir()) == [])


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """As on a full disk: the kernel refuses what goes beyond."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_what_finds_no_room_on_the_disk_goes_back(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(4), 4)
    delivery = scene.delivery()
    with no_file_longer_than(2000), pytest.raises(NoRoom, match="full"):
        speak_job(scene.client, speaker, delivery, *job, never)
    eventually(lambda: scene.job_state(job[0]) == "done")
    assert scene.states() == {"ready": 4}


def test_a_job_that_cannot_be_begun_goes_back(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(4), 4)
    delivery = scene.delivery()
    with no_file_longer_than(10), pytest.raises(NoRoom):
        speak_job(scene.client, speaker, delivery, *job, never)
    assert scene.job_state(job[0]) == "done"
    assert scene.states() == {"ready": 4}


def test_what_the_engine_refuses_is_reported_and_the_rest_is_spoken(scene: Scene) -> None:
    picky = Speaker(models.load("simulated:speed=inf,fail=0002"))
    with scene.begin() as session:
        book = speech.book(session, 4)
        for at, segment in enumerate(session.scalars(select(Segment).order_by(Segment.id))):
            segment.spoken = f"{segment.spoken} {at:04d}"
        made = speech.job(session, book, 4)
    speak_job(scene.client, picky, scene.delivery(), *made, never)
    eventually(lambda: scene.job_state(made[0]) == "done")
    with scene.begin() as session:
        third = session.scalars(select(Segment).order_by(Segment.id)).all()[2]
        assert third.state == "ready"
        assert "0002" in str(third.failure)
    assert scene.states() == {"done": 3, "ready": 1}


def test_orders_come_with_the_farms_answers(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(2), 2)
    with scene.begin() as session:
        session.query(Worker).one().desired = "drain"
        session.execute(text("UPDATE jobs SET state = 'running', worker_id = 1, lease_until = now() + '1h'"))
    orders = scene.client.accept(*job, [], last=True)
    assert orders.desired == "drain"


def test_a_worker_that_is_revoked_hears_so(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(2), 2)
    told = threading.Event()
    scene.door.shut = ("/store/",)
    delivery = scene.delivery()
    delivery.revoked = told.set
    speak_job(scene.client, speaker, delivery, *job, never)
    with scene.begin() as session:
        session.query(Worker).one().desired = "revoked"
    assert told.wait(30)


def test_a_voice_is_computed_once(scene: Scene, speaker: Speaker) -> None:
    job = scene.job(scene.book(6), 6)
    speak_job(scene.client, speaker, scene.delivery(), *job, never)
    assert len(speaker.voices) == 1
    eventually(lambda: scene.job_state(job[0]) == "done")


def test_a_micro_batchs_time_is_shared_by_all_its_takes(scene: Scene, speaker: Speaker) -> None:
    """Whatever each is reported with: a worker is known by the speed of its engine."""
    delivery = Delivery(scene.client, scene.root, KEPT)
    job_id, token = scene.job(scene.book(3), 3)
    work = scene.client.claim(job_id, token)
    assert work is not None
    job = delivery.begin(work, token)
    prints = speaker.prints(work["segments"], {})
    batch = [utterance(segment, prints, {}) for segment in work["segments"]]
    spoken = [outcome for _, outcome in speaker.engine.speak(batch, never)]
    writing = Writing(delivery, job, never)
    for at, outcome in enumerate(spoken):
        writing.put(Result(at + 1, outcome, busy_s=0.0 if at else 6.0))
    with writing:
        pass
    assert [spooled.report["busy_s"] for spooled in job.waiting] == pytest.approx([2.0, 2.0, 2.0])


def test_the_engine_is_told_the_preset_and_how_each_segment_is_directed(scene: Scene) -> None:
    """A farm that pins none tells none."""
    asked: list[Utterance] = []

    class Listening(Simulated):
        def speak(self, batch: Sequence[Utterance], stop: Callable[[], bool]) -> Any:
            asked.extend(batch)
            return super().speak(batch, stop)

    book = scene.book(3)
    speak_job(scene.client, Speaker(Listening(speed=math.inf)), scene.delivery(), *scene.job(book, 1), never)
    with scene.begin() as session:
        project = session.get_one(speech.Project, book)
        project.pin = {**project.pin, "preset": "draft"}
        project.directions = {"narrator": {"emotion": {"sad": 0.5}}}
        last = session.query(Segment).filter_by(position=2).one()
        last.direction = {"seconds": 2.5}
    speak_job(scene.client, Speaker(Listening(speed=math.inf)), scene.delivery(), *scene.job(book, 2), never)
    assert [(said.preset, said.direction) for said in asked] == [
        ("", Direction()),
        ("draft", Direction(emotion={"sad": 0.5})),
        ("draft", Direction(seconds=2.5)),
    ]
