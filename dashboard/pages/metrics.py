"""The farm's figures for Prometheus; it sends an API token: they name projects and machines."""

from flask import Blueprint, Response
from flask_login import current_user

from dashboard.auth import public
from dashboard.belongings import belongings
from farm import metrics

bp = Blueprint("metrics", __name__)

DOOR = "Send an API token: `farm token prometheus` prints one.\n"


@bp.get("/metrics")
@public
def show() -> Response:
    """Closed all the same: a scraper is told so, and not sent to a page for people."""
    if not current_user.is_authenticated:
        return Response(DOOR, 401, {"WWW-Authenticate": "Bearer"}, content_type="text/plain; charset=utf-8")
    return Response(metrics.exposition(belongings().begin), content_type=metrics.CONTENT_TYPE)
