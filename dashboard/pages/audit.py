"""Who changed what: the audit as a page, and all of it as CSV."""

from flask import Blueprint, Response, render_template, request

from dashboard.belongings import belongings
from farm import audit

bp = Blueprint("audit", __name__)


@bp.get("/audit")
def show() -> str:
    words, before = request.args.get("words", ""), request.args.get("before", type=int)
    with belongings().begin() as session:
        rows = audit.listed(session, before, words=words)
    older = rows[-1].id if len(rows) == audit.PAGE else None
    return render_template("audit.html", rows=rows, words=words, before=before, older=older)


@bp.get("/audit.csv")
def download() -> Response:
    lines = audit.as_csv(belongings().begin, request.args.get("words", ""))
    saved_as = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(lines, mimetype="text/csv", headers=saved_as)
