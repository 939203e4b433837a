"""Segments a second through dispatch, claim and accept, with an engine that takes no time."""

import hashlib
import io
import os
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select

import models
from farm import takes
from farm.audio.flac import write_flac
from farm.db import Begin, beginner
from farm.dispatch import Plan, tick
from farm.engine import Speech, Utterance, VoicePrint
from farm.jobs import HOUSE, Times
from farm.tables import Chapter, Segment
from models.bench.figures import Figure
from tasks.client import FarmClient
from tasks.delivery import MOST_TOGETHER
from tests.bench import rows
from tests.bench.options import Options
from tests.bench.service import serving

WORKERS = 4
SPEED = 300.0  # x realtime: batches as large as they get
PROJECTS = 4
TICK_S = 1.0
PLAN = Plan(Times(), batch_s=30.0, house_depth=4)

Doorbells = queue.SimpleQueue[tuple[int, str] | None]
"""Job and token; None sends a worker home."""


def run(options: Options) -> list[Figure]:
    with serving() as farm:
        begin = beginner(farm.settings.database_url)
        with begin() as session:
            rows.books(session, rows.shared(options.segments, PROJECTS))
            secrets = rows.crew(session, WORKERS, SPEED)
        shelf = Shelf(begin, Path(farm.settings.store))
        since = time.monotonic()
        carry(farm.settings.worker_api, begin, secrets, shelf)
        took_s = time.monotonic() - since
        done = segments_done(begin)
    return [
        Figure("dispatch → claim → accept", done / took_s, "segments/s", least=500, said=f"{done} segments"),
        Figure("beside it: takes put in place", shelf.spent_s, "s", said="not subtracted"),
    ]


class Shelf:
    """Takes already spoken: one file of FLAC, linked to where each job's uploads would be."""

    def __init__(self, begin: Begin, store: Path) -> None:
        self.begin, self.store = begin, store
        self.spent_s = 0.0
        engine = models.load("simulated:speed=inf")
        ((_, speech),) = engine.speak([Utterance(rows.SENTENCE, "zh", VoicePrint.of({}))], lambda: False)
        assert isinstance(speech, Speech)
        content = io.BytesIO()
        write_flac(content, speech.audio)
        self.file = store / "take.flac"
        self.file.write_bytes(content.getvalue())
        self.result = {
            "size": len(content.getvalue()),
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
            "seconds": speech.audio.seconds,
            "busy_s": speech.audio.seconds / SPEED,
            "seed": 0,
        }

    def put(self, job_id: int) -> None:
        since = time.monotonic()
        with self.begin() as session:
            keys = session.scalars(select(Segment.take_key).where(Segment.job_id == job_id)).all()
        for key in filter(None, keys):
            name = self.store / takes.object_name(key, job_id)
            name.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.file, name)
        self.spent_s += time.monotonic() - since


def carry(worker_api: str, begin: Begin, secrets: Sequence[str], shelf: Shelf) -> None:
    """Tick as the clock does, once a second and when a job ends, until every segment is done."""
    doorbells, ended = Doorbells(), threading.Event()

    def publish(queue: str, job_id: int, token: str) -> None:
        if queue != HOUSE:
            shelf.put(job_id)
            doorbells.put((job_id, token))

    clients = [FarmClient(worker_api, secret) for secret in secrets]
    crew = [threading.Thread(target=work, args=(client, shelf, doorbells, ended)) for client in clients]
    for thread in crew:
        thread.start()
    while segments_done(begin) < segments_in_all(begin):
        tick(begin, publish, PLAN)
        ended.wait(TICK_S)
        ended.clear()
    for _ in crew:
        doorbells.put(None)
    for thread in crew:
        thread.join()


def work(client: FarmClient, shelf: Shelf, doorbells: Doorbells, ended: threading.Event) -> None:
    """A render worker whose engine takes no time, so that its micro-batches are as large as they get."""
    while (rung := doorbells.get()) is not None:
        claimed = client.claim(*rung)
        if claimed is None:
            continue
        segments = [segment["id"] for segment in claimed["segments"]]
        for start in range(0, len(segments), MOST_TOGETHER):
            results = [{"segment": id, **shelf.result} for id in segments[start : start + MOST_TOGETHER]]
            client.accept(*rung, results, last=start + MOST_TOGETHER >= len(segments))
        ended.set()


def segments_done(begin: Begin) -> int:
    with begin() as session:
        return session.scalars(select(func.sum(Chapter.segments_done))).one()


def segments_in_all(begin: Begin) -> int:
    with begin() as session:
        return session.scalars(select(func.sum(Chapter.segments))).one()
