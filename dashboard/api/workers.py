"""Workers over the API: seen, described, told what to do, let in, sent away."""

from typing import Any

from flask import Response, jsonify

from dashboard import snapshots_workers as snapshots
from dashboard.api.noun import Noun
from dashboard.api.schemas_workers import Wish, Worker, WorkerChanges
from dashboard.belongings import belongings
from farm import steering
from farm.tables import Desired

bp = Noun("api-workers", __name__, url_prefix="/api/v1/workers", description="Machines that speak")


@bp.get("")
@bp.response(200, Worker(many=True))
def index() -> Response:
    """Every worker: who needs a person first, then who works"""
    with belongings().begin() as session:
        return jsonify(snapshots.listed(session))


@bp.get("/<int:worker_id>")
@bp.response(200, Worker)
def show(worker_id: int) -> Response:
    """A worker: what it is, does, spoke last and failed at"""
    with belongings().begin() as session:
        return jsonify(snapshots.one(session, worker_id))


@bp.patch("/<int:worker_id>")
@bp.arguments(WorkerChanges)
@bp.response(200, Worker)
@bp.alt_response(404, description="There is no such worker, or no such project")
def edit(changes: dict[str, Any], worker_id: int) -> Response:
    """Change its tags, the projects it may serve, when it works, its GPU class"""
    with belongings().begin() as session:
        steering.describe(session, worker_id, **changes)
        return jsonify(snapshots.one(session, worker_id))


@bp.post("/<int:worker_id>/wish")
@bp.arguments(Wish)
@bp.response(200, Worker)
@bp.alt_response(409, description="It was revoked")
def wish(wished: dict[str, Any], worker_id: int) -> Response:
    """Let it run, drain, sleep or stop, or keep it for maintenance: after its batch, or now"""
    with belongings().begin() as session:
        desired = Desired(wished["desired"])
        steering.wish(session, worker_id, desired, at_once=wished["at_once"])
        return jsonify(snapshots.one(session, worker_id))


@bp.post("/<int:worker_id>/<any(approve,release,revoke):step>")
@bp.response(200, Worker)
@bp.alt_response(409, description="Not possible as it is")
def move(worker_id: int, step: str) -> Response:
    """Let it in, release it from the farm's hold, or revoke it for ever: its secret, its queue, its leases"""
    with belongings().begin() as session:
        getattr(steering, step)(session, worker_id)
        return jsonify(snapshots.one(session, worker_id))


@bp.delete("/<int:worker_id>")
@bp.response(204)
@bp.alt_response(409, description="It is at work: revoke it first")
def forget(worker_id: int) -> Response:
    """Forget a worker that was revoked or lost"""
    with belongings().begin() as session:
        steering.forget(session, worker_id)
    return Response(status=204)
