"""Publish: mastered chapters become what is downloaded, and a report that says what is in it."""

import json
import re
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from farm import chapters, jobs, mastering, states
from farm.audio.bind import bind_m4b
from farm.audio.mastering import MasteringSettings, encode_mp3
from farm.audio.parts import Part, split_parts
from farm.audio.tags import BookTags
from farm.db import now
from farm.errors import Conflict, NotFound
from farm.tables import Chapter, ChapterState, JobKind, Project, ProjectState, Release, Segment, SegmentState
from farm.work import Work

RELEASES = "releases"
LARGEST_COVER = 20 * 2**20  # bytes


def run(work: Work) -> None:
    """Bind the whole project, or make the one file a person asked for."""
    with tempfile.TemporaryDirectory() as folder:
        if work.job.payload.get("format") == "mp3":
            one_mp3(work, Path(folder))
        else:
            everything(work, Path(folder))


def everything(work: Work, folder: Path) -> None:
    with work.begin() as session:
        project = session.get_one(Project, work.job.project_id)
        parts = [chapter for chapter in chapters.of_project(session, project.id) if chapter.included]
        failed = failures(session, project.id)
    make = course_zip if project.kind == "course" else audiobook
    releases = make(work, project, parts, folder)
    content = json.dumps(report(project, parts, failed), ensure_ascii=False, indent=2).encode()
    releases.append(release(work, "report", "report.json", content))
    with work.finishing() as session:
        session.execute(delete(Release).where(Release.project_id == project.id, Release.chapter_id.is_(None)))
        session.add_all(releases)
        published = Project.id == project.id
        states.move(
            session,
            Project,
            published,
            ProjectState.RUNNING,
            ProjectState.FINISHED,
            finished_at=now,
            failure=None,
        )


def audiobook(work: Work, project: Project, done: Sequence[Chapter], folder: Path) -> list[Release]:
    """One M4B, or several where there are volumes or more hours than a player can hold."""
    cover = work.store.read(project.cover, LARGEST_COVER) if project.cover else None
    lengths = [(chapter.title, chapter.volume, chapter.seconds or 0.0) for chapter in done]
    parts = split_parts(project.title, lengths)
    releases = []
    for at, part in enumerate(parts):
        chosen = [done[index] for index in part.indices]
        bound = folder / "book.m4b"
        bind_m4b(fetched(work, chosen, folder), book_tags(project, part), cover, bound)
        seconds = sum(chapter.seconds or 0.0 for chapter in chosen)
        releases.append(release(work, "m4b", f"{filename(part.name)}.m4b", bound, seconds, at))
        work.progress((at + 1) / len(parts))
    return releases


def fetched(work: Work, chosen: Sequence[Chapter], folder: Path) -> list[tuple[str, Path]]:
    files = []
    for chapter in chosen:
        local = folder / f"{chapter.id}.m4a"
        work.store.fetch(chapter.files["m4a"], local)
        files.append((chapter.title, local))
    return files


def book_tags(project: Project, part: Part) -> BookTags:
    return BookTags(
        title=part.name,
        author=project.author,
        narrator=project.narrator,
        language=project.language,
        description=project.description,
    )


def course_zip(work: Work, project: Project, lessons: Sequence[Chapter], folder: Path) -> list[Release]:
    """MP3, SRT and VTT of each lesson, numbered so that any file manager shows them in order."""
    bound = folder / "course.zip"
    width = len(str(len(lessons)))
    with zipfile.ZipFile(bound, "w", zipfile.ZIP_STORED) as archive:
        for number, lesson in enumerate(lessons, 1):
            name = f"{number:0{width}d} {filename(lesson.title)}"
            for ending in ("mp3", "srt", "vtt"):
                local = folder / "member"
                work.store.fetch(lesson.files[ending], local)
                archive.write(local, f"{name}.{ending}")
            work.progress(number / len(lessons))
    seconds = sum(lesson.seconds or 0.0 for lesson in lessons)
    return [release(work, "zip", f"{filename(project.title)}.zip", bound, seconds)]


def one_mp3(work: Work, folder: Path) -> None:
    """A chapter's MP3, from its takes, with the gain its mastering found."""
    with work.begin() as session:
        project = session.get_one(Project, work.job.project_id)
        chapter = chapters.find(session, work.job.chapter_id or 0)
    if chapter.mastered is None:
        raise Conflict("{title} is not mastered yet.", title=chapter.title)
    made = folder / "chapter.mp3"
    clips = [segment.clip for segment in mastering.spoken_segments(work, chapter.id)]
    settings = MasteringSettings.from_json(project.mastering)
    gain_db = chapter.mastered["loudness"]["gain_db"]
    encode_mp3(clips, gain_db, made, settings, mastering.tags(project, chapter), work.progress)
    finished = release(
        work, "mp3", f"{chapter.position + 1:03d} {filename(chapter.title)}.mp3", made, chapter.seconds
    )
    finished.chapter_id = chapter.id
    with work.finishing() as session:
        mine = (Release.chapter_id == chapter.id, Release.format == "mp3")
        session.execute(delete(Release).where(*mine))
        session.add(finished)


