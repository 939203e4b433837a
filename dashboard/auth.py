"""Who is asking: a person with a session, or a script with an API token. Everything else is shown the door.

Every view is closed unless it is marked `@public`. What changes something needs the page's CSRF token, unless
it comes with an API token, which no other site can make a browser send.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf import CSRFProtect

from dashboard.belongings import belongings
from dashboard.languages import say
from farm import users
from farm.errors import FarmError, Forbidden
from farm.tables import User

View = TypeVar("View", bound=Callable[..., Any])

bp = Blueprint("auth", __name__)
csrf = CSRFProtect()
people = LoginManager()
limiter = Limiter(get_remote_address, storage_uri="memory://")

BEARER = "Bearer "
ATTEMPTS = "10 per minute"


class Person(UserMixin):  # type: ignore[misc]
    """A user as Flask-Login knows one; `token` is what theirs is called, of a script."""

    def __init__(self, user: User, token: str = "") -> None:
        self.token = token
        self.id = user.id
        self.name = user.name
        self.has_password = user.password_hash is not None


def public(view: View) -> View:
    """Mark a view that anyone may see."""
    view.public = True  # type: ignore[attr-defined]
    return view


def set_up_auth(app: Flask, secret: str, *, secure: bool = False) -> None:
    app.config.update(
        SECRET_KEY=secret,
        SESSION_COOKIE_NAME="voicefarm",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=secure,
        WTF_CSRF_CHECK_DEFAULT=False,  # `guard` decides
        WTF_CSRF_TIME_LIMIT=None,  # pages stay open for days; the token lives as long as the session
    )
    csrf.init_app(app)
    # The proxy itself, because asking for the user may fail, and error pages must still be drawn.
    people.init_app(app, add_context_processor=False)
    app.jinja_env.globals["current_user"] = current_user
    limiter.init_app(app)
    app.before_request(guard)
    app.register_blueprint(bp)


@people.user_loader
def person(user_id: str) -> Person | None:
    with belongings().begin() as session:
        user = users.find(session, int(user_id))
    return Person(user) if user else None


@people.request_loader
def script(_request: Any) -> Person | None:
    """Nobody when the token is not known."""
    if is_script():
        with suppress(Forbidden), belongings().begin() as session:
            return Person(*users.by_token(session, request.headers["Authorization"].removeprefix(BEARER)))
    return None


def is_script() -> bool:
    return request.headers.get("Authorization", "").startswith(BEARER)


def guard() -> ResponseReturnValue | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.endpoint == "static":
        return None
    if not (getattr(view, "public", False) or current_user.is_authenticated):
        if request.path.startswith("/api/"):
            abort(401, "Sign in, or send an API token: Authorization: Bearer vf_…")
        return redirect(url_for("auth.sign_in", next=request.full_path.rstrip("?")))
    if not is_script():
        csrf.protect()  # last, because it may read the whole of a form
    return None


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    return render_template("sign_in.html")


@bp.post("/sign-in")
@public
@limiter.limit(ATTEMPTS)
def check_password() -> ResponseReturnValue:
    with belongings().begin() as session:
        user = users.by_password(session, request.form.get("name", ""), request.form.get("password", ""))
    return welcome(user)


@bp.get("/sign-in/<token>")
@public
def open_link(token: str) -> ResponseReturnValue:
    """Only a button: what previews links must not use this one up."""
    return render_template("sign_in_link.html", token=token)


@bp.post("/sign-in/<token>")
@public
@limiter.limit(ATTEMPTS)
def redeem(token: str) -> ResponseReturnValue:
    with belongings().begin() as session:
        user = users.redeem(session, token)
    return welcome(user)


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    logout_user()
    return redirect(url_for("auth.sign_in"))


@bp.errorhandler(FarmError)
def refused(e: FarmError) -> ResponseReturnValue:
    return render_template("sign_in.html", sentence=say(e.message)), e.status


def welcome(user: User) -> ResponseReturnValue:
    session.permanent = True
    login_user(Person(user))
    return redirect(inside(request.args.get("next", "")))


def inside(path: str) -> str:
    """`path` when it is one of ours, else the first page: a link must not send people elsewhere."""
    elsewhere = not path.startswith("/") or path.startswith(("//", "/\\"))
    return url_for("projects.index") if elsewhere else path
