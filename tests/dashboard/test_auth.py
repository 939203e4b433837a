"""Who gets in, and who is shown the door."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.auth import inside, limiter
from farm import users
from farm.db import Begin

PASSWORD = "correct horse battery"


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def link(begin: Begin) -> str:
    with begin() as session:
        return f"/sign-in/{users.sign_in_token(session, users.owner(session))}"


@pytest.fixture(autouse=True)
def fresh_limits(app: Flask) -> None:
    with app.app_context():
        limiter.reset()


def csrf(browser: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).text)
    assert found
    return found[1]


def redeem(browser: FlaskClient, link: str) -> int:
    return browser.post(link, data={"csrf_token": csrf(browser, link)}).status_code


def test_every_page_sends_a_stranger_to_sign_in_and_back(browser: FlaskClient) -> None:
    for path in ("/", "/projects/new", "/projects/1", "/chapters/1", "/account"):
        answer = browser.get(path)
        assert answer.status_code == 302
        assert answer.location.startswith("/sign-in?next=")


def test_a_stranger_of_the_api_gets_json(browser: FlaskClient) -> None:
    answer = browser.get("/api/v1/projects")
    assert answer.status_code == 401
    assert "token" in answer.json["error"]


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(
    app: Flask, browser: FlaskClient, link: str
) -> None:
    for _ in range(3):
        assert browser.get(link).status_code == 200
    assert redeem(browser, link) == 302
    assert browser.get("/").status_code == 200
    late = app.test_client()
    assert redeem(late, link) == 403
    assert late.get("/").status_code == 302


def test_a_password_signs_in_and_a_wrong_one_is_told_without_saying_which(
    app: Flask, browser: FlaskClient, link: str
) -> None:
    redeem(browser, link)
    data = {"csrf_token": csrf(browser, "/account"), "password": PASSWORD}
    assert browser.post("/account", data=data).status_code == 302
    other = app.test_client()
    wrong = {"csrf_token": csrf(other, "/sign-in"), "name": "owner", "password": "guess"}
    refused = other.post("/sign-in", data=wrong)
    assert refused.status_code == 403
    assert "do not belong together" in refused.text
    unknown = other.post("/sign-in", data=wrong | {"name": "nobody"})
    assert "do not belong together" in unknown.text
    assert other.post("/sign-in?next=/account", data=wrong | {"password": PASSWORD}).location == "/account"


def test_a_short_password_is_refused_beside_the_field(browser: FlaskClient, link: str) -> None:
    redeem(browser, link)
    answer = browser.post("/account", data={"csrf_token": csrf(browser, "/account"), "password": "short"})
    assert answer.status_code == 422
    assert "at least 10" in answer.text


def test_guessing_is_slowed_down(browser: FlaskClient) -> None:
    data = {"csrf_token": csrf(browser, "/sign-in"), "name": "owner", "password": "guess"}
    answers = [browser.post("/sign-in", data=data).status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]


def test_another_site_cannot_act_with_a_persons_session(browser: FlaskClient, link: str) -> None:
    redeem(browser, link)
    assert browser.post("/account", data={"password": PASSWORD}).status_code == 400
    assert browser.post("/api/v1/projects/1/start").status_code == 403
    assert browser.post("/sign-out").status_code == 400


def test_signing_out_ends_the_session(browser: FlaskClient, link: str) -> None:
    redeem(browser, link)
    browser.post("/sign-out", data={"csrf_token": csrf(browser, "/account")})
    assert browser.get("/").status_code == 302


def test_a_deleted_user_is_a_stranger(browser: FlaskClient, link: str, begin: Begin) -> None:
    redeem(browser, link)
    with begin() as session:
        session.delete(users.owner(session))
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_a_link_never_leads_elsewhere_after_signing_in(app: Flask, path: str) -> None:
    with app.test_request_context():
        assert inside(path) == "/"
        assert inside("/projects/3?a=b") == "/projects/3?a=b"


def test_cookies_are_not_for_scripts_or_other_sites(browser: FlaskClient, link: str) -> None:
    answer = browser.post(link, data={"csrf_token": csrf(browser, link)})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
