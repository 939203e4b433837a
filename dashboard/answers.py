"""Farm errors as HTTP answers."""

from collections.abc import Callable
from typing import Any

from flask import Flask, jsonify, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from farm.errors import FarmError
from farm.messages import Message

Say = Callable[[Message], str]


class StrictJson(DefaultJSONProvider):
    """JSON as its standard has it: no NaN, no Infinity, no nesting without end."""

    sort_keys = False

    def loads(self, s: str | bytes, **options: Any) -> Any:
        try:
            return super().loads(s, parse_constant=refuse, **options)
        except RecursionError as e:
            raise ValueError("nested too deep") from e


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def answer_in_json(app: Flask) -> None:
    """Every expected failure of `app` is an `as_json`."""
    for kind in (FarmError, ValidationError, HTTPException):
        app.register_error_handler(kind, as_json)


def as_json(e: Any, say: Say = str) -> ResponseReturnValue:
    """A failure as {"error": sentence, "template", "values"}, with the status of its kind."""
    if isinstance(e, FarmError):
        return failed(e.message, e.status, say)
    if isinstance(e, ValidationError):
        return failed(Message("The request is malformed: {reasons}", {"reasons": e.messages}), 422, say)
    if isinstance(e, CSRFError):
        forged = Message(
            "Send the page's token as X-CSRFToken, or an API token instead of the session: {reason}",
            {"reason": e.description},
        )
        return failed(forged, 403, say)
    answer, status = failed(sentence(e), e.code, say)
    headers = {name: value for name, value in e.get_headers() if name != "Content-Type"}
    return answer, status, headers  # Allow, Retry-After


def sentence(e: HTTPException) -> Message:
    if isinstance(e, RequestEntityTooLarge):
        most = {"most": (request.max_content_length or 0) // 2**20}
        return Message("What was sent is larger than the {most} MiB that are taken here.", most)
    return Message("{reason}", {"reason": str(e.description)})


def failed(message: Message, status: int, say: Say) -> tuple[Any, int]:
    return jsonify(error=say(message), **message.to_json()), status
