"""A chapter: its segments, to hear, to search and to try again."""

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard.belongings import belongings
from farm import casting, casts, chapters, progress, projects, recordings
from farm.chapters import Heard
from farm.engine import DIRECTED
from farm.tables import Project

bp = Blueprint("chapters", __name__)


@bp.get("/chapters/<int:chapter_id>")
def show(chapter_id: int) -> ResponseReturnValue:
    after = request.args.get("after", -1, type=int)
    with belongings().begin() as session:
        chapter = chapters.find(session, chapter_id)
        project = projects.find(session, chapter.project_id)
        beside = [other for other in chapters.of_project(session, project.id) if other.included]
        rows = chapters.heard(session, chapter, after)
        recorded = recordings.listed(session) if project.engine in DIRECTED else []
        directed = [row.segment for row in rows if row.segment.direction is not None]
        own = casts.told(session, [segment.direction or {} for segment in directed])
        roles = casts.roles_told(session, role_ways(project, rows))
    return render_template(
        "chapter.html",
        chapter=chapter,
        project=project,
        chapters=beside,
        part=progress.of_chapter(chapter, project.language),
        rows=rows,
        ways={row.segment.id: roles[row.segment.role] for row in rows}
        | {segment.id: direction for segment, direction in zip(directed, own, strict=True)},
        emotional=project.engine in DIRECTED,
        recordings=recorded,
        more=rows[-1].segment.position if len(rows) == chapters.PAGE else None,
    )


def role_ways(project: Project, rows: Iterable[Heard]) -> dict[str, Any]:
    """How the roles of these segments speak."""
    roles = {row.segment.role for row in rows}
    return {role: casting.direction_for(project.cast, project.directions, role) for role in roles}
