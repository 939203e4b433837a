"""What the API's blueprints share: how requests are read, what every operation may answer."""

from typing import Any, NoReturn

from flask import Request
from flask_smorest import Blueprint
from marshmallow import ValidationError
from webargs.flaskparser import FlaskParser

from dashboard.api.schemas import Failure


class StrictParser(FlaskParser):
    """Unknown names are refused wherever they come, and a body that is not JSON is said to be none."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": None}  # noqa: RUF012

    def load_json(self, req: Request, schema: Any) -> Any:
        """Raises BadRequest and UnsupportedMediaType."""
        return req.get_json()

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        raise error


class Noun(Blueprint):  # type: ignore[misc]
    """The operations on one noun."""

    ARGUMENTS_PARSER = StrictParser()

    def alt_response(self, status: int, response: Any = None, *, schema: Any = Failure, **said: Any) -> Any:
        """Document another answer: a failure where nothing else is said."""
        return super().alt_response(status, response, schema=schema, **said)
