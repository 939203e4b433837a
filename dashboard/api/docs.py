"""The API's own page: its operations, read from its document."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

bp = Blueprint("docs", __name__)


@bp.get("/api/docs")
def show() -> ResponseReturnValue:
    spec = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return render_template("docs.html", info=spec["info"], operations=list(operations(spec)))


def operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                body = operation.get("requestBody", {}).get("content", {})
                schemas = [content["schema"] for content in body.values()]
                yield {
                    "method": method.upper(),
                    "path": path,
                    "says": operation.get("summary", ""),
                    "query": [item for item in operation.get("parameters", []) if item["in"] == "query"],
                    "fields": [name for schema in schemas for name in properties(spec, schema)],
                    "answers": [int(status) for status in operation["responses"] if status.isdecimal()],
                }


def properties(spec: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The names of an object's fields, behind its reference."""
    if reference := schema.get("$ref"):
        schema = spec["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return list(schema.get("properties", {}))
