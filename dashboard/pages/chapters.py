"""A chapter: its segments, to hear, to search and to try again."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard.belongings import belongings
from farm import chapters, progress, projects

bp = Blueprint("chapters", __name__)


@bp.get("/chapters/<int:chapter_id>")
def show(chapter_id: int) -> ResponseReturnValue:
    after = request.args.get("after", -1, type=int)
    with belongings().begin() as session:
        chapter = chapters.find(session, chapter_id)
        project = projects.find(session, chapter.project_id)
        beside = [other for other in chapters.of_project(session, project.id) if other.included]
        rows = chapters.heard(session, chapter, after)
    return render_template(
        "chapter.html",
        chapter=chapter,
        project=project,
        chapters=beside,
        part=progress.of_chapter(chapter, project.language),
        rows=rows,
        more=rows[-1].segment.position if len(rows) == chapters.PAGE else None,
    )
