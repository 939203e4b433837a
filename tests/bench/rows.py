"""Many rows at once: running projects full of segments, and workers that were heard of just now."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, cast, func, insert, literal, select, text, true, update
from sqlalchemy.orm import Session

from farm import workers
from farm.db import now
from farm.planning import RANKS
from farm.protocol import PROTOCOL
from farm.tables import Chapter, Project, Segment, SegmentState, Worker, WorkerState
from farm.workers import Beat
from tests import builders

SENTENCE = "他说今天要回家吃饭。"
PER_CHAPTER = 100


def books(session: Session, chapters: Sequence[int], length: float = len(SENTENCE)) -> None:
    """A running project for each number of chapters, with a hundred ready segments a chapter; all differ.

    `length` is a segment's, in spoken characters.
    """
    made = [builders.project(session, title=f"Book {n + 1}") for n in range(len(chapters))]
    counted = zip(made, chapters, strict=True)
    found = [chapter(book, at, length) for book, count in counted for at in range(count)]
    session.execute(insert(Chapter), found)
    fill(session, length)
    session.execute(text("ANALYZE"))


def shared(segments: int, projects: int) -> list[int]:
    """How many chapters each project gets for so many segments in all."""
    return [max(1, segments // projects // PER_CHAPTER)] * projects


def chapter(book: Project, position: int, length: float) -> dict[str, object]:
    return {
        "project_id": book.id,
        "position": position,
        "kind": "chapter",
        "title": f"Chapter {position + 1}",
        "volume": "",
        "text": SENTENCE * PER_CHAPTER,
        "characters": PER_CHAPTER * len(SENTENCE),
        "included": True,
        "state": "planned",
        "segments": PER_CHAPTER,
        "length": PER_CHAPTER * length,
    }


def fill(session: Session, length: float) -> None:
    """The segments of every chapter."""
    at = func.generate_series(0, PER_CHAPTER - 1).table_valued("at").render_derived()
    take_key = func.encode(func.sha256(func.convert_to(func.concat(Chapter.id, "-", at.c.at), "UTF8")), "hex")
    values = {
        Segment.project_id: Chapter.project_id,
        Segment.chapter_id: Chapter.id,
        Segment.position: at.c.at,
        Segment.rank: cast(Chapter.position, BigInteger) * RANKS + at.c.at,
        Segment.role: literal("narrator"),
        Segment.language: literal("zh"),
        Segment.display: literal(SENTENCE),
        Segment.spoken: literal(SENTENCE),
        Segment.after: literal("sentence"),
        Segment.length: literal(length),
        Segment.sentences: literal([[len(SENTENCE), length]], Segment.sentences.type),
        Segment.state: literal(SegmentState.READY.value),
        Segment.take_key: take_key,
    }
    session.execute(
        insert(Segment).from_select(list(values), select(*values.values()).join_from(Chapter, at, true()))
    )


def crew(session: Session, count: int, speed: float) -> list[str]:
    """Workers of that speed, heard of for as long as a bench lasts; their secrets."""
    secrets = [workers.enrol(session, f"worker-{n + 1}", "cpu", local=True) for n in range(count)]
    for secret in secrets:
        made = workers.known(session, secret)
        report = Beat(WorkerState.BUSY, builders.ENGINE, builders.PIN["fingerprint"], PROTOCOL, {})
        workers.beat(session, made, report)
    session.execute(update(Worker).values(speed=speed, last_seen=now + timedelta(days=1)))
    return secrets
