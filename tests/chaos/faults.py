"""What is broken, row by row: each takes a field and how many times, and gives what only it can measure."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import boto3
from sqlalchemy import BigInteger, and_, cast, exists, func, select

from farm import chapters, steering
from farm.service_user import service_user
from farm.settings import Settings
from farm.tables import Chapter, ChapterState, Desired, Job, JobKind, Segment, Take, Worker, WorkerState
from farm.up import process
from tasks.app import celery_app
from tasks.client import FarmClient
from tests.chaos.disks import disk, fill
from tests.chaos.field import CARD_4090, HEALTHY_S, SCALE, Card, Field, eventually
from tests.chaos.road import Road
from tests.chaos.watch import held, until, worst
from tests.s3 import s3_server

Found = Mapping[str, float]

GAP_S = 1.5
WAIT_S = 120.0
APART_S = HEALTHY_S + 1  # sooner, and the supervisor waits longer and longer before it starts a server again


def a_worker(field: Field) -> str:
    return field.chance.choice(sorted(field.crew))


def one_at_work(field: Field) -> tuple[str, int]:
    """A worker that has a job, and the job."""

    def look() -> tuple[str, int] | None:
        for name in field.chance.sample(sorted(field.crew), len(field.crew)):
            if job := held(field.begin, field.worker_id(name)):
                return name, job
        return None

    return eventually(look)


def is_over(field: Field, job_id: int) -> bool:
    with field.begin() as session:
        return session.get_one(Job, job_id).state != "running"


def kill_child(field: Field, times: int) -> Found:
    field.start_book()
    released = []
    for _ in range(times):
        field.pause(GAP_S)
        name, job = one_at_work(field)
        with suppress(ProcessLookupError):
            os.kill(field.child(name), signal.SIGKILL)
        released.append(until(lambda job=job: is_over(field, job), within_s=30))
    return {"released_s": worst(released)}


def kill_worker(field: Field, times: int) -> Found:
    field.start_book()
    released = []
    for _ in range(times):
        field.pause(GAP_S)
        name, job = one_at_work(field)
        field.kill(name)
        released.append(until(lambda job=job: is_over(field, job), within_s=60))
    return {"released_s": worst(released)}


def freeze_worker(field: Field, times: int) -> Found:
    """Thawed, it finds that its job is somebody else's; what it says of it changes nothing."""
    field.start_book()
    for at in range(0, times, 2):
        field.pause(GAP_S)
        victims = field.chance.sample(sorted(field.crew), min(2, times - at))
        for name in victims:
            field.kill(name, signal.SIGSTOP)
        field.pause(120 / SCALE)
        for name in victims:
            field.kill(name, signal.SIGCONT)
        field.pause(1)
    return {"late": late_takes(field)}


def late_takes(field: Field) -> int:
    """Takes of jobs that had been taken from their worker before."""
    job = cast(func.split_part(Take.object, ".", 2), BigInteger)
    query = select(func.count()).select_from(Take).join(Job, Job.id == job)
    with field.begin() as session:
        ended = and_(Job.state != "done", Take.created_at > Job.ended_at)
        return session.scalars(query.where(ended)).one()


def restart_redis(field: Field, times: int) -> Found:
    """Killed, or asked to end: its append-only file brings everything back."""
    field.start_book()
    for at in range(times):
        field.pause(APART_S)
        field.kill("redis", signal.SIGTERM if at % 2 else signal.SIGKILL)
        eventually(lambda: field.redis.ping())
    return {}


def wipe_redis(field: Field, times: int) -> Found:
    field.start_book()
    for at in range(times):
        field.pause(APART_S)
        if at % 2:
            field.redis.flushall()
        else:
            field.redis.flushall()
            field.kill("redis")
            eventually(lambda: field.redis.ping())
    return {}


def lose_redis(field: Field, times: int) -> Found:
    """Away for ten seconds, the tenth time ten minutes: what runs is accepted; then all workers get more."""
    field.start_book()
    back = []
    for at in range(times):
        field.pause(GAP_S)
        field.roads["broker"].close()
        time.sleep((600 if at == 9 else 10) / SCALE)
        field.roads["broker"].open()
        back.append(served_again(field))
    return {"back_s": worst(back)}


def served_again(field: Field) -> float:
    """Seconds until each worker has claimed another job."""
    since = time.monotonic()
    before = eventually(lambda: last_claims(field))
    while time.monotonic() - since < WAIT_S:
        field.pause(0.1)
        last = eventually(lambda: last_claims(field))
        if all(last.get(id) != before.get(id) for id in map(field.worker_id, field.crew)):
            break
    return time.monotonic() - since


def last_claims(field: Field) -> dict[int, datetime]:
    """Worker -> when it claimed its last render job."""
    query = select(Job.worker_id, func.max(Job.claimed_at)).where(Job.kind == JobKind.RENDER)
    with field.begin() as session:
        return {worker: at for worker, at in session.execute(query.group_by(Job.worker_id)) if worker}


