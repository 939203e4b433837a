"""The JSON API: what the pages do, for scripts too, described by its own OpenAPI document."""

from flask import Flask
from flask_smorest import Api

from dashboard.api import audit, blocks, chapters, docs, farm, files, join_tokens, projects, voices, workers
from dashboard.api.schemas import Failure

PREFIX = "/api/"
VERSION = "/api/v1"
SECURITY = {
    "session": {"type": "apiKey", "in": "cookie", "name": "voicefarm"},
    "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken"},
    "token": {"type": "http", "scheme": "bearer"},
}
DESCRIPTION = """\
Sign in with `Authorization: Bearer vf_…` (make a token with `farm token NAME`), or with the dashboard's
session, which must also send X-CSRFToken with every request that changes something. Failures are
`{"error": sentence, "template": …, "values": …}`; the sentence is in the language that you accept."""


class FarmApi(Api):  # type: ignore[misc]
    """flask-smorest without its own errors: ours go for every answer."""

    ERROR_SCHEMA = Failure

    def _register_error_handlers(self) -> None:
        """Nothing: the app has handlers."""


def set_up_api(app: Flask) -> None:
    app.config.update(
        API_TITLE="Voicefarm",
        API_VERSION="1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX=VERSION,
        API_SPEC_OPTIONS={
            "info": {"description": DESCRIPTION},
            "components": {"securitySchemes": SECURITY},
            "security": [{"token": []}, {"session": []}, {"session": [], "csrf": []}],
        },
    )
    api = FarmApi(app)
    for noun in (farm, projects, chapters, voices, files, audit, workers, join_tokens, blocks):
        api.register_blueprint(noun.bp)
    app.register_blueprint(docs.bp)
