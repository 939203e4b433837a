"""A worker speaks with recordings: told where they are, it fetches each once, checks it, and keeps few."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import func, select
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

import models
from dashboard.belongings import Belongings
from farm import recordings, uses
from farm.db import Begin
from farm.embedded import Servers
from farm.engine import VoicePrint
from farm.errors import Rejected, Transient
from farm.messages import Message
from farm.protocol import LARGEST_RECORDING
from farm.settings import Settings
from farm.tables import Job, Project, Segment, Take, Worker
from tasks import recorded as keeping
from tasks.client import FarmClient
from tasks.delivery import Delivery
from tasks.recorded import Recorded
from tasks.speaking import Speaker, speak_job
from tests import speech, voicing
from tests.farms import eventually
from tests.s3 import s3_server

MOST = 2**22
KEPT = 64 * 2**20


def never() -> bool:
    return False


@dataclass
class Scene:
    """A farm whose worker reaches it through a door; a book whose narrator is a recording."""

    have: Belongings
    begin: Begin
    door: speech.Door
    client: FarmClient
    home: Path

    def __post_init__(self) -> None:
        self.recorded = Recorded(self.client, self.home / "voices")
        self.speaker = Speaker(models.load(speech.ENGINE), self.recorded)
        self.delivery = Delivery(self.client, self.home / "spool", KEPT)
        self.delivery.start()
        self.mother = voicing.recorded(self.begin, self.have.store)
        with self.begin() as session:
            self.voice = recordings.find(session, self.mother).voice

    @property
    def object(self) -> str:
        return uses.object_of(self.voice)

    def job(self, segments: int = 3, **roles: Any) -> tuple[int, str]:
        with self.begin() as session:
            book = speech.book(session, segments)
            book.cast = {"narrator": {"recording": self.voice}, **roles}
            return speech.job(session, book, segments)

    def speak(self, job: tuple[int, str], stopped: Callable[[], bool] = never) -> None:
        speak_job(self.client, self.speaker, self.delivery, *job, stopped)

    def state(self, job: tuple[int, str]) -> str:
        with self.begin() as session:
            return session.get_one(Job, job[0]).state

    def ended(self, job: tuple[int, str]) -> dict[str, int]:
        """The states of the segments once the job has ended."""
        eventually(lambda: self.state(job) != "running")
        with self.begin() as session:
            counted = select(Segment.state, func.count()).group_by(Segment.state)
            return dict(session.execute(counted).all())  # type: ignore[arg-type]

    @property
    def fetched(self) -> int:
        return sum(path.startswith("/store/voices") for path in self.door.asked)


@contextmanager
def farm_with(servers: Servers, begin: Begin, home: Path, store_url: str) -> Iterator[Scene]:
    settings = Settings(
        home=home / "farm",
        database_url=servers.database_url,
        store_url=store_url,
        secret="a secret for tests",
        renew_s=0.2,
    )
    with begin() as session:
        secret = speech.enrolled(session)
    have = replace(Belongings.of(settings), begin=begin)
    with speech.open_door(have) as (door, address):
        made = Scene(have, begin, door, FarmClient(address, secret), home)
        yield made
        door.shut = ()
        made.delivery.finish(0)
        for thread in made.delivery.threads:
            thread.join(30)


@pytest.fixture
def scene(servers: Servers, begin: Begin, tmp_path: Path) -> Iterator[Scene]:
    with farm_with(servers, begin, tmp_path, str(tmp_path / "store")) as made:
        yield made


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AGAIN_S", (0.01, 0.01))


def test_a_book_is_spoken_with_a_recording_that_is_fetched_once(scene: Scene) -> None:
    for _ in range(2):
        scene.speak(job := scene.job())
        assert "failed" not in scene.ended(job)
    assert scene.fetched == 1
    assert list(scene.speaker.voices.values()) == [VoicePrint.of({"recording": scene.voice})]
    with scene.begin() as session:
        assert len(session.scalars(select(Take)).all()) == 6


def test_another_process_finds_it_on_the_disk_and_looks_whether_it_is_whole(scene: Scene) -> None:
    scene.speak(job := scene.job())
    scene.ended(job)
    (file,) = (scene.home / "voices").iterdir()
    scene.speaker = Speaker(models.load(speech.ENGINE), scene.recorded)
    scene.speak(job := scene.job())
    assert "failed" not in scene.ended(job)
    assert scene.fetched == 1
    file.write_bytes(b"cut off")
    scene.speaker = Speaker(models.load(speech.ENGINE), scene.recorded)
    scene.speak(job := scene.job())
    assert "failed" not in scene.ended(job)
    assert scene.fetched == 2


def test_a_bucket_serves_recordings_too(servers: Servers, begin: Begin, tmp_path: Path) -> None:
    with s3_server() as endpoint:
        url = f"s3://voices/here?endpoint={endpoint}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="voices")
        with farm_with(servers, begin, tmp_path, url) as scene:
            scene.speak(job := scene.job())
            assert scene.ended(job) == {"done": 3}


def test_work_goes_back_uncounted_while_the_store_is_away(scene: Scene) -> None:
    scene.door.shut = ("/store/",)
    with pytest.raises(Transient):
        scene.speak(job := scene.job())
    assert scene.ended(job) == {"ready": 3}
    with scene.begin() as session:
        assert {segment.attempts for segment in session.scalars(select(Segment))} == {0}
        assert session.query(Worker).one().strikes == []


def test_a_recording_that_the_store_lost_fails_the_segments_with_the_reason_and_blames_no_worker(
    scene: Scene,
) -> None:
    scene.have.store.delete([scene.object])
    scene.speak(job := scene.job())
    assert scene.ended(job) == {"failed": 3}
    with scene.begin() as session:
        failures = [Message.from_json(segment.failure or {}) for segment in session.scalars(select(Segment))]
        assert session.query(Worker).one().strikes == []
    assert all("The storage does not have it" in str(failure) for failure in failures)


def test_a_recording_that_is_not_what_its_name_says_is_not_spoken_with(scene: Scene) -> None:
    scene.have.store.put(scene.object, b"RIFF something else")
    scene.speak(job := scene.job())
    assert scene.ended(job) == {"failed": 3}
    assert not (scene.home / "voices").exists()


def test_what_the_engine_can_speak_is_spoken_though_another_voice_is_lost(scene: Scene) -> None:
    scene.have.store.delete([scene.object])
    job = scene.job(4, title={"variant": "m3"})
    with scene.begin() as session:
        first = session.scalars(select(Segment).order_by(Segment.id)).first()
        assert first is not None
        first.role = "title"
    scene.speak(job)
    assert scene.ended(job) == {"done": 1, "failed": 3}


def test_a_worker_that_is_stopped_does_not_wait_for_the_store(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "AGAIN_S", (60.0,))
    scene.door.shut = ("/store/",)
    job, since = scene.job(), time.monotonic()
    with pytest.raises(Transient):
        scene.speak(job, lambda: scene.fetched > 0)
    assert time.monotonic() - since < 30
    assert scene.ended(job) == {"ready": 3}


def test_few_are_kept_the_latest_used_and_none_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scene.home / "voices"
    folder.mkdir()
    for at, age_s in enumerate((10, 20, 30, 8 * 24 * 3600)):
        (folder / f"{at:064x}.wav").write_bytes(bytes(1000))
        os.utime(folder / f"{at:064x}.wav", (time.time() - age_s,) * 2)
    monkeypatch.setattr(keeping, "KEPT_BYTES", 2_500_000)
    scene.recorded.tidy(folder / f"{9:064x}.wav")
    assert len(list(folder.iterdir())) == 3
    monkeypatch.setattr(keeping, "KEPT_BYTES", 2500)
    scene.recorded.tidy(folder / f"{9:064x}.wav")
    assert sorted(path.stem[-1] for path in folder.iterdir()) == ["0", "1"]


@contextmanager
def storage(answer: Callable[[], Response]) -> Iterator[str]:
    """A store that says what it likes; its address."""
    server = make_server("127.0.0.1", 0, Request.application(lambda _request: answer()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/a"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(b"x" * (LARGEST_RECORDING + 1)),
        lambda: Response((b"x" * 65_536 for _ in iter(int, 1)), direct_passthrough=True),
        lambda: Response(b"not what was asked for"),
        lambda: Response(b"gone", 404),
    ],
)
def test_what_a_store_sends_is_not_believed(scene: Scene, answer: Callable[[], Response]) -> None:
    sha256 = hashlib.sha256(b"a voice").hexdigest()
    with storage(answer) as address:
        found = scene.recorded.find({sha256: address}, never)[sha256]
    assert isinstance(found, Exception)
    assert not (scene.home / "voices").exists()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(b"expired", 403),
        lambda: Response(b"busy", 503),
        lambda: Response(b"", 302, {"Location": "http://127.0.0.1:1/"}),
    ],
)
def test_what_may_pass_gives_the_work_back_or_is_refused(
    scene: Scene, answer: Callable[[], Response]
) -> None:
    sha256 = hashlib.sha256(b"a voice").hexdigest()
    with storage(answer) as address:
        try:
            found = scene.recorded.find({sha256: address}, never)
        except Transient:
            return
    assert isinstance(found[sha256], Rejected)


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "a" * 63, "A" * 64, "", "a" * 64 + "\n"])
def test_a_farm_cannot_name_a_file_elsewhere(scene: Scene, name: str) -> None:
    found = scene.recorded.find({name: "/store/voices/a"}, never)
    assert isinstance(found[name], Rejected)
    assert scene.fetched == 0


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://", "gopher://x", "a b", ""]
)
def test_an_address_that_is_none_is_no_way_to_anything(scene: Scene, address: str) -> None:
    try:
        found = scene.recorded.find({"a" * 64: address}, never)
    except Transient:
        return
    assert isinstance(found["a" * 64], Rejected)


def test_a_store_that_drips_does_not_hold_a_worker_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x"
            time.sleep(0.02)

    monkeypatch.setattr("farm.storage.transfer.SLOWEST_S", 0.2)
    since = time.monotonic()
    with storage(lambda: Response(drip())) as address, pytest.raises(Transient):
        scene.recorded.find({"a" * 64: address}, never)
    assert time.monotonic() - since < 3


def test_the_claim_says_where_each_recording_is_for_a_while_and_nothing_of_others(scene: Scene) -> None:
    voicing.recorded(scene.begin, scene.have.store, "Other", seed=1)
    work = scene.client.claim(*scene.job())
    assert work is not None
    ((sha256, address),) = work["recordings"].items()
    assert sha256 == scene.voice
    assert "signature=" in address
    assert hashlib.sha256(scene.client.fetch(address, MOST)).hexdigest() == sha256
    with pytest.raises(Exception, match="403"):
        scene.client.fetch(address.replace("signature=", "signature=0"), MOST)


def test_a_worker_of_the_protocol_before_speaks_presets_and_is_refused_recordings(scene: Scene) -> None:
    with scene.begin() as session:
        session.query(Worker).one().protocol = 2
    job = scene.job()
    assert scene.client.claim(*job) is None
    assert scene.ended(job) == {"ready": 3}
    with scene.begin() as session:
        project = session.scalars(select(Project)).one()
        project.cast = {"narrator": {"variant": "m3"}}
        job = speech.job(session, project, 3)
    work = scene.client.claim(*job)
    assert work is not None
    assert work["recordings"] == {}
