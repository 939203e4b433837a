"""One control node under two hundred workers: how soon it answers, and what a worker costs it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import quantiles

import psycopg
import redis
import urllib3
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from farm import users, workers
from farm.db import Begin, beginner, plain
from farm.dispatch import Plan, tick
from farm.jobs import CLOCK, Times
from farm.settings import Settings
from farm.tables import Project, Segment
from farm.up import Running, enrolled, process
from models.bench.figures import Figure
from tasks.clock import Clock
from tests.bench import rows
from tests.bench.options import Options
from tests.bench.procfs import family_cpu_s
from tests.bench.service import serving

PROJECTS = 50
WORKERS, REAL = 200, 4
SPEED = 5.7  # x realtime: an RTX 3060
LENGTH, CLIP_S = 80.0, 17.6  # a planned novel's mean segment, and how long it takes to say
ENGINE = f"simulated:speed={SPEED},batch=16,clip_s={CLIP_S}"
PIN = {"fingerprint": f"tones-3-{CLIP_S:g}", "precision": "fp16"}
PAGES = ("/", "/projects/1", "/workers", "/api/v1/projects", "/api/v1/workers", "/metrics")


def run(options: Options) -> list[Figure]:
    with serving("web") as farm:
        begin = beginner(farm.settings.database_url)
        with begin() as session:
            token, secrets = fill(session, options)
        for number in range(REAL):
            start_worker(farm, f"real-{number + 1}")
        ticks = Ticks(farm.settings, begin)
        before = family_cpu_s(farm.settings.home)
        with clients(farm.settings, secrets, options.seconds) as answers, ticks:
            pages = visited(farm.settings.dashboard_url, token, options.seconds)
        after = family_cpu_s(farm.settings.home)
        memory = redis.Redis.from_url(farm.settings.broker_url).info("memory")["used_memory"]
        said = json.loads(answers[0])
        done = accepted(begin)
    spent = {name: (after[name] - before.get(name, 0.0)) / options.seconds for name in sorted(after)}
    count = len(secrets) + REAL
    return [
        Figure(
            "one dispatch, 95th percentile", p95(ticks.took_ms), "ms", most=20, said=f"{len(ticks.took_ms)}"
        ),
        Figure(
            "claim, 95th percentile", p95(said["claim_ms"]), "ms", most=50, said=f"{len(said['claim_ms'])}"
        ),
        Figure(
            "renew, 95th percentile", p95(said["renew_ms"]), "ms", most=50, said=f"{len(said['renew_ms'])}"
        ),
        Figure("beat, 95th percentile", p95(said["beat_ms"]), "ms", said=f"{len(said['beat_ms'])}"),
        Figure(
            "accept, 95th percentile", p95(said["accept_ms"]), "ms", said="16 takes each, decoded and judged"
        ),
        *[Figure(f"page {path}", p95(took), "ms", most=300) for path, took in pages.items()],
        Figure("Redis", memory / 2**20, "MiB", most=50),
        Figure(
            "accepted", done / options.seconds, "segments/s", said=f"{done * CLIP_S / 3600:.1f} h of audio"
        ),
        Figure("refused to a client", said["errors"], "", most=0),
        *[
            Figure(f"{name}, per worker", 1000 * spent[name] / count, "ms of processor/s")
            for name in ("api", "web", "postgres", "redis")
        ],
        Figure("dispatching, per worker", ticks.cpu_s / options.seconds / count * 1000, "ms of processor/s"),
    ]


def p95(took_ms: Sequence[float]) -> float:
    return quantiles(took_ms, n=20)[-1] if len(took_ms) > 1 else 0.0


def fill(session: Session, options: Options) -> tuple[str, list[str]]:
    """Projects full of ready segments, and workers; an API token and the workers' secrets."""
    rows.books(session, rows.shared(options.ready, PROJECTS), LENGTH)
    session.execute(update(Project).values(engine="simulated", pin=PIN))
    names = [f"worker-{number + 1}" for number in range(options.workers)]
    secrets = [workers.enrol(session, name, "12g", local=True) for name in names]
    return users.api_token(session, users.owner(session), "bench"), secrets


def start_worker(farm: Running, name: str) -> None:
    """A real one: `tasks.render` with the simulated engine."""
    config = replace(farm.settings, worker_name=name, worker_class="12g", worker_secret="", engine=ENGINE)
    config = replace(enrolled(config), home=farm.settings.home.parent / name, store_url=farm.settings.store)
    (config.home / "run").mkdir(parents=True)
    farm.supervisor.start(replace(process("render", config), name=name))


class Ticks:
    """The clock's loop in this process, each round timed."""

    def __init__(self, config: Settings, begin: Begin) -> None:
        self.config, self.begin = config, begin
        self.took_ms: list[float] = []
        self.cpu_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        publish = Clock(self.config).publish
        plan = Plan(Times.of(self.config), self.config.batch_s, house_depth=self.config.house_workers)
        with psycopg.connect(plain(self.config.database_url), autocommit=True) as connection:
            connection.execute(f"LISTEN {CLOCK}")
            while not self._over.is_set():
                since, cpu = time.monotonic(), time.thread_time()
                tick(self.begin, publish, plan)
                self.took_ms.append(1000 * (time.monotonic() - since))
                self.cpu_s += time.thread_time() - cpu
                for _ in connection.notifies(timeout=self.config.tick_s, stop_after=1):
                    pass


@contextmanager
def clients(config: Settings, secrets: Sequence[str], seconds: float) -> Iterator[list[str]]:
    """The simulated workers, in one process of their own; what they measured is there when the block ends."""
    given = {
        "api": config.worker_api,
        "broker": config.broker_url,
        "store": str(config.store_folder),
        "secrets": list(secrets),
        "seconds": seconds,
        "fingerprint": PIN["fingerprint"],
    }
    command = [sys.executable, "-m", "tests.bench.clients"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answers: list[str] = []
    assert running.stdin is not None
    running.stdin.write(json.dumps(given))
    running.stdin.close()
    yield answers
    assert running.stdout is not None
    answers.append(running.stdout.read())
    running.stdout.close()
    assert running.wait() == 0, "the clients broke"


def visited(address: str, token: str, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each page, asked for in turn as one person would, while the others work."""
    browser = urllib3.PoolManager(headers={"Authorization": f"Bearer {token}"}, timeout=30)
    took: dict[str, list[float]] = {path: [] for path in PAGES}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in PAGES:
            since = time.monotonic()
            answer = browser.request("GET", address + path, redirect=False)
            took[path].append(1000 * (time.monotonic() - since))
            assert answer.status == 200, f"{path} answers {answer.status}"
            time.sleep(0.2)
    return took


def accepted(begin: Begin) -> int:
    with begin() as session:
        return len(session.scalars(select(Segment.id).where(Segment.state == "done")).all())
