"""A project with everything the API shows: chapters, a take, subtitles, releases, history."""

from dataclasses import dataclass

from builders import chapter, project
from sqlalchemy import insert
from sqlalchemy.orm import Session

from farm.storage import Store
from farm.tables import Chapter, Event, Project, Release, Segment, Source, Take

SOUND = bytes(range(256)) * 8


@dataclass(frozen=True)
class Book:
    project: int
    chapter: int
    segment: int
    failed: int
    release: int


def finished(session: Session, store: Store) -> Book:
    """A running project: one chapter is done, the other held for a failed segment."""
    book = project(session)
    describe(session, book, store)
    done, held = chapter(session, book, ["a", "b"]), chapter(session, book, ["c", "d"], position=1)
    master(session, done, store)
    held.state, held.segments_failed = "held", 1
    failed = session.query(Segment).filter_by(chapter_id=held.id, position=0).one()
    failed.state = "failed"
    failed.failure = {"template": "{reason} ({kind})", "values": {"reason": "no voice", "kind": "engine"}}
    store.put("releases/1/1.0.m4b", SOUND)
    bound = Release(
        project_id=book.id, format="m4b", name="书 “one”.m4b", object="releases/1/1.0.m4b", size=len(SOUND)
    )
    session.add(bound)
    session.flush()
    first = session.query(Segment).filter_by(chapter_id=done.id, position=0).one()
    return Book(book.id, done.id, first.id, failed.id, bound.id)


def describe(session: Session, book: Project, store: Store) -> None:
    store.put("covers/1.1.png", b"\x89PNG\r\n\x1a\n rest")
    book.cover = "covers/1.1.png"
    said = {"template": "{title} appears twice.", "values": {"title": "第16回"}}
    book.reading = {
        "characters": 40,
        "oddities": [said],
        "removed": [{"reason": said, "characters": 3, "sample": "abc"}],
        "encoding": {"name": "gb18030", "replaced": 0, "sample": "红楼梦"},
    }
    source = {"position": 0, "filename": "a.txt", "object": "uploads/a", "size": 3, "sha256": "0"}
    session.execute(insert(Source).values(project_id=book.id, **source))
    session.execute(insert(Event).values(project_id=book.id, what={"moved": "running"}))


def master(session: Session, done: Chapter, store: Store) -> None:
    for at, segment in enumerate(session.query(Segment).filter_by(chapter_id=done.id).order_by("position")):
        name = f"takes/aa/{segment.take_key}.1.flac"
        store.put(name, SOUND)
        session.add(Take(key=segment.take_key, object=name, size=len(SOUND), seconds=1.0 + at, seed=0))
        segment.state = "done"
    done.state, done.segments_done, done.length_done, done.seconds = "done", 2, done.length, 3.5
    done.mastered = {"loudness": {"lufs": -19.0, "noise_db": None}, "placed": [[0.5, 1.5], [1.7, 3.4]]}
    for ending in ("m4a", "srt", "vtt"):
        store.put(f"chapters/1/1.1.{ending}", SOUND)
    done.files = {ending: f"chapters/1/1.1.{ending}" for ending in ("m4a", "srt", "vtt")}
