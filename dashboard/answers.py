"""Farm errors as HTTP answers."""

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from farm.errors import FarmError


def answer_in_json(app: Flask) -> None:
    """Every failure of `app` is {"error": sentence} with the status of its kind."""

    @app.errorhandler(FarmError)
    def farm_error(e: FarmError) -> ResponseReturnValue:
        return jsonify(error=str(e)), e.status

    @app.errorhandler(ValidationError)
    def invalid(e: ValidationError) -> ResponseReturnValue:
        return jsonify(error=f"The request is malformed: {e.messages}"), 422

    @app.errorhandler(HTTPException)
    def http_error(e: HTTPException) -> ResponseReturnValue:
        return jsonify(error=e.description), e.code or 500
