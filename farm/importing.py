"""Import: an uploaded file becomes chapters to review."""

import tempfile
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from farm import states
from farm.manuscript import read
from farm.manuscript.course import read_course
from farm.manuscript.parts import Cover, Manuscript, visible
from farm.tables import Chapter, ChapterState, Json, Project, ProjectState, Source
from farm.work import Work

COVERS = "covers"


def run(work: Work) -> None:
    with work.begin() as session:
        project = session.get_one(Project, work.job.project_id)
        sources = list(
            session.scalars(select(Source).where(Source.project_id == project.id).order_by(Source.position))
        )
    manuscript = read_sources(work, project.kind, sources)
    cover = keep_cover(work, manuscript.cover)
    with work.finishing() as session:
        project = session.get_one(Project, work.job.project_id)
        describe(project, manuscript, cover)
        session.execute(delete(Chapter).where(Chapter.project_id == project.id))
        session.add_all(rows(project.id, manuscript))
        imported = Project.id == project.id
        states.move(session, Project, imported, ProjectState.IMPORTING, ProjectState.REVIEW, failure=None)


def read_sources(work: Work, kind: str, sources: list[Source]) -> Manuscript:
    with tempfile.TemporaryDirectory() as folder:
        files = [(Path(folder) / str(source.position), source.filename) for source in sources]
        for (path, _), source in zip(files, sources, strict=True):
            work.store.fetch(source.object, path)
        encoding = sources[0].encoding
        if kind == "course":
            return read_course(files, encoding=encoding)
        return read(*files[0], encoding=encoding)


def keep_cover(work: Work, cover: Cover | None) -> str | None:
    if cover is None:
        return None
    ending = "png" if cover.media_type == "image/png" else "jpg"
    name = f"{COVERS}/{work.job.project_id}.{work.job.id}.{ending}"
    work.store.put(name, cover.content)
    return name


def describe(project: Project, manuscript: Manuscript, cover: str | None) -> None:
    project.title = manuscript.title or project.title
    project.author = manuscript.author
    project.language = manuscript.language
    project.description = manuscript.description
    project.cover = cover
    project.reading = reading(manuscript)


def reading(manuscript: Manuscript) -> Json:
    """What the review page says of the file."""
    guess = manuscript.encoding
    return {
        "characters": manuscript.characters,
        "oddities": [oddity.to_json() for oddity in manuscript.oddities],
        "removed": [
            {"reason": part.reason.to_json(), "characters": part.characters, "sample": part.sample}
            for part in manuscript.removed
        ],
        "encoding": guess and {"name": guess.name, "replaced": guess.replaced, "sample": guess.sample},
    }


def rows(project_id: int, manuscript: Manuscript) -> list[Chapter]:
    return [
        Chapter(
            project_id=project_id,
            position=position,
            kind=chapter.kind,
            title=chapter.title,
            volume=chapter.volume,
            text=chapter.text,
            characters=visible(chapter.text),
            included=chapter.included,
            state=ChapterState.DRAFT,
        )
        for position, chapter in enumerate(manuscript.chapters)
    ]


def restart(session: Session, project: Project) -> bool:
    """Back to importing, from a draft whose file was refused or a review whose encoding is wrong."""
    unread = (ProjectState.DRAFT, ProjectState.REVIEW)
    mine = Project.id == project.id
    return bool(states.move(session, Project, mine, unread, ProjectState.IMPORTING, failure=None))
