"""Render jobs for tests that speak: rows that wait, and a way through the real API with a door in it."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

import models
from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app
from farm import jobs, workers
from farm.protocol import PROTOCOL
from farm.tables import JobKind, Project, Segment, Worker, WorkerState
from farm.workers import Beat
from tests import builders

SENTENCE = "他说今天要回家吃饭。"
ENGINE = "simulated:speed=inf"
FINGERPRINT = models.load(ENGINE).fingerprint


def book(session: Session, segments: int, sentence: str = SENTENCE) -> Project:
    """A running project for the simulated engine, with so many segments that are ready."""
    made = builders.project(session)
    made.engine, made.pin = "simulated", {"fingerprint": FINGERPRINT, "precision": "fp16"}
    keys = [f"{made.id:04d}-{at:04d}" for at in range(segments)]
    builders.chapter(session, made, keys)
    for segment in session.scalars(select(Segment).where(Segment.project_id == made.id)):
        segment.language, segment.spoken, segment.display = "zh", sentence, sentence
    return made


def job(session: Session, project: Project, segments: int) -> tuple[int, str]:
    """A render job with the next ready segments, as the dispatcher would write it: its id and token."""
    made = jobs.write(session, JobKind.RENDER, project.id, queue=jobs.render_queue("24g"))
    ready = select(Segment).where(Segment.project_id == project.id, Segment.state == "ready")
    for segment in session.scalars(ready.order_by(Segment.rank).limit(segments)):
        segment.state, segment.job_id = "leased", made.id
    session.flush()
    return made.id, made.token


def enrolled(session: Session, name: str = "w1", *, local: bool = False) -> str:
    """The secret of a worker that is ready, and reaches the store by signed addresses."""
    secret = workers.enrol(session, name, "24g", local=local)
    beat = Beat(WorkerState.READY, "simulated", FINGERPRINT, PROTOCOL, {})
    workers.beat(session, workers.known(session, secret), beat)
    session.query(Worker).filter_by(name=name).one().speed = 1000.0
    return secret


class Door:
    """In front of the worker API: what begins with one of `shut` is answered 503.

    `rung`: what answers to beats say of a doorbell that nobody hears.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.shut: tuple[str, ...] = ()
        self.rung: float | None = None
        self.rung: float | None = None
        self.asked: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path.startswith(self.shut or ("\0",)):
            start_response("503 Service Unavailable", [("Content-Type", "application/json")])
            return [b'{"error": "It is away."}']
        if self.rung is not None and path.endswith("/beat"):
            return self.answered(environ, start_response)
        return self.app(environ, start_response)  # type: ignore[no-any-return]

    def answered(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        content, status, _ = run_wsgi_app(self.app, environ)
        answer = json.dumps({**json.loads(b"".join(content)), "rung": self.rung}).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]


@contextmanager
def open_door(have: Belongings) -> Iterator[tuple[Door, str]]:
    """The worker API on a port of its own; the door in front of it, and its address."""
    door = Door(create_worker_app(have))
    server = make_server("127.0.0.1", 0, door, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield door, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
