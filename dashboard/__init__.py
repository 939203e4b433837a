"""The web: pages for people, a JSON API for scripts; both make the same farm calls."""

from collections.abc import Callable
from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from dashboard.answers import StrictJson, as_json
from dashboard.api import PREFIX, set_up_api
from dashboard.auditing import set_up_auditing
from dashboard.auth import public, set_up_auth
from dashboard.belongings import Belongings
from dashboard.languages import say, set_up_languages
from dashboard.live import set_up_live
from dashboard.pages import set_up_pages
from dashboard.pages.frame import farm_error, http_error
from dashboard.uploads import BoundedRequest
from farm.errors import FarmError


class RowId(IntegerConverter):
    """A number in an address; one that no row can have is not found."""

    def __init__(self, map: Any) -> None:
        super().__init__(map, max=2**31 - 1)


def create_app(have: Belongings) -> Flask:
    """The dashboard, as one process serves it."""
    app = Flask(__name__)
    app.request_class = BoundedRequest
    app.json = StrictJson(app)
    app.url_map.converters["int"] = RowId
    app.extensions["voicefarm"] = have
    set_up_languages(app, have.settings.language)
    set_up_auditing(app)
    secure = have.settings.dashboard_url.startswith("https:")
    set_up_auth(app, have.settings.signing_secret, secure=secure)
    set_up_live(app, have.settings)
    set_up_pages(app)
    set_up_api(app)
    app.add_url_rule("/health", view_func=health)
    app.register_error_handler(FarmError, where_asked(farm_error))
    app.register_error_handler(HTTPException, where_asked(http_error))
    app.register_error_handler(ValidationError, as_json)
    return app


@public
def health() -> ResponseReturnValue:
    return jsonify(status="ok")


def where_asked(as_page: Callable[[Any], ResponseReturnValue]) -> Callable[[Any], ResponseReturnValue]:
    """A failure as JSON for the API, as a page for people."""

    def answer(e: Any) -> ResponseReturnValue:
        return as_json(e, say) if request.path.startswith(PREFIX) else as_page(e)

    return answer
