"""One manuscript in, finished files out: what `farm render` does, on any farm that runs."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import chapters, progress, projects, publish
from farm.casting import recordings_in
from farm.db import Begin
from farm.errors import Conflict, FarmError, Rejected
from farm.messages import Message
from farm.progress import Progress
from farm.projects import Upload
from farm.storage import Store
from farm.sweep import UPLOADS
from farm.tables import ChapterState, Project, ProjectState

POLL_S = 0.25
LOADING_S = 30.0  # a worker that was just started may still be loading its engine
ENDS = {"book": "m4b", "course": "zip"}

Watch = Callable[[Project, Progress], None]


@dataclass(frozen=True)
class Request:
    """What a person asks for. `chapters` are numbers from 1 in the review's order; empty: the usual ones."""

    files: tuple[Path, ...]
    kind: str = "book"
    engine: str = "preview"
    encoding: str | None = None
    chapters: tuple[int, ...] = ()
    changes: Mapping[str, object] = field(default_factory=dict)
    voices: Mapping[str, object] = field(default_factory=dict)
    """What the roles of `changes` are cast with now: a recording may be another under the same name."""

    directions: Mapping[str, Any] = field(default_factory=dict)
    """How its roles speak, with the recordings whose emotions are taken as they are now."""

    def key(self, hashes: Sequence[str]) -> str:
        """The same for the same request, so that asking again goes on where the last run was stopped."""
        asked = {**asdict(self), "files": list(hashes)}
        if not recordings_in(self.voices):  # a preset is its name
            del asked["voices"]
        if not recordings_in({}, self.directions):
            del asked["directions"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def render(begin: Begin, store: Store, request: Request, out: Path, watch: Watch) -> list[Path]:
    """Make the files, or fetch them if they are made already; where they are. Raises FarmError."""
    project_id = asked_for(begin, store, request)
    follow(begin, project_id, request, watch)
    return collect(begin, store, project_id, request, out)


def asked_for(begin: Begin, store: Store, request: Request) -> int:
    """The project of an earlier run with the same request, or a new one."""
    hashes = [digest(path) for path in request.files]
    key = request.key(hashes)
    with begin() as session:
        statement = select(Project).where(Project.request == key, Project.state != ProjectState.DRAFT)
        earlier = session.scalar(statement.order_by(Project.id.desc()).limit(1))
        if earlier is not None:
            revive(session, earlier)
            return earlier.id
    uploads = [put(store, path, sha256) for path, sha256 in zip(request.files, hashes, strict=True)]
    with begin() as session:
        made = projects.create(
            session, uploads, kind=request.kind, engine=request.engine, encoding=request.encoding
        )
        made.request = key
        return made.id


def revive(session: Session, project: Project) -> None:
    """Go on with what was paused, cancelled or had failed parts: asking again means trying again."""
    if project.state in (ProjectState.PAUSED, ProjectState.CANCELLED):
        projects.resume(session, project.id)
    if project.failure:
        projects.retry(session, project.id)
    for chapter in chapters.of_project(session, project.id):
        if chapter.state == ChapterState.HELD:
            chapters.retry(session, chapter.id)


def digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise Rejected("{path} cannot be read: {reason}.", path=str(path), reason=e.strerror) from e


def put(store: Store, path: Path, sha256: str) -> Upload:
    name = f"{UPLOADS}/{secrets.token_hex(16)}"
    store.put(name, path)
    return Upload(path.name, name, path.stat().st_size, sha256)


def follow(begin: Begin, project_id: int, request: Request, watch: Watch) -> None:
    """Start the project when it has been read, and wait until it is finished. Raises what stops it."""
    patient_until = time.monotonic() + LOADING_S
    while True:
        with begin() as session:
            project = projects.find(session, project_id)
            if project.failure:
                raise Rejected("{reason}", reason=str(Message.from_json(project.failure)))
            if project.state == ProjectState.REVIEW:
                try:
                    begin_work(session, project, request)
                except projects.NobodySpeaks:
                    if time.monotonic() > patient_until:
                        raise
            now = progress.of_projects(session, [project])[project_id]
            stuck = held(session, project_id)
        watch(project, now)
        if project.state == ProjectState.FINISHED:
            return
        if project.state == ProjectState.CANCELLED or stuck:
            raise stuck or Conflict("{title} was cancelled.", title=project.title)
        time.sleep(POLL_S)


def begin_work(session: Session, project: Project, request: Request) -> None:
    found = chapters.of_project(session, project.id)
    if request.chapters:
        if unknown := [number for number in request.chapters if not 0 < number <= len(found)]:
            raise Rejected("There is no chapter {n}; there are {count}.", n=unknown[0], count=len(found))
        for number, chapter in enumerate(found, 1):
            chapter.included = number in request.chapters
    projects.edit(session, project.id, request.changes)
    projects.start(session, project.id)


def held(session: Session, project_id: int) -> FarmError | None:
    """Why nothing will happen any more, once every chapter is done or held."""
    ticked = [chapter for chapter in chapters.of_project(session, project_id) if chapter.included]
    stuck = [chapter for chapter in ticked if chapter.state == ChapterState.HELD]
    if not stuck or any(chapter.state not in (ChapterState.DONE, ChapterState.HELD) for chapter in ticked):
        return None
    reasons = [str(Message.from_json(chapter.failure)) for chapter in stuck if chapter.failure]
    failed = chapters.failed_segments(session, project_id)
    reasons += [f"{s.display.strip()[:60]}: {Message.from_json(s.failure)}" for s in failed[:3] if s.failure]
    return Conflict(
        "{n} chapters are held because parts of them failed: {reasons}. Ask again to try them again.",
        n=len(stuck),
        reasons="; ".join(reasons),
    )


def collect(begin: Begin, store: Store, project_id: int, request: Request, out: Path) -> list[Path]:
    """Copy the finished files to `out`; of several parts, each gets its number."""
    with begin() as session:
        found = [r for r in publish.of_project(session, project_id) if r.format == ENDS[request.kind]]
    targets = [out] if len(found) == 1 else [numbered(out, at, len(found)) for at in range(len(found))]
    for release, target in zip(found, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.part")
        with store.open(release.object) as body, partial.open("wb") as file:
            file.writelines(body)
        partial.replace(target)
    return targets


def numbered(out: Path, at: int, parts: int) -> Path:
    return out.with_name(f"{out.stem} ({at + 1} of {parts}){out.suffix}")
