"""Projects over the API: upload, review, start, steer, delete."""

from typing import Any

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard import live, snapshots, uploads
from dashboard.api.noun import Noun
from dashboard.api.schemas import (
    Event,
    Live,
    NewProject,
    Project,
    ProjectChanges,
    ProjectWithAll,
    ReadAgain,
    Ticks,
)
from dashboard.auth import limiter
from dashboard.belongings import belongings
from dashboard.media import send_object
from farm import chapters, projects
from farm.errors import NotFound, Rejected

bp = Noun("api-projects", __name__, url_prefix="/api/v1/projects", description="Audiobooks and courses")

UPLOADS = "60 per minute"
FORM = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "kind": {"type": "string", "enum": list(projects.KINDS), "default": "book"},
        "encoding": {"type": "string", "nullable": True},
        "engine": {"type": "string", "nullable": True},
    },
}
PICTURE = {"schema": {"type": "string", "format": "binary"}}


@bp.get("")
@bp.response(200, Project(many=True))
def index() -> Response:
    """Every project, the newest first"""
    with belongings().begin() as session:
        return jsonify(snapshots.listed(session))


@bp.post("")
@bp.doc(requestBody={"required": True, "content": {"multipart/form-data": {"schema": FORM}}})
@bp.response(201, Project)
@bp.alt_response(413)
@bp.alt_response(422)
@uploads.takes(uploads.manuscripts)
@limiter.limit(UPLOADS)
def create() -> ResponseReturnValue:
    """Upload a book, or the lessons of a course; it is read at once"""
    have = belongings()
    wanted = NewProject().load(request.form.to_dict())
    if strangers := sorted(set(request.files) - {"files"}):
        raise Rejected("Send the files in the field “files”, not in “{name}”.", name=strangers[0])
    kept = uploads.keep(have.store, request.files.getlist("files"))
    engine = wanted.pop("engine") or have.settings.engine.partition(":")[0]
    with have.begin() as session:
        made = projects.create(session, kept, engine=engine, owner_id=current_user.id, **wanted)
        return jsonify(snapshots.one(session, made.id)), 201


@bp.get("/<int:project_id>")
@bp.response(200, ProjectWithAll)
def show(project_id: int) -> Response:
    """A project with all there is to know: what was read, chapters, releases, settings"""
    with belongings().begin() as session:
        return jsonify(snapshots.details(session, project_id))


@bp.patch("/<int:project_id>")
@bp.arguments(ProjectChanges)
@bp.response(200, ProjectWithAll)
@bp.alt_response(409, description="It was started, and takes depend on this")
def edit(changes: dict[str, Any], project_id: int) -> Response:
    """Change its words or priority at any time, what shapes its sound until the start"""
    priority = changes.pop("priority", None)
    with belongings().begin() as session:
        projects.edit(session, project_id, changes)
        if priority is not None:
            projects.prioritise(session, project_id, priority)
        return jsonify(snapshots.details(session, project_id))


@bp.delete("/<int:project_id>")
@bp.response(204)
def delete(project_id: int) -> Response:
    """Delete a project and all that was made of it"""
    with belongings().begin() as session:
        projects.delete(session, project_id)
    return Response(status=204)


@bp.get("/<int:project_id>/live")
@bp.response(200, Live)
def live_one(project_id: int) -> Response:
    """What moves while it is made; for those who poll"""
    return jsonify(live.latest(project_id))


@bp.post("/<int:project_id>/<any(start,pause,resume,cancel,retry):step>")
@bp.response(200, Project)
@bp.alt_response(409, description="Not possible in its state")
def move(project_id: int, step: str) -> Response:
    """Start it, pause, resume or cancel it, or try again what failed of it as a whole"""
    with belongings().begin() as session:
        getattr(projects, step)(session, project_id)
        return jsonify(snapshots.one(session, project_id))


@bp.post("/<int:project_id>/read")
@bp.arguments(ReadAgain)
@bp.response(200, Project)
@bp.alt_response(409, description="It was started")
def read(asked: dict[str, Any], project_id: int) -> Response:
    """Read its file again, in another encoding"""
    with belongings().begin() as session:
        projects.read_again(session, projects.find(session, project_id), asked["encoding"])
        return jsonify(snapshots.one(session, project_id))


@bp.patch("/<int:project_id>/chapters")
@bp.arguments(Ticks)
@bp.response(200, ProjectWithAll)
@bp.alt_response(409, description="It was started")
def tick(ticks: dict[str, Any], project_id: int) -> Response:
    """Tick or untick chapters"""
    with belongings().begin() as session:
        chapters.tick(session, project_id, ticks["ids"], ticks["included"])
        return jsonify(snapshots.details(session, project_id))


@bp.get("/<int:project_id>/cover")
@bp.response(200, {"type": "string", "format": "binary"}, content_type="image/*")
@bp.alt_response(404, description="It has none")
def cover(project_id: int) -> Response:
    """Its picture"""
    with belongings().begin() as session:
        project = projects.find(session, project_id)
    if project.cover is None:
        raise NotFound("{title} has no cover yet.", title=project.title)
    return send_object(belongings().store, project.cover)


@bp.put("/<int:project_id>/cover")
@bp.doc(requestBody={"required": True, "content": {"image/jpeg": PICTURE, "image/png": PICTURE}})
@bp.response(204)
@bp.alt_response(413)
@bp.alt_response(422, description="Neither JPEG nor PNG")
@uploads.takes(uploads.covers)
def set_cover(project_id: int) -> Response:
    """Give it another picture: the body is a JPEG or PNG file of at most 10 MiB"""
    have = belongings()
    with have.begin() as session:
        projects.find(session, project_id)
    name = uploads.keep_cover(have.store, project_id)
    with have.begin() as session:
        projects.set_cover(session, project_id, name)
    return Response(status=204)


@bp.get("/<int:project_id>/events")
@bp.response(200, Event(many=True))
def events(project_id: int) -> Response:
    """What happened to it lately, the newest first"""
    with belongings().begin() as session:
        projects.find(session, project_id)
        return jsonify([snapshots.event(happened) for happened in projects.history(session, project_id)])
