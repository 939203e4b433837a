"""The audit over the API: who changed what, when, from where."""

from typing import Any

from flask import Response, jsonify

from dashboard.api.noun import Noun
from dashboard.api.schemas import Audited, OfAudit
from dashboard.belongings import belongings
from farm import audit

bp = Noun("api-audit", __name__, url_prefix="/api/v1/audit", description="Who changed what")


@bp.get("")
@bp.arguments(OfAudit, location="query")
@bp.response(200, Audited)
def index(asked: dict[str, Any]) -> Response:
    """Every attempt to change something, the newest first; the rest is asked for by `before`"""
    with belongings().begin() as session:
        rows = audit.listed(session, asked["before"], asked["most"], asked["words"])
    older = rows[-1].id if len(rows) == asked["most"] else None
    return jsonify(rows=[audit.plain(row) for row in rows], older=older)
