"""The farm as a whole: its word, the stream of what changes."""

from typing import Any

from flask import Response, jsonify

from dashboard import live, snapshots
from dashboard.api.noun import Noun
from dashboard.api.schemas import Farm, OfProject
from dashboard.belongings import belongings

bp = Noun("api-farm", __name__, url_prefix="/api/v1", description="The farm as a whole")


@bp.route("/farm")
@bp.response(200, Farm)
def show() -> Response:
    """The farm in one word, with the reason and its workers"""
    with belongings().begin() as session:
        return jsonify(snapshots.farm(session))


@bp.route("/stream")
@bp.arguments(OfProject, location="query")
@bp.response(200, {"type": "string"}, content_type="text/event-stream")
@bp.alt_response(503, description="Too many pages are open: poll /projects/{project_id}/live")
def stream(asked: dict[str, Any]) -> Response:
    """Server-sent events: `project` (as /projects/{project_id}/live), `farm` (as /farm), `gone` ({"id"})"""
    return live.stream(asked["project"])
