"""Rows for tests: a running project with ready segments, a worker that reports."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from farm import workers
from farm.planning import RANKS
from farm.protocol import PROTOCOL
from farm.tables import Chapter, Project, Segment, Worker, WorkerState
from farm.workers import Beat

ENGINE = "simulated"  # computes in the precision of its GPU class, as engines with a net do
PIN = {"fingerprint": "f1", "precision": "fp32"}


def project(
    session: Session, *, title: str = "A book", state: str = "running", priority: int = 50
) -> Project:
    made = Project(
        kind="book",
        state=state,
        title=title,
        language="en",
        engine=ENGINE,
        pin=PIN,
        cast={"narrator": {}},
        priority=priority,
        longest_segment=100,
        weight=1.0,
    )
    session.add(made)
    session.flush()
    return made


def chapter(
    session: Session, book: Project, keys: Sequence[str], *, position: int = 0, length: float = 10.0
) -> Chapter:
    """A planned chapter with one ready segment for each take key."""
    made = Chapter(
        project_id=book.id,
        position=position,
        kind="chapter",
        title=f"Chapter {position + 1}",
        volume="",
        text=" ".join(keys),
        characters=len(keys) * 10,
        included=True,
        state="planned",
        segments=len(keys),
        length=length * len(keys),
    )
    session.add(made)
    session.flush()
    for at, key in enumerate(keys):
        session.add(
            Segment(
                project_id=book.id,
                chapter_id=made.id,
                position=at,
                rank=position * RANKS + at,
                role="narrator",
                language="en",
                display=f"Sentence {key}. ",
                spoken=f"Sentence {key}.",
                after="sentence",
                length=length,
                sentences=[[len(key) + 11, length]],
                state="ready",
                take_key=key,
            )
        )
    session.flush()
    return made


def worker(
    session: Session,
    name: str = "w1",
    gpu_class: str = "cpu",
    speed: float | None = 60.0,
    engine: str = ENGINE,
) -> Worker:
    """A worker that was heard of just now."""
    secret = workers.enrol(session, name, gpu_class, local=True)
    made = workers.known(session, secret)
    workers.beat(session, made, Beat(WorkerState.READY, engine, PIN["fingerprint"], PROTOCOL, {}))
    made.speed = speed
    session.flush()
    session.refresh(made)
    return made
