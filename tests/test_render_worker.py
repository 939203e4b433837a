"""A real worker process heeds the farm, survives its child, disk and store, and says why it leaves."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import func, select

from dashboard.belongings import Belongings
from farm import steering
from farm.db import Begin
from farm.embedded import Servers
from farm.machine import REVOKED, STOPPED
from farm.settings import Settings, inherited_environment
from farm.tables import Desired, Job, Segment, Take, Worker
from tasks.app import celery_app
from tasks.foreman import DEAF
from tests import speech
from tests.farms import ROOT, SHORT, eventually
from tests.speech import Door

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

QUEUE = "render.24g"
QUICK = "simulated:speed=40,batch=4"
SLOW = "simulated:speed=8,batch=1"


class Bench:
    """A farm's clock and worker API, and one worker's process, which reaches the API through a door."""

    def __init__(self, config: Settings, begin: Begin, door: Door, api: str, stack: ExitStack) -> None:
        self.config, self.begin, self.door, self.api, self.stack = config, begin, door, api, stack
        self.home = config.home
        self.bells = celery_app("test", config.broker_url, [])
        self.broker = redis.Redis.from_url(config.broker_url)
        stack.callback(self.broker.close)
        stack.callback(self.bells.close)

    def run(self, module: str, config: Settings, said: str) -> subprocess.Popen[bytes]:
        """Its words go through a pipe, so that no limit on files' sizes meets them."""
        with (self.home / said).open("ab") as file:
            words = self.stack.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file))
        environment = {**inherited_environment(), **config.environment()}
        process = subprocess.Popen(
            [sys.executable, "-m", module], env=environment, cwd=ROOT, stdout=words.stdin, stderr=words.stdin
        )
        assert words.stdin is not None
        words.stdin.close()
        self.stack.callback(stop, process)
        return process

    def start(self, engine: str, state: str = "ready", **also: Any) -> subprocess.Popen[bytes]:
        """The worker, once it reports this state."""
        with self.begin() as session:
            secret = speech.enrolled(session)
            worker = session.query(Worker).one()
            worker.last_seen, worker.speed = None, None
        config = replace(
            self.config,
            database_url="",
            home=self.home / "w1",
            worker_name="w1",
            worker_class="24g",
            worker_secret=secret,
            engine=engine,
            api_url=self.api,
            **also,
        )
        config.home.mkdir(exist_ok=True)
        self.process = self.run("tasks.render", config, "said.txt")
        eventually(lambda: self.worker().last_seen is not None)
        eventually(lambda: self.worker().state == state)
        return self.process

    @property
    def said(self) -> str:
        return (self.home / "said.txt").read_text()

    def worker(self) -> Worker:
        with self.begin() as session:
            return session.query(Worker).one()

    def wish(self, desired: Desired, *, at_once: bool = False) -> None:
        with self.begin() as session:
            steering.wish(session, session.query(Worker).one().id, desired, at_once=at_once)

    def book(self, segments: int) -> None:
        with self.begin() as session:
            speech.book(session, segments)

    def states(self) -> dict[str, int]:
        with self.begin() as session:
            counted = select(Segment.state, func.count()).group_by(Segment.state)
            return dict(session.execute(counted).all())  # type: ignore[arg-type]

    def job_states(self) -> set[str]:
        with self.begin() as session:
            return set(session.scalars(select(Job.state).where(Job.claimed_at.is_not(None))))

    def blamed(self) -> int:
        with self.begin() as session:
            return session.scalars(select(func.sum(Segment.attempts))).one()

    def child(self) -> int:
        """The process that speaks."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return max(map(int, path.read_text().split()), default=0)

    def is_at_work(self) -> bool:
        return self.states().get("done", 0) > 0


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def bench(servers: Servers, begin: Begin, tmp_path: Path) -> Iterator[Bench]:
    times = {name.removeprefix("FARM_").lower(): float(value) for name, value in SHORT.items()}
    config = Settings(
        home=tmp_path,
        database_url=servers.database_url,
        broker_url=servers.broker_url,
        store_url=str(tmp_path / "store"),
        secret="a secret for tests",
        **times,  # type: ignore[arg-type]
    )
    have = replace(Belongings.of(config), begin=begin)
    with ExitStack() as stack:
        door, address = stack.enter_context(speech.open_door(have))
        made = Bench(config, begin, door, address, stack)
        made.broker.delete(QUEUE)
        made.run("tasks.clock", config, "clock.txt")
        yield made


def test_a_drained_worker_leaves_doorbells_to_others_and_comes_back(bench: Bench) -> None:
    bench.start(QUICK)
    bench.book(120)
    eventually(bench.is_at_work)
    bench.wish(Desired.DRAIN)
    eventually(lambda: bench.worker().state == "asleep")
    assert bench.job_states() == {"done"}
    done = bench.states()["done"]
    assert done < 120
    time.sleep(2)  # the doorbell it had asked for before may come for a second yet
    bench.bells.send_task("tasks.render.speak", args=[10**9, "stale"], queue=QUEUE, retry=False)
    time.sleep(4)
    assert bench.broker.llen(QUEUE) > 0
    assert bench.states()["done"] == done
    bench.wish(Desired.RUN)
    eventually(lambda: bench.states() == {"done": 120})
    eventually(lambda: bench.broker.llen(QUEUE) == 0)
    assert bench.blamed() == 0


def test_now_means_after_this_micro_batch(bench: Bench) -> None:
    """A batch of this worker would take half a minute more."""
    bench.start(SLOW, batch_s=30.0)
    bench.book(100)
    eventually(bench.is_at_work)
    bench.wish(Desired.MAINTENANCE, at_once=True)
    eventually(lambda: bench.worker().state == "asleep")
    assert bench.job_states() == {"done"}
    assert set(bench.states()) == {"done", "ready"}
    assert bench.blamed() == 0


def test_a_worker_asleep_gives_its_engines_memory_back(bench: Bench) -> None:
    bench.start(f"{QUICK},leak_mb=100")
    bench.book(20)
    eventually(lambda: bench.states() == {"done": 20})
    eventually(lambda: bench.worker().facts.get("rss_mib", 0) > 150)
    awake = bench.child()
    bench.wish(Desired.SLEEP)
    eventually(lambda: bench.worker().state == "asleep" and bench.worker().facts.get("rss_mib", 999) < 150)
    assert bench.child() != awake
    bench.book(20)
    bench.wish(Desired.RUN)
    eventually(lambda: bench.states() == {"done": 40})
    assert bench.blamed() == 0


def test_a_stopped_worker_ends_its_batch_and_then_itself(bench: Bench) -> None:
    process = bench.start(QUICK)
    bench.book(120)
    eventually(bench.is_at_work)
    bench.wish(Desired.STOP)
    assert process.wait(60) == STOPPED
    assert bench.job_states() == {"done"}
    assert bench.blamed() == 0


def test_a_revoked_worker_drops_its_work_and_says_why(bench: Bench) -> None:
    process = bench.start(SLOW)
    bench.book(120)
    eventually(bench.is_at_work)
    bench.door.shut = ("/store/",)
    eventually(lambda: any((bench.home / "w1/spool/w1").iterdir()))
    with bench.begin() as session:
        steering.revoke(session, session.query(Worker).one().id)
    assert process.wait(60) == REVOKED
    assert "knows this worker no more" in bench.said
    assert not (bench.home / "w1/spool/w1").exists()


def test_asked_to_end_it_gives_back_what_it_has_not_spoken(bench: Bench) -> None:
    process = bench.start(SLOW, batch_s=30.0)
    bench.book(100)
    eventually(bench.is_at_work)
    process.terminate()
    assert process.wait(30) == 0
    assert bench.job_states() == {"done"}
    assert set(bench.states()) == {"done", "ready"}
    assert bench.blamed() == 0


def test_what_a_killed_child_had_spoken_is_not_spoken_again(bench: Bench) -> None:
    """The store is away, the engine goes on; then its process is killed."""
    bench.start(QUICK)
    bench.door.shut = ("/store/",)
    bench.book(150)
    spool = bench.home / "w1/spool/w1"
    eventually(lambda: len(list(spool.glob("*/ended"))) > 1)
    ended = {int(path.parent.name): len(list(path.parent.glob("*.flac"))) for path in spool.glob("*/ended")}
    os.kill(bench.child(), signal.SIGKILL)
    time.sleep(2)
    bench.door.shut = ()
    eventually(lambda: bench.states() == {"done": 150})
    with bench.begin() as session:
        made = [int(take.object.split(".")[1]) for take in session.scalars(select(Take))]
    assert {job: made.count(job) for job in ended} == ended


def test_an_engine_that_grows_is_loaded_anew_between_batches(bench: Bench) -> None:
    bench.start(f"{QUICK},leak_mb=60", growth_mb=100)
    first = bench.child()
    bench.book(200)
    eventually(lambda: bench.states() == {"done": 200})
    assert bench.child() != first
    assert bench.said.count("the engine is loaded anew") > 0
    assert bench.job_states() == {"done"}
    assert bench.blamed() == 0


def test_a_full_disk_stops_the_work_until_there_is_room(bench: Bench) -> None:
    process = bench.start(QUICK)
    usual = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    child = bench.child()
    for pid in (process.pid, child):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (3000, usual[1]))
    bench.book(60)
    eventually(lambda: bench.worker().state == "error")
    assert "full" in bench.worker().facts["trouble"]
    eventually(lambda: set(bench.states()) == {"ready"})
    for pid in (child, process.pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    eventually(lambda: bench.states() == {"done": 60})
    assert bench.blamed() == 0


def test_a_worker_that_hears_no_doorbells_is_started_anew(bench: Bench) -> None:
    """As the farm sees it: it is ready, rings, and nobody comes."""
    process = bench.start(QUICK)
    bench.door.rung = 1.0
    assert process.wait(100) == DEAF


def test_an_engine_that_cannot_be_loaded_is_reported(bench: Bench) -> None:
    bench.start("simulated:batch=0", state="error")
    assert "above 0" in bench.worker().facts["trouble"]


def test_an_engine_without_its_checkpoint_is_reported_with_the_command_that_adds_it(bench: Bench) -> None:
    process = bench.start("indextts2", state="error")
    assert "`farm models add indextts2 DIR`" in bench.worker().facts["trouble"]
    child = bench.child()
    time.sleep(2)
    assert (process.poll(), bench.child()) == (None, child)  # it waits, and does not die and come back


def test_a_worker_whose_class_a_person_changed_hears_its_new_queue(bench: Bench) -> None:
    bench.start(QUICK)
    with bench.begin() as session:
        session.query(Worker).one().gpu_class = "12g"
    bench.book(20)
    eventually(lambda: bench.states() == {"done": 20})
    with bench.begin() as session:
        assert set(session.scalars(select(Job.queue).where(Job.kind == "render"))) == {"render.12g"}
