"""What people and scripts change is noted once it is answered: who, from where, what, with which answer.

Only what a view has read of a request is looked at, so that uploads are neither slowed nor read twice.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_login import current_user
from limits import parse
from werkzeug.exceptions import HTTPException

from dashboard.auth import limiter
from dashboard.belongings import belongings
from farm import audit, users
from farm.errors import FarmError

SAFE = ("GET", "HEAD", "OPTIONS")
NOBODY = "nobody"
UNKNOWN = "unknown"  # the database did not say who it is
STRANGERS = parse("60 per minute")  # attempts noted of an address that is not signed in; more are a flood
CALLED = {
    "auth.check_password": "sign-in.password",
    "auth.redeem": "sign-in.link",
    "auth.sign_out": "sign-in.end",
}


def set_up_auditing(app: Flask) -> None:
    """To be called before what may turn a request away, so that this is noted too."""
    app.before_request(notice)
    app.after_request(note)


def notice() -> None:
    """Who asks, before signing out makes nobody of them."""
    if request.method not in SAFE:
        g.caller = UNKNOWN
        g.caller = caller()


def caller() -> str:
    if not current_user.is_authenticated:
        return NOBODY
    return f"{current_user.name} (token {current_user.token})" if current_user.token else current_user.name


def note(answer: Response) -> Response:
    if request.method in SAFE:
        return answer
    asked_by = g.get("caller", UNKNOWN)
    stranger = asked_by in (NOBODY, UNKNOWN)
    if stranger and not limiter.limiter.hit(STRANGERS, "audit", request.remote_addr or ""):
        return answer
    audit.keep(
        belongings().begin,
        who=caller() if asked_by == NOBODY else asked_by,
        address=request.remote_addr or "",
        action=action(),
        target=target(),
        values=sign_in() if action() == "sign-in.password" else values(with_json=not stranger),
        status=HTTPStatus.UNAUTHORIZED if stranger and not is_public() else answer.status_code,
    )
    return answer


def is_public() -> bool:
    """Whether a stranger was let in to the view; a page that sends them to sign in answers 302."""
    view = current_app.view_functions.get(request.endpoint or "")
    return view is None or getattr(view, "public", False)


def action() -> str:
    """`projects.start`: the noun and what is done to it; pages and API alike."""
    if request.endpoint is None:
        return f"{request.method} of no such page"
    noun, _, verb = request.endpoint.removeprefix("api-").rpartition(".")
    return CALLED.get(request.endpoint, f"{noun}.{(request.view_args or {}).get('step', verb)}")


def target() -> str:
    """`project 3`: what the path names; a link's token is in the path, too."""
    named = {
        name: value for name, value in (request.view_args or {}).items() if name not in ("step", "token")
    }
    return ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in named.items())


def values(*, with_json: bool) -> dict[str, Any]:
    """What was asked for. A form that no view has read stays unread; so does what a stranger sends."""
    given: dict[str, Any] = request.args.to_dict()
    if "form" in vars(request):
        given |= {name: value for name, value in request.form.items() if name != "csrf_token"}
        given |= {name: [f.filename for f in request.files.getlist(name)] for name in request.files}
    if with_json and request.is_json:
        with suppress(HTTPException):
            body = request.get_json(silent=True)
            given |= body if isinstance(body, dict) else {} if body is None else {"body": body}
    return given


def sign_in() -> dict[str, Any]:
    """The name that was tried when it is somebody's: else it may be a password in the wrong field."""
    name = vars(request).get("form", {}).get("name", "")
    with suppress(FarmError), belongings().begin() as session:
        if users.named(session, name):
            return {"name": name}
    return {"name": "none of ours"}
