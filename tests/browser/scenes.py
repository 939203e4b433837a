"""A farm's database with a project in every state, with real sound, for the browser to look at."""

import io
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import chapters, planning, voices, workers
from farm.audio.flac import write_flac
from farm.audio.mastering import Clip, MasteringSettings, master
from farm.engine import Audio
from farm.importing import reading, rows
from farm.manuscript import read
from farm.manuscript.parts import Manuscript
from farm.messages import Message
from farm.protocol import PROTOCOL
from farm.storage import Store
from farm.tables import Chapter, Project, Release, Segment, Take, Worker, WorkerState
from farm.workers import Beat

NAMES = ("refused", "reading", "hostile", "review", "epub", "paused", "finished", "running")
RATE = 22_050
FINGERPRINT = "f1"
HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
REASON = Message("The take is silent.")


def murmur(seconds: float, seed: int = 0) -> Audio:
    """Something with the shape of speech: noise in syllables."""
    at = np.arange(int(seconds * RATE)) / RATE
    syllables = np.abs(np.sin(np.pi * 3.1 * at)) ** 2 * (0.4 + 0.6 * np.abs(np.sin(0.7 * at + seed)))
    noise = np.random.default_rng(seed).standard_normal(at.size)
    return Audio((0.08 * syllables * noise).astype(np.float32), RATE)


def flac(audio: Audio) -> bytes:
    content = io.BytesIO()
    write_flac(content, audio)
    return content.getvalue()


@cache
def read_once(path: Path) -> Manuscript:
    return read(path, path.name)


def crew(session: Session) -> None:
    """One worker that is awake and speaks 41 times as fast as it sounds."""
    secret = workers.enrol(session, "attic", "cpu", local=True)
    worker = workers.known(session, secret)
    workers.beat(session, worker, Beat(WorkerState.READY, "preview", FINGERPRINT, PROTOCOL, {}))
    session.get_one(Worker, worker.id).speed = 41.0


def book(session: Session, store: Store, path: Path, state: str, *, take: int | None = None) -> Project:
    """A project with the chapters of a real manuscript, at most `take` of them ticked."""
    manuscript = read_once(path)
    if manuscript.cover:
        store.put(f"covers/{path.stem}.jpg", manuscript.cover.content)
    project = Project(
        kind="book",
        state=state,
        title=manuscript.title or path.stem,
        author=manuscript.author,
        language=manuscript.language,
        engine="preview",
        started_at=datetime.now(UTC) if state in ("running", "paused", "finished") else None,
        pin={"fingerprint": FINGERPRINT, "precision": "fp32"},
        cast={"narrator": voices.preset("narrator").to_json()},
        reading=reading(manuscript),
        cover=f"covers/{path.stem}.jpg" if manuscript.cover else None,
    )
    session.add(project)
    session.flush()
    made = rows(project.id, manuscript)
    for chapter in made if take is None else [part for part in made if part.included][take:]:
        chapter.included = chapter.included and take is None
    session.add_all(made)
    session.flush()
    return project


def plan(session: Session, project: Project, chapter: Chapter) -> list[Segment]:
    text = chapters.preview(session, chapter.id, 700)
    planned = planning.plan_chapter(chapter.title, text, planning.settings_of(project))
    planning.write(session, project, chapter, planned)
    session.refresh(chapter)
    return chapters.segments(session, chapter.id)


def speak(session: Session, store: Store, spoken: list[Segment]) -> list[Audio]:
    """Give segments takes, as if a worker had spoken them."""
    heard = []
    for at, segment in enumerate(spoken):
        audio = murmur(max(0.6, 0.12 * segment.length), at)
        name = f"takes/{segment.take_key}"
        if segment.take_key and session.get(Take, segment.take_key) is None:
            store.put(name, content := flac(audio))
            seconds = audio.samples.size / RATE
            session.add(
                Take(key=segment.take_key, object=name, size=len(content), seconds=seconds, seed=segment.id)
            )
            session.flush()
        segment.state = "done"
        heard.append(audio)
    session.flush()
    return heard