def request_mp3(session: Session, chapter_id: int) -> Release | None:
    """The chapter's MP3, or None once it is being made. Raises Conflict when the chapter is not mastered."""
    chapter = chapters.find(session, chapter_id)
    if chapter.state != ChapterState.DONE:
        raise Conflict("{title} is not mastered yet.", title=chapter.title)
    made = session.scalar(select(Release).where(Release.chapter_id == chapter_id, Release.format == "mp3"))
    if made is None and not jobs.underway(session, JobKind.PUBLISH, chapter_id):
        jobs.write(session, JobKind.PUBLISH, chapter.project_id, chapter_id, payload={"format": "mp3"})
    return made


def release(
    work: Work, kind: str, name: str, source: Path | bytes, seconds: float | None = None, at: int = 0
) -> Release:
    """Store a finished file; its object's name is plain, its own name is what a person sees."""
    ending = name.rsplit(".", 1)[-1]
    stored = f"{RELEASES}/{work.job.project_id}/{work.job.id}.{at}.{ending}"
    work.store.put(stored, source)
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    return Release(
        project_id=work.job.project_id, format=kind, name=name, object=stored, size=size, seconds=seconds
    )


def filename(title: str) -> str:
    """A title as a file name on any system."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]+', " ", title).strip(" .")[:120] or "untitled"


def failures(session: Session, project_id: int) -> list[dict[str, Any]]:
    """Segments that were given out unspoken, with their reasons."""
    missing = select(Segment.chapter_id, Segment.display, Segment.failure)
    rows = session.execute(
        missing.where(Segment.project_id == project_id, Segment.state == SegmentState.FAILED)
    )
    return [{"chapter": chapter, "text": display, "reason": failure} for chapter, display, failure in rows]


def report(project: Project, done: Sequence[Chapter], failed: list[dict[str, Any]]) -> dict[str, Any]:
    """What the release holds, chapter by chapter: seconds, loudness (null in digital silence), segments."""
    return {
        "title": project.title,
        "author": project.author,
        "narrator": project.narrator,
        "language": project.language,
        "engine": project.engine,
        "pin": project.pin,
        "seconds": round(sum(chapter.seconds or 0.0 for chapter in done), 3),
        "chapters": [chapter_report(chapter, failed) for chapter in done],
    }


def chapter_report(chapter: Chapter, failed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": chapter.title,
        "volume": chapter.volume,
        "seconds": round(chapter.seconds or 0.0, 3),
        "characters": chapter.characters,
        "segments": chapter.segments,
        "loudness": (chapter.mastered or {}).get("loudness"),
        "unspoken": [
            {"text": item["text"], "reason": item["reason"]}
            for item in failed
            if item["chapter"] == chapter.id
        ],
    }


def file_of(session: Session, chapter_id: int, ending: str) -> tuple[str, str]:
    """The object of a mastered chapter's m4a, srt, vtt or mp3, and its name for people. Raises NotFound."""
    chapter = chapters.find(session, chapter_id)
    made = select(Release.object).where(Release.chapter_id == chapter_id, Release.format == ending)
    found = chapter.files.get(ending) or session.scalar(made.limit(1))
    if found is None:
        raise NotFound(
            "{title} has no {ending} file yet. It is there once the chapter is mastered.",
            title=chapter.title,
            ending=ending,
        )
    return found, f"{chapter.position + 1:03d} {filename(chapter.title)}.{ending}"


def find(session: Session, release_id: int) -> Release:
    found = session.get(Release, release_id)
    if found is None:
        raise NotFound("There is no file {release} to download.", release=release_id)
    return found


def of_project(session: Session, project_id: int) -> list[Release]:
    return list(session.scalars(select(Release).where(Release.project_id == project_id).order_by(Release.id)))


def of_projects(session: Session, project_ids: Sequence[int]) -> dict[int, list[Release]]:
    """What each finished project is downloaded as: its books or its course, not its report."""
    whole = (Release.project_id.in_(project_ids), Release.format.in_(["m4b", "zip"]))
    found: dict[int, list[Release]] = {project_id: [] for project_id in project_ids}
    for bound in session.scalars(select(Release).where(*whole).order_by(Release.id)):
        found[bound.project_id].append(bound)
    return found
