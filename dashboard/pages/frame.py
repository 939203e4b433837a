"""What every page shares: the farm's word, theme, headers, and errors as pages."""

from typing import Any

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import HTTPException

from dashboard.belongings import belongings
from dashboard.languages import say
from farm import progress
from farm.errors import FarmError

THEMES = ("light", "dark")
HEADERS = {
    # Strips are drawn with style attributes (widths); no style element and no script is ever inline.
    "Content-Security-Policy": "default-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
HTTP_ERRORS = {
    400: lazy_gettext("This page is out of date. Go back, reload it, and try again."),
    404: lazy_gettext("There is no such page. It may have been deleted."),
    405: lazy_gettext("That cannot be done from here."),
    413: lazy_gettext("That file is larger than this farm takes."),
    429: lazy_gettext("Too many attempts. Wait a minute, then try again."),
}
WORDS = {
    "working": lazy_gettext("working"),
    "waiting": lazy_gettext("waiting"),
    "idle": lazy_gettext("idle"),
    "asleep": lazy_gettext("asleep"),
    "trouble": lazy_gettext("in trouble"),
}


def set_up(app: Flask) -> None:
    app.jinja_env.globals.update(farm_word=farm_word, theme=theme)
    app.after_request(with_headers)
    app.register_error_handler(FarmError, farm_error)
    app.register_error_handler(HTTPException, http_error)


def farm_word() -> dict[str, Any]:
    with belongings().begin() as session:
        farm = progress.of_farm(session)
    return {"word": farm.word, "says": WORDS[farm.word], "farm": farm}


def theme() -> str:
    """light, dark, or "" for what the device prefers."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def with_headers(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def farm_error(e: FarmError) -> ResponseReturnValue:
    return error_page(say(e.message), e.status)


def http_error(e: HTTPException) -> ResponseReturnValue:
    if e.response is not None:
        return e.response
    usual = gettext(
        "Something went wrong here, not with you. Try again; if it stays, look at the farm's logs."
    )
    return error_page(str(HTTP_ERRORS.get(e.code or 500, usual)), e.code or 500)


def error_page(sentence: str, status: int) -> ResponseReturnValue:
    return render_template("error.html", sentence=sentence, status=int(status)), status
