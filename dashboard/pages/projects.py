"""Projects: the list, a new one, its review before the start and its progress after it."""

from collections import Counter

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard.belongings import belongings
from farm import casts, chapters, crew, directions, progress, projects, publish, recordings
from farm.audio.settings import PAUSES_MS, MasteringSettings
from farm.engine import CLONING, DIRECTED, OFFERED, WITH_PRESETS, preset, title
from farm.engine import PRESETS as PRESETS_OF
from farm.gpu import CLASSES
from farm.manuscript.encodings import ENCODINGS
from farm.tables import Project, ProjectState
from farm.voices import PRESETS

bp = Blueprint("projects", __name__)

PAGE = 50  # projects on a page of the list
HISTORY = 40  # events on a project's page
UNREAD = (ProjectState.DRAFT, ProjectState.IMPORTING)


@bp.get("/")
def index() -> ResponseReturnValue:
    skipped = max(request.args.get("after", 0, type=int), 0)
    with belongings().begin() as session:
        listed = projects.listed(session)
        shown = listed[skipped : skipped + PAGE]
        so_far = progress.of_projects(session, shown)
        bound = publish.of_projects(session, [project.id for project in shown])
    more = skipped + PAGE if len(listed) > skipped + PAGE else None
    return render_template("projects.html", projects=shown, progress=so_far, bound=bound, more=more)


@bp.get("/projects/new")
def new() -> ResponseReturnValue:
    config = belongings().settings
    own = config.engine.partition(":")[0]
    with belongings().begin() as session:
        workers = Counter(worker.engine for worker in crew.known(session))
    engines = [(name, title(name), workers[name]) for name in dict.fromkeys((own, *OFFERED))]
    return render_template("new.html", limit_mb=config.upload_limit_mb, engines=engines)


@bp.get("/projects/<int:project_id>")
def show(project_id: int) -> ResponseReturnValue:
    with belongings().begin() as session:
        project = projects.find(session, project_id)
    if project.state in UNREAD:
        return render_template("reading.html", project=project, encodings=ENCODINGS)
    return review(project) if project.state == ProjectState.REVIEW else follow(project)


def review(project: Project) -> ResponseReturnValue:
    """What was read, and what will be made of it."""
    with belongings().begin() as session:
        found = chapters.of_project(session, project.id)
        outlook = progress.of_review(session, project)
        why = progress.of_projects(session, [project])[project.id].why
        recorded, cast = recordings.listed(session), casts.keys(session, project.cast)
        directed = casts.roles_told(session, project.directions)
    return render_template(
        "review.html",
        project=project,
        chapters=found,
        ticked_s=sum(progress.of_chapter(part, project.language).weight for part in found if part.included),
        parts={part.id: progress.of_chapter(part, project.language) for part in found},
        outlook=outlook,
        why=why,
        classes=CLASSES,
        presets=PRESETS if project.engine in WITH_PRESETS else (),
        recordings=recorded if project.engine in CLONING else (),
        cast=cast,
        directions=directed,
        warned={role: directions.warnings(project.engine, its) for role, its in project.directions.items()},
        emotional=project.engine in DIRECTED,
        all_recordings=recorded,
        engine_presets=PRESETS_OF.get(project.engine, ()),
        preset=preset(project.engine, project.preset),
        languages_spoken=projects.LANGUAGES,
        mastering=MasteringSettings.from_json(project.mastering),
        pauses=PAUSES_MS,
        encodings=ENCODINGS,
    )


def follow(project: Project) -> ResponseReturnValue:
    """What is being made of it."""
    with belongings().begin() as session:
        found = [chapter for chapter in chapters.of_project(session, project.id) if chapter.included]
        so_far = progress.of_projects(session, [project])[project.id]
        failed = chapters.failed_segments(session, project.id)
        releases = publish.of_project(session, project.id)
        history = projects.history(session, project.id)[:HISTORY]
    return render_template(
        "project.html",
        project=project,
        chapters=found,
        titles={chapter.id: chapter.title for chapter in found},
        progress=so_far,
        history=history,
        failed=failed,
        releases=[release for release in releases if release.chapter_id is None],
        mp3={release.chapter_id: release for release in releases if release.format == "mp3"},
        classes=CLASSES,
        able=crew.able_classes(project),
    )
