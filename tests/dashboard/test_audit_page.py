"""Every attempt to change something is noted, whoever makes it, and can be read, searched and taken away."""

import csv
import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.auth import limiter
from farm import audit, users
from farm.db import Begin
from farm.tables import Audit
from tests import builders

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def fresh_limits(app: Flask) -> None:
    with app.app_context():
        limiter.reset()


@pytest.fixture
def browser(app: Flask, begin: Begin) -> FlaskClient:
    """A person who signed in with a link."""
    client = app.test_client()
    with begin() as session:
        link = f"/sign-in/{users.sign_in_token(session, users.owner(session))}"
    assert client.post(link, data={"csrf_token": csrf(client, link)}).status_code == 302
    return client


def csrf(browser: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', browser.get(path).text)
    assert found
    return found[1]


def noted(begin: Begin) -> list[Audit]:
    with begin() as session:
        return audit.listed(session, most=500)


def in_short(begin: Begin) -> list[tuple[str, str, str, int]]:
    return [(row.who, row.action, row.target, row.status) for row in noted(begin)]


def test_what_a_script_changes_is_noted_with_its_token_and_what_it_looks_at_is_not(
    script: FlaskClient, begin: Begin
) -> None:
    with begin() as session:
        book = builders.project(session)
    script.get("/api/v1/projects")
    assert script.post(f"/api/v1/projects/{book.id}/pause").status_code == 200
    assert (
        script.patch(f"/api/v1/projects/{book.id}", json={"title": "红楼梦", "priority": 9}).status_code
        == 200
    )
    assert script.post("/api/v1/projects/99/pause").status_code == 404
    assert in_short(begin) == [
        ("owner (token tests)", "projects.pause", "project 99", 404),
        ("owner (token tests)", "projects.edit", f"project {book.id}", 200),
        ("owner (token tests)", "projects.pause", f"project {book.id}", 200),
    ]
    edited = noted(begin)[1]
    assert edited.values == {"title": "红楼梦", "priority": 9}
    assert edited.address == "127.0.0.1"


def test_refused_attempts_are_noted_whoever_makes_them(
    app: Flask, browser: FlaskClient, begin: Begin
) -> None:
    stranger = app.test_client()
    assert stranger.post("/api/v1/projects/1/pause", json={"why": "x"}).status_code == 401
    assert stranger.post("/account", data={"password": PASSWORD}).status_code == 302
    forged = {"Authorization": "Bearer vf_nonsense"}
    assert stranger.delete("/api/v1/projects/1", headers=forged).status_code == 401
    assert browser.post("/api/v1/projects/1/pause").status_code == 403
    assert stranger.post("/no/such/page").status_code == 404
    assert in_short(begin)[:5] == [
        ("nobody", "POST of no such page", "", 404),
        ("owner", "projects.pause", "project 1", 403),
        ("nobody", "projects.delete", "project 1", 401),
        ("nobody", "account.set_password", "", 401),
        ("nobody", "projects.pause", "project 1", 401),
    ]
    assert noted(begin)[4].values == {}, "what a stranger sends is not read"


def test_signing_in_and_out_is_noted_without_passwords_or_links(
    app: Flask, browser: FlaskClient, begin: Begin
) -> None:
    token = csrf(browser, "/account")
    assert browser.post("/account", data={"csrf_token": token, "password": PASSWORD}).status_code == 302
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 302
    data = {"csrf_token": csrf(browser, "/sign-in"), "name": "owner", "password": "a guess"}
    assert browser.post("/sign-in", data=data).status_code == 403
    assert browser.post("/sign-in", data=data | {"name": PASSWORD}).status_code == 403
    assert browser.post("/sign-in", data=data | {"name": "a\0b"}).status_code == 403
    assert browser.post("/sign-in", data=data | {"password": PASSWORD}).status_code == 302
    assert in_short(begin) == [
        ("owner", "sign-in.password", "", 302),
        ("nobody", "sign-in.password", "", 403),
        ("nobody", "sign-in.password", "", 403),
        ("nobody", "sign-in.password", "", 403),
        ("owner", "sign-in.end", "", 302),
        ("owner", "account.set_password", "", 302),
        ("owner", "sign-in.link", "", 302),
    ]
    entries = noted(begin)
    assert entries[3].values == {"name": "owner"}
    kept = str([audit.plain(row) for row in entries])
    for secret in (PASSWORD, "a guess", token, "IjQ"):
        assert secret not in kept


def test_an_upload_is_noted_by_its_files_names_not_its_content(script: FlaskClient, begin: Begin) -> None:
    files = {"files": (io.BytesIO(b"SECRET CHAPTER"), "红楼梦.txt"), "kind": "book"}
    assert script.post("/api/v1/projects", data=files).status_code == 201
    entry = noted(begin)[0]
    assert (entry.action, entry.values) == ("projects.create", {"kind": "book", "files": ["红楼梦.txt"]})


class Unread(io.RawIOBase):
    """A body that nobody may touch."""

    def readinto(self, _buffer: Any) -> int:
        raise AssertionError("the body of a refused upload was read")


def test_an_upload_that_is_turned_away_is_noted_without_reading_it(app: Flask, begin: Begin) -> None:
    kinds = ("multipart/form-data; boundary=x", "application/json", "image/png")
    for kind in kinds:
        body = {"wsgi.input": Unread(), "CONTENT_LENGTH": "900000", "CONTENT_TYPE": kind}
        answer = app.test_client().put("/api/v1/projects/1/cover", environ_overrides=body)
        assert answer.status_code == 401
    assert in_short(begin) == [("nobody", "projects.set_cover", "project 1", 401)] * len(kinds)


def test_a_flood_of_strangers_does_not_fill_the_table_and_hides_nobody_else(
    app: Flask, script: FlaskClient, begin: Begin
) -> None:
    stranger = app.test_client()
    for _ in range(70):
        stranger.post("/api/v1/projects/1/pause")
    script.post("/api/v1/projects/1/pause")
    entries = in_short(begin)
    assert len(entries) == 61
    assert entries[0][0] == "owner (token tests)"
    other = app.test_client()
    other.post("/api/v1/projects/1/pause", environ_base={"REMOTE_ADDR": "10.1.1.1"})
    assert noted(begin)[0].address == "10.1.1.1"


def test_the_page_shows_entries_newest_first_and_leads_to_older_ones(
    browser: FlaskClient, begin: Begin
) -> None:
    with begin() as session:
        for number in range(audit.PAGE + 5):
            audit.record(
                session,
                who="ann",
                address="",
                action="x.y",
                target=f"<b>thing {number}</b>",
                values={"n": [1]},
            )
    page = browser.get("/audit?words=ann").text
    assert "&lt;b&gt;thing 104&lt;/b&gt;" in page
    assert page.index("thing 104") < page.index("thing 5&")
    assert "thing 4&" not in page
    found = re.search(r'href="(/audit\?[^"]*before=[^"]*)"', page)
    assert found
    older = browser.get(found[1].replace("&amp;", "&")).text
    assert "thing 4&" in older
    assert "thing 0&" in older
    assert "thing 5&" not in older
    assert "No entry" in browser.get("/audit?words=nobody-at-all").text
    assert 'href="/audit"' in browser.get("/account").text


def test_all_of_it_can_be_taken_away_as_csv(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        audit.record(session, who="=ann", address="", action="x.y")
    with browser.get("/audit.csv?words=ann") as answer:
        assert answer.mimetype == "text/csv"
        assert "attachment" in answer.headers["Content-Disposition"]
        content = answer.data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["who"] for row in rows] == ["'=ann"]


def test_the_api_tells_it_a_page_at_a_time(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        for number in range(3):
            audit.record(session, who="ann", address="", action="x.y", values={"n": number})
    first = script.get("/api/v1/audit?most=2&words=ann").json
    assert [row["values"]["n"] for row in first["rows"]] == [2, 1]
    rest = script.get(f"/api/v1/audit?before={first['older']}").json
    assert [row["values"]["n"] for row in rest["rows"]] == [0]
    assert rest["older"] is None
    for wrong in ("before=x", "most=0", "most=501", "stranger=1", f"before={2**70}"):
        assert script.get(f"/api/v1/audit?{wrong}").status_code == 422


@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/api/v1/audit"])
def test_strangers_do_not_see_it(app: Flask, path: str) -> None:
    assert app.test_client().get(path).status_code in (302, 401)
