"""Who may use the API, and how it says no."""

import re

import pytest
from builders import project
from flask import Flask
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from farm import users
from farm.db import Begin


@pytest.fixture
def page(app: Flask, begin: Begin) -> FlaskClient:
    """A browser that is signed in."""
    with begin() as session:
        link = f"/sign-in/{users.sign_in_token(session, users.owner(session))}"
    browser = app.test_client()
    assert browser.post(link, headers=proof(browser, link)).status_code == 302
    return browser


def proof(browser: FlaskClient, address: str = "/account") -> dict[str, str]:
    """The header that shows that a request comes from our page."""
    found = re.search(r'<meta name="csrf" content="([^"]+)"', browser.get(address).text)
    assert found
    return {"X-CSRFToken": found[1]}


@pytest.fixture
def book(have: Belongings) -> str:
    with have.begin() as session:
        return f"/api/v1/projects/{project(session, state='review').id}"


@pytest.mark.parametrize("authorization", ["", "Bearer vf_wrong", "Bearer ", "Basic dXNlcjpwYXNz", "vf_"])
def test_who_is_not_known_is_told_so_in_json(app: Flask, book: str, authorization: str) -> None:
    stranger = app.test_client()
    for answer in (
        stranger.get(book, headers={"Authorization": authorization}),
        stranger.delete(book, headers={"Authorization": authorization}),
        stranger.get("/api/v1/openapi.json", headers={"Authorization": authorization}),
    ):
        assert answer.status_code == 401
        assert "Sign in" in answer.json["error"]  # type: ignore[index]


def test_an_api_token_needs_no_proof_of_the_page(script: FlaskClient, book: str) -> None:
    assert script.patch(book, json={"title": "New"}).status_code == 200


def test_a_session_may_look_but_changes_nothing_without_the_pages_token(page: FlaskClient, book: str) -> None:
    assert page.get(book).status_code == 200
    for forged in ({}, {"X-CSRFToken": "made up"}):
        answer = page.patch(book, json={"title": "Forged"}, headers=forged)
        assert answer.status_code == 403
        assert "X-CSRFToken" in answer.json["error"]  # type: ignore[index]
        assert page.delete(book, headers=forged).status_code == 403
    assert page.get(book).json["title"] == "A book"  # type: ignore[index]


def test_a_session_changes_things_with_the_pages_token(page: FlaskClient, book: str) -> None:
    assert page.patch(book, json={"title": "New"}, headers=proof(page)).json["title"] == "New"  # type: ignore[index]


def test_the_pages_token_of_one_person_is_no_good_for_another(
    app: Flask, page: FlaskClient, book: str
) -> None:
    other = app.test_client()
    assert page.delete(book, headers=proof(other, "/sign-in")).status_code == 403


def test_anyone_may_ask_whether_it_is_up(app: Flask) -> None:
    assert app.test_client().get("/health").json == {"status": "ok"}


def test_every_answer_says_how_it_may_be_shown(app: Flask, script: FlaskClient, book: str) -> None:
    for answer in (script.get(book), script.get("/api/v1/nothing"), app.test_client().get(book)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_failures_are_said_in_the_language_that_is_asked_for_with_their_parts(script: FlaskClient) -> None:
    answer = script.get("/api/v1/projects/7", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert answer.json == {
        "error": "There is no project 7.",
        "template": "There is no project {project}.",
        "values": {"project": 7},
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/projects", 404),
        ("GET", "/api/v1/projects/x", 404),
        ("GET", "/api/v1/projects/-1", 404),
        ("GET", f"/api/v1/projects/{2**31}", 404),
        ("GET", f"/api/v1/segments/{10**30}/audio", 404),
        ("GET", "/api/v1/chapters/1", 404),
        ("GET", "/api/v1/chapters/1/segments", 404),
        ("GET", "/api/v1/chapters/1/files/m4a", 404),
        ("GET", "/api/v1/chapters/1/files/exe", 404),
        ("GET", "/api/v1/segments/1/audio", 404),
        ("GET", "/api/v1/releases/1/file", 404),
        ("GET", "/api/v1/projects/1/live", 404),
        ("GET", "/api/v1/projects/1/cover", 404),
        ("GET", "/api/v1/projects/1/events", 404),
        ("GET", "/api/v1/stream?project=1", 404),
        ("GET", "/api/v1/stream?project=x", 422),
        ("GET", "/api/v1/stream?projects=1", 422),
        ("GET", f"/api/v1/stream?project={2**40}", 422),
        ("POST", "/api/v1/projects/1/start", 404),
        ("POST", "/api/v1/projects/1/explode", 404),
        ("POST", "/api/v1/chapters/1/retry", 404),
        ("POST", "/api/v1/chapters/1/mp3", 404),
        ("POST", "/api/v1/segments/1/retry", 404),
        ("POST", "/api/v1/chapters/1/render-again", 404),
        ("POST", "/api/v1/segments/1/render-again", 404),
        ("DELETE", "/api/v1/projects/1", 404),
        ("PUT", "/api/v1/projects/1/cover", 404),
        ("DELETE", "/api/v1/projects", 405),
        ("GET", "/api/v1/projects/1/start", 405),
    ],
)
def test_what_is_not_there_is_a_sentence(script: FlaskClient, method: str, path: str, status: int) -> None:
    answer = script.open(path, method=method)
    assert answer.status_code == status
    assert answer.json["error"]  # type: ignore[index]
    assert status != 405 or answer.headers["Allow"]
