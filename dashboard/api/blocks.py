"""Which workers a project is kept from, over the API."""

from typing import Any

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from dashboard import snapshots_workers as snapshots
from dashboard.api.noun import Noun
from dashboard.api.schemas_workers import Block, NewBlock
from dashboard.belongings import belongings
from farm import blocks, projects
from farm.messages import Message

bp = Noun(
    "api-blocks",
    __name__,
    url_prefix="/api/v1/projects/<int:project_id>/blocks",
    description="Workers that a project is kept from",
)


@bp.get("")
@bp.response(200, Block(many=True))
def index(project_id: int) -> Response:
    """The workers it is kept from, and why"""
    with belongings().begin() as session:
        projects.find(session, project_id)
        return jsonify(snapshots.kept_away(session, project_id))


@bp.post("")
@bp.arguments(NewBlock)
@bp.response(201, Block(many=True))
def create(asked: dict[str, Any], project_id: int) -> ResponseReturnValue:
    """Keep it from a worker; what the worker has in hand of it is taken back"""
    with belongings().begin() as session:
        blocks.block(session, project_id, asked["worker"], reason(asked["reason"]))
        return jsonify(snapshots.kept_away(session, project_id)), 201


def reason(written: str) -> Message:
    if written.strip():
        return Message("{reason}", {"reason": written.strip()})
    return Message("A person blocked it.")


@bp.delete("/<int:worker_id>")
@bp.response(204)
def delete(project_id: int, worker_id: int) -> Response:
    """Let a worker serve it again"""
    with belongings().begin() as session:
        blocks.unblock(session, project_id, worker_id)
    return Response(status=204)
