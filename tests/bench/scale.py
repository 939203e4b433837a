"""One control node under two hundred workers: how soon it answers, and what a worker costs it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import quantiles
from typing import Any

import redis
import urllib3
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from farm import users, workers
from farm.db import Begin, beginner
from farm.settings import Settings, inherited_environment
from farm.tables import Project, Segment
from farm.up import Running, enrolled, process
from models.bench.figures import Figure
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
        before = family_cpu_s(farm.settings.home)
        with clients(farm.settings, secrets, options.seconds) as answers, dispatching(farm.settings) as ticks:
            pages = visited(farm.settings.dashboard_url, token, options.seconds)
        after = family_cpu_s(farm.settings.home)
        memory = redis.Redis.from_url(farm.settings.broker_url).info("memory")["used_memory"]
        said = json.loads(answers[0])
        done = accepted(begin)
    spent = {name: (after[name] - before.get(name, 0.0)) / options.seconds for name in sorted(after)}
    took_ms, dispatching_s = ticks["took_ms"], ticks["cpu_s"] / options.seconds
    count = len(secrets) + REAL
    return [
        Figure("one dispatch, 95th percentile", p95(took_ms), "ms", most=20, said=f"{len(took_ms)}"),
        Figure(
            "claim, 95th percentile", p95(said["claim_ms"]), "ms", most=50, said=f"{len(said['claim_ms'])}"
        ),
        Figure(
            "renew, 95th percentile", p95(said["renew_ms"]), "ms", most=50, said=f"{len(said['renew_ms'])}"
        ),
        Figure("beat, 95th percentile", p95(said["beat_ms"]), "ms", said=f"{len(said['beat_ms'])}"),
        Figure(
            "accept, 95th percentile",
            p95(said["accept_ms"]),
            "ms",
            said="a job's takes, 16 at most, decoded and judged",
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
        Figure("dispatching, per worker", 1000 * dispatching_s / count, "ms of processor/s"),
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


@contextmanager
def dispatching(config: Settings) -> Iterator[dict[str, Any]]:
    """The clock's loop in a process of its own; what it measured is there when the block ends."""
    environment = {**inherited_environment(), **config.environment()}
    command = [sys.executable, "-m", "tests.bench.ticks"]
    running = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    measured: dict[str, Any] = {}
    yield measured
    said, _ = running.communicate()  # the end of its input ends it
    assert running.returncode == 0, "the clock broke"
    measured |= json.loads(said)


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
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.bench.clients"]  # other machines, in truth
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