def finish(session: Session, store: Store, project: Project, chapter: Chapter, folder: Path) -> None:
    """Speak and master a chapter for real."""
    spoken = plan(session, project, chapter)
    heard = speak(session, store, spoken)
    out = folder / f"{chapter.id}.m4a"
    clips = [
        Clip(lambda audio=audio: audio, segment.after) for audio, segment in zip(heard, spoken, strict=True)
    ]
    mastered = master(clips, out, MasteringSettings(), lambda _: None)
    name = f"chapters/{project.id}/{chapter.id}.m4a"
    store.put(name, out)
    cues = f"chapters/{project.id}/{chapter.id}"
    store.put(f"{cues}.srt", b"1\n00:00:00,000 --> 00:00:01,000\nA\n")
    store.put(f"{cues}.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nA\n")
    chapter.state = "done"
    chapter.seconds = mastered.duration_s
    placed = [[round(place.start_s, 3), round(place.end_s, 3)] for place in mastered.placed]
    chapter.mastered = {"loudness": asdict(mastered.loudness), "placed": placed}
    chapter.files = {"m4a": name, "srt": f"{cues}.srt", "vtt": f"{cues}.vtt"}
    chapter.segments_done, chapter.length_done = chapter.segments, chapter.length
    session.flush()


def partly(session: Session, store: Store, project: Project, chapter: Chapter, failed: int = 0) -> None:
    """Half of a chapter spoken; the last `failed` of that half could not be."""
    spoken = plan(session, project, chapter)
    half = spoken[: len(spoken) // 2]
    speak(session, store, half[: len(half) - failed])
    for segment in half[len(half) - failed :]:
        segment.state, segment.failure, segment.attempts = "failed", REASON.to_json(), 4
    session.flush()
    chapters.recount(session, [chapter.id])
    session.refresh(chapter)
    chapter.state = "rendering"
    session.flush()


def ticked(session: Session, project: Project) -> list[Chapter]:
    mine = select(Chapter).where(Chapter.project_id == project.id, Chapter.included)
    return list(session.scalars(mine.order_by(Chapter.position)))


def running(session: Session, store: Store, path: Path, folder: Path) -> Project:
    """Two chapters finished, one half spoken, one held, the rest waiting."""
    project = book(session, store, path, "running")
    parts = ticked(session, project)
    for chapter in parts[:2]:
        finish(session, store, project, chapter, folder)
    partly(session, store, project, parts[2])
    partly(session, store, project, parts[3], failed=2)
    parts[3].state = "held"
    plan(session, project, parts[4])
    parts[5].state = "mastering"
    return project


def finished(session: Session, store: Store, path: Path, folder: Path) -> Project:
    project = book(session, store, path, "finished", take=2)
    for chapter in ticked(session, project):
        finish(session, store, project, chapter, folder)
    store.put("releases/1/1.m4b", folder / f"{ticked(session, project)[0].id}.m4a")
    bound = Release(
        project_id=project.id,
        format="m4b",
        name=f"{project.title}.m4b",
        object="releases/1/1.m4b",
        size=51_200_000,
    )
    bound.seconds = sum(chapter.seconds or 0 for chapter in ticked(session, project))
    session.add(bound)
    return project


def fill(session: Session, store: Store, data: Path, folder: Path) -> dict[str, int]:
    """Every scene; the ids of its projects by name, of a finished `chapter` and of one that is `held`."""
    crew(session)
    chinese, english = data / "hongloumeng-1-12.gb18030.txt", data / "moby-dick.epub"
    scenes = {
        "refused": book(session, store, english, "draft", take=0),
        "reading": book(session, store, english, "importing", take=0),
        "hostile": book(session, store, english, "review", take=2),
        "review": book(session, store, chinese, "review"),
        "epub": book(session, store, english, "review"),
        "paused": book(session, store, english, "paused", take=9),
        "finished": finished(session, store, english, folder),
        "running": running(session, store, chinese, folder),
    }
    refused = Message(
        "{name} is not text, or not in an encoding known here. Save it as UTF-8 and choose it again.",
        {"name": "cover.jpg.txt"},
    )
    scenes["refused"].failure = refused.to_json()
    scenes["hostile"].title = scenes["hostile"].author = HOSTILE
    for chapter in ticked(session, scenes["hostile"]):
        chapter.title = HOSTILE
    session.flush()
    parts = ticked(session, scenes["running"])
    return {name: scenes[name].id for name in NAMES} | {"chapter": parts[0].id, "held": parts[3].id}