def claims(field: Field) -> int:
    with field.begin() as session:
        return session.scalars(select(func.count()).select_from(Job).where(Job.claimed_at.is_not(None))).one()


def restart_postgres(field: Field, times: int) -> Found:
    """SIGQUIT: an immediate shutdown, recovered from the log."""
    field.start_book()
    for _ in range(times):
        field.pause(APART_S)
        field.kill("postgres", signal.SIGQUIT)
        eventually(lambda: claims(field) >= 0)
    return {}


def lose_answers(field: Field, times: int) -> Found:
    """The ambiguous commit: done, but the worker is told nothing."""
    field.start_book()
    road = field.roads["api"]
    road.loses = 0.05
    while road.lost < times:
        field.pause(GAP_S)
    road.loses = 0.0
    return {"answers lost": road.lost}


def ring_again(field: Field, times: int) -> Found:
    """Every job that ever was is rung for again, in any order: by its token, by another, or long deleted."""
    field.start_book()
    field.pause(5)
    doubles = stale(field, times)
    bells = celery_app("chaos", field.config.broker_url, [])
    for job, token, queue in doubles[: times // 5]:
        bells.send_task("tasks.render.speak", args=[job, token], queue=queue, retry=False)
    claimed, _ = claim(field, doubles[times // 5 :])
    return {"claimed": claimed}


def ring_and_time(field: Field, times: int) -> Found:
    """What a stale doorbell costs is measured on a farm that does nothing else."""
    found = ring_again(field, times)
    field.finish()
    _, took_s = claim(field, stale(field, times // 10))
    return {**found, "each_ms": 1000 * median(took_s)}


def stale(field: Field, times: int) -> list[tuple[int, str, str]]:
    """(job, token, queue) of doorbells that nobody may follow."""
    old = select(Job.id, Job.token, Job.queue).where(Job.kind == "render", Job.claimed_at.is_not(None))
    with field.begin() as session:
        rung = [(job, token, queue) for job, token, queue in session.execute(old)]
    others = [(job, token, queue) for (job, _, queue), (_, token, _) in pairwise(rung)]
    gone = [(job + 10**9, token, queue) for job, token, queue in rung]
    return field.chance.choices([*rung, *others, *gone], k=times)


def claim(field: Field, doubles: Sequence[tuple[int, str, str]]) -> tuple[int, list[float]]:
    """How many were followed, and how long each answer took."""
    name = a_worker(field)
    client = FarmClient(field.crew[name].worker_api, field.crew[name].worker_secret)
    claimed, took_s = 0, []
    for job, token, _ in doubles:
        since = time.monotonic()
        claimed += client.claim(job, token) is not None
        took_s.append(time.monotonic() - since)
    return claimed, took_s


def kill_clock(field: Field, times: int) -> Found:
    """A second clock waits for the first one's lock; whichever ticks is killed."""
    field.keeper.start(replace(process("clock", field.config), name="clock-2"))
    field.start_book()
    for at in range(times):
        field.pause(2 * GAP_S)
        field.kill("clock-2" if at % 2 else "clock")
    return {}


def poison(field: Field, times: int) -> Found:
    """Fails alone after four deaths at most; everything else is spoken, and no worker is held for it."""
    at = field.chance.sample(range(300), times)
    book = field.start_book(300, odd=dict.fromkeys(at, "was given arsenic"))
    eventually(lambda: all_ended(field, book), within_s=300)
    with field.begin() as session:
        mine = and_(Segment.project_id == book, Segment.spoken.contains("arsenic"))
        deaths = session.scalars(select(func.max(Segment.attempts)).where(mine)).one()
        holds = session.scalars(
            select(func.count()).select_from(Worker).where(Worker.hold.is_not(None))
        ).one()
    give_out(field, book)
    return {"deaths_each": deaths, "held": holds}


def all_ended(field: Field, book: int) -> bool:
    with field.begin() as session:
        unplanned = and_(Chapter.project_id == book, Chapter.state == ChapterState.DRAFT)
        unended = and_(Segment.project_id == book, Segment.state.in_(["ready", "leased"]))
        return not session.scalar(
            select(exists(select(Chapter.id).where(unplanned)) | exists(select(Segment.id).where(unended)))
        )


def give_out(field: Field, book: int) -> None:
    """Press “give it out without” wherever a chapter is held."""
    with field.begin() as session:
        holding = and_(Chapter.project_id == book, Chapter.state == ChapterState.HELD)
        for chapter in session.scalars(select(Chapter.id).where(holding)):
            chapters.waive(session, chapter)


def bad_worker(field: Field, times: int) -> Found:
    """Held after three failures in a row; released by a person who mended nothing, it is held again."""
    field.start_book()
    kinds = {"fails": Card(CARD_4090 + ",fail=keeper"), "mute": Card(CARD_4090 + ",mute=keeper")}
    field.add(kinds)
    noticed = []
    for at in range(times):
        name = sorted(kinds)[at % 2]
        noticed.append(until(lambda name=name: on_hold(field, name), within_s=60))
        with field.begin() as session:
            steering.release(session, field.worker_id(name))
        field.pause(GAP_S)
    return {"noticed_s": worst(noticed)}


def on_hold(field: Field, name: str) -> bool:
    with field.begin() as session:
        return session.scalars(select(Worker.hold).where(Worker.name == name)).one() is not None


def bucket_by_road(stack: ExitStack) -> dict[str, Any]:
    """A bucket on a real S3 protocol server, reached by a road; more settings of the field."""
    endpoint = stack.enter_context(s3_server())
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="books")
    target = urlsplit(endpoint)
    road = stack.enter_context(Road((str(target.hostname), target.port or 0)))
    url = f"s3://books/farm?endpoint=http://127.0.0.1:{road.port}&region=us-east-1"
    stall_s = Settings().stall_s  # as it is: the time-outs of HTTP, which it must exceed, are no tenth either
    return {"store_url": url, "more_roads": {"store": road}, "stall_s": stall_s}


def lose_store(field: Field, times: int) -> Found:
    """Cut off or silent for half a minute, the tenth time for ten; in between 5 % of answers are a 503."""
    field.start_book()
    road = field.roads["store"]
    road.instead = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for at in range(times):
        if at == 9:
            field.start_book(300)
        road.loses = 0.05
        field.pause(GAP_S)
        road.loses = 0.0
        (road.block if at % 2 else road.close)()
        time.sleep((600 if at == 9 else 30) / SCALE)
        road.open()
    return {}


def small_disks(stack: ExitStack, folder: Path) -> None:
    """What the servers and one worker write to is a small disk of its own."""
    for path, size in ((folder / "farm/servers", "600m"), (folder / "farm/servers/redis", "32m")):
        stack.enter_context(disk(path, size, service_user()))
    stack.enter_context(disk(folder / "a3060", "64m"))


def fill_disks(field: Field, times: int) -> Found:
    """Each in turn is filled for a while, then emptied: the farm goes on by itself."""
    field.start_book()
    servers = field.folder / "farm/servers"
    noticed, back = [], []
    for at in range(times):
        field.pause(GAP_S)
        ballast = fill((field.folder / "a3060", servers / "redis", servers)[at % 3])
        if at % 3 == 0:
            noticed.append(until(lambda: is_out(field, "a3060"), within_s=60))
        else:
            time.sleep(60 / SCALE)
        ballast.unlink()
        back.append(served_again(field))
    return {"noticed_s": worst(noticed), "back_s": worst(back)}


def is_out(field: Field, name: str) -> bool:
    """Whether a worker says that it cannot work, and has nothing in hand."""
    return state_of(field, name) == WorkerState.ERROR and held(field.begin, field.worker_id(name)) is None


def state_of(field: Field, name: str) -> str:
    with field.begin() as session:
        return session.scalars(select(Worker.state).where(Worker.name == name)).one()


def wrong_clock(field: Field, times: int) -> Found:
    """Leases are dated by the database alone."""
    field.start_book()
    for at in range(times):
        name = sorted(field.crew)[at % len(field.crew)]
        field.clocks[name].set(field.chance.choice((-300, 300)))
        field.pause(GAP_S)
    return {}


def rolling(field: Field, times: int) -> Found:
    """Every worker in turn is drained, put to sleep, or ended as for an upgrade, while the others go on."""
    field.start_book()
    away = []
    for at in range(times):
        name = sorted(field.crew)[at % len(field.crew)]
        if at % 3 == 2:
            field.upgrade(name)
        else:
            wish(field, name, Desired.DRAIN if at % 3 == 0 else Desired.SLEEP, at_once=at % 2 == 0)
            eventually(lambda name=name: state_of(field, name) == WorkerState.ASLEEP)
            wish(field, name, Desired.RUN)
        field.pause(0)
        away.append(
            until(lambda name=name: held(field.begin, field.worker_id(name)) is not None, within_s=60)
        )
    return {"away_s": worst(away)}


def wish(field: Field, name: str, desired: Desired, *, at_once: bool = False) -> None:
    with field.begin() as session:
        steering.wish(session, field.worker_id(name), desired, at_once=at_once)


def compete(field: Field, times: int) -> Found:
    """Short books come one after the other beside a long one: how many waited more than two batches."""
    field.start_book(2000)
    waited = []
    for _ in range(times):
        field.pause(field.config.batch_s)
        short = field.start_book(20)
        eventually(lambda short=short: planned(field, short))
        waited.append(until(lambda short=short: heard(field, short), within_s=60))
    return {"late": sum(wait_s > 2 * field.config.batch_s for wait_s in waited), "first_s": worst(waited)}


def planned(field: Field, book: int) -> bool:
    with field.begin() as session:
        return session.scalar(select(Segment.id).where(Segment.project_id == book).limit(1)) is not None


def heard(field: Field, book: int) -> bool:
    with field.begin() as session:
        done = and_(Segment.project_id == book, Segment.state == "done")
        return session.scalar(select(Segment.id).where(done).limit(1)) is not None
