"""What machines join with, over the API."""

from typing import Any

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from dashboard import snapshots_workers as snapshots
from dashboard.api.noun import Noun
from dashboard.api.schemas_workers import JoinToken, JoinTokenOnce, NewJoinToken
from dashboard.belongings import belongings
from farm import joining

bp = Noun(
    "api-join-tokens",
    __name__,
    url_prefix="/api/v1/join-tokens",
    description="What machines join with, and what their workers will be",
)


@bp.get("")
@bp.response(200, JoinToken(many=True))
def index() -> Response:
    """The tokens that can still be used"""
    with belongings().begin() as session:
        return jsonify(snapshots.tokens(session))


@bp.post("")
@bp.arguments(NewJoinToken)
@bp.response(201, JoinTokenOnce)
@bp.alt_response(422, description="A name that is taken or cannot be a name")
def create(asked: dict[str, Any]) -> ResponseReturnValue:
    """Define a worker, or many alike; the line to run on its machine is said once"""
    config = belongings().settings
    asked["engine"] = asked["engine"] or config.engine
    asked["approval"] = config.approve_workers if asked["approval"] is None else asked["approval"]
    with belongings().begin() as session:
        return jsonify(snapshots.made(session, config, joining.define(session, **asked))), 201


@bp.delete("/<int:token_id>")
@bp.response(204)
def revoke(token_id: int) -> Response:
    """Let no further machine join with it; those that did stay"""
    with belongings().begin() as session:
        joining.revoke_token(session, token_id)
    return Response(status=204)
