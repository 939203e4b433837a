"""The OpenAPI document is true: every route is in it, every answer is of the shape it says."""

from typing import Any

import crews
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, class_registry

from dashboard.belongings import Belongings
from farm import joining, samples
from tests import builders
from tests.dashboard.making import finished
from tests.voicing import recorded

BYTES = {"type": "string", "format": "binary"}


@pytest.fixture
def document(script: FlaskClient) -> Any:
    return script.get("/api/v1/openapi.json").json


def routes(app: Flask) -> set[tuple[str, str]]:
    """(path, method) of every route of the API, with the path as OpenAPI writes it."""
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith("openapi.json"):
            path = "".join(f"{{{part}}}" if dynamic else part for dynamic, part in rule._trace).lstrip("|")
            found |= {
                (path, method.lower()) for method in rule.methods or () if method not in ("HEAD", "OPTIONS")
            }
    return found


def described(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }


def test_every_route_of_the_api_is_described_with_what_it_does_and_answers(app: Flask, document: Any) -> None:
    operations = described(document)
    assert set(operations) == routes(app)
    for operation in operations.values():
        assert operation["summary"]
        assert "default" in operation["responses"]
        assert any(status.startswith("2") for status in operation["responses"])


def test_every_reference_leads_somewhere(document: Any) -> None:
    def references(part: Any) -> Any:
        if isinstance(part, dict):
            yield from ([part["$ref"]] if "$ref" in part else [])
            for value in part.values():
                yield from references(value)
        if isinstance(part, list):
            for value in part:
                yield from references(value)

    for reference in references(document["paths"]):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind]


def shape(schema: dict[str, Any]) -> Schema:
    """The marshmallow schema that a schema of the document came from."""
    many = schema.get("type") == "array"
    reference = (schema["items"] if many else schema)["$ref"]
    found: Any = class_registry.get_class(reference.rsplit("/", 1)[-1])
    return found(many=many)


def test_every_get_answers_as_the_document_says(script: FlaskClient, document: Any, have: Belongings) -> None:
    with have.begin() as session:
        book = finished(session, have.store)
        crew = crews.everyone(session)
        joining.define(session, name="attic", engine="preview")
        builders.worker(session, "spare")
    voice = recorded(have.begin, have.store)
    with have.begin() as session:
        spoken = samples.ask(session, voice, "Hello.").chapter
        spoken.state, spoken.files = "done", {"m4a": "chapters/1/1.1.m4a"}
    ids = {
        "voice_id": voice,
        "project_id": book.project,
        "chapter_id": book.chapter,
        "segment_id": book.segment,
        "release_id": book.release,
        "ending": "m4a",
        "worker_id": crew["attic-3060-1"],
    }
    for (path, method), operation in described(document).items():
        if method == "get":
            with script.get(path.format(**ids)) as answer:
                assert answer.status_code == 200, path
                ((kind, content),) = operation["responses"]["200"]["content"].items()
                if kind == "application/json":
                    assert shape(content["schema"]).validate(answer.json) == {}, path
                    assert answer.json
                elif content["schema"] == BYTES:
                    assert answer.mimetype.split("/")[0] == kind.split("/")[0] or kind.endswith(
                        "octet-stream"
                    )


def test_the_page_about_the_api_names_every_operation(script: FlaskClient, document: Any) -> None:
    page = script.get("/api/docs").text
    for path, method in described(document):
        assert f"{method.upper()} {path}" in page
