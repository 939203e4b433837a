"""Presets and directions over the API."""

import html
import json
import re
from typing import Any

import pytest
from builders import chapter, project
from flask import Flask
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from farm import projects, users
from farm.casting import key_of
from farm.tables import Project, Segment
from tests import builders
from tests.dashboard.making import Book, finished
from tests.voicing import recorded


@pytest.fixture
def book(have: Belongings) -> Book:
    with have.begin() as session:
        return finished(session, have.store)


@pytest.fixture
def reviewed(have: Belongings) -> str:
    """The address of a project of IndexTTS-2 in review."""
    with have.begin() as session:
        made = project(session, state="review")
        made.pin, made.engine = {}, "indextts2"
        chapter(session, made, []).state = "draft"
        return f"/api/v1/projects/{made.id}"


def test_a_preset_is_chosen_before_the_start(script: FlaskClient, reviewed: str) -> None:
    assert script.get(reviewed).json["preset"] == "exact"  # type: ignore[index]
    answer: Any = script.patch(reviewed, json={"preset": "draft"})
    assert (answer.status_code, answer.json["preset"]) == (200, "draft")
    answer = script.patch(reviewed, json={"preset": "best"})
    assert (answer.status_code, "exact, fast, draft" in answer.json["error"]) == (422, True)


def test_what_was_pinned_is_told_and_engines_without_presets_have_none(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    address = f"/api/v1/projects/{book.project}"
    assert script.get(address).json["preset"] == ""  # type: ignore[index]
    with have.begin() as session:
        row = session.get_one(Project, book.project)
        row.engine, row.preset, row.pin = "indextts2", "draft", {**builders.PIN, "preset": "fast"}
    assert script.get(address).json["preset"] == "fast"  # type: ignore[index]


def test_roles_are_directed_and_what_may_be_wrong_is_told(
    script: FlaskClient, have: Belongings, reviewed: str
) -> None:
    mother = key_of(recorded(have.begin, have.store))
    wanted = {
        "narrator": {"pace": 1.0, "emotion": {"calm": 0}},
        "dialogue": {"words": "高兴又悲伤", "emotion": {"sad": 0.5}, "intensity": 1.5},
        "title": {"pace": 0.9, "like": mother, "strength": 0.6},
    }
    answer: Any = script.patch(reviewed, json={"directions": wanted})
    assert answer.status_code == 200, answer.json
    assert answer.json["directions"] == {**wanted, "narrator": {}}
    assert [*answer.json["warnings"]] == ["dialogue"]
    assert "contradict each other" in answer.json["warnings"]["dialogue"][0]["text"]
    chinese: Any = script.get(reviewed, headers={"Accept-Language": "zh"}).json
    assert "高兴" in chinese["warnings"]["dialogue"][0]["text"]
    assert "contradict" not in chinese["warnings"]["dialogue"][0]["text"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"pace": 3},
        {"pace": "fast"},
        {"seconds": 8},
        {"tempo": 1},
        {"emotion": {"bored": 1}},
        {"emotion": {"sad": 2}},
        {"emotion": []},
        {"words": "字" * 201},
        {"words": "\0"},
        {"like": "recording:99"},
        {"like": "deep"},
        {"strength": -1},
        "sad",
    ],
)
def test_a_direction_that_makes_no_sense_changes_nothing(
    script: FlaskClient, reviewed: str, wrong: Any
) -> None:
    answer: Any = script.patch(reviewed, json={"directions": {"narrator": wrong}})
    assert (answer.status_code, bool(answer.json["error"])) == (422, True)
    assert script.get(reviewed).json["directions"] == {}  # type: ignore[index]


def test_a_spoken_segment_is_directed_and_goes_back_to_its_roles_way(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    address = f"/api/v1/segments/{book.segment}/direction"
    answer: Any = script.put(address, json={"emotion": {"sad": 0.5}, "seconds": 1.1})
    assert answer.status_code == 200, answer.json
    assert (answer.json["state"], answer.json["seconds"], answer.json["warnings"]) == ("ready", 1.0, [])
    assert answer.json["direction"] == {"emotion": {"sad": 0.5}, "seconds": 1.1}
    listed: Any = script.get(f"/api/v1/chapters/{book.chapter}/segments").json
    assert [segment["direction"] for segment in listed] == [answer.json["direction"], None]
    assert script.get(f"/api/v1/chapters/{book.chapter}").json["state"] == "rendering"  # type: ignore[index]
    answer = script.delete(address)
    assert (answer.status_code, answer.json["direction"]) == (200, None)


def test_a_length_that_is_heard_to_be_stretched_is_made_and_warned_of(
    script: FlaskClient, book: Book
) -> None:
    answer: Any = script.put(f"/api/v1/segments/{book.segment}/direction", json={"seconds": 3})
    assert answer.status_code == 200
    (warning,) = answer.json["warnings"]
    assert warning["text"].startswith("It becomes 300 % as long")


def test_what_cannot_be_directed_is_said(script: FlaskClient, have: Belongings, book: Book) -> None:
    address = f"/api/v1/segments/{book.segment}/direction"
    assert script.put("/api/v1/segments/999/direction", json={}).status_code == 404
    assert script.put(address, json={"pace": 9}).status_code == 422
    with have.begin() as session:
        session.get_one(Segment, book.segment).state = "leased"
    assert script.put(address, json={"pace": 1.1}).status_code == 409
    with have.begin() as session:
        session.get_one(Segment, book.segment).state = "done"
        projects.cancel(session, book.project)
    assert script.delete(address).status_code == 409


@pytest.fixture
def browser(app: Flask, have: Belongings) -> FlaskClient:
    """Somebody who is signed in."""
    with have.begin() as session:
        token = users.sign_in_token(session, users.owner(session))
    client = app.test_client()
    page = client.get(f"/sign-in/{token}").text
    csrf = page.split('name="csrf_token" value="')[1].split('"')[0]
    client.post(f"/sign-in/{token}", data={"csrf_token": csrf})
    return client


def test_the_review_has_a_disclosure_for_each_role_and_the_presets_in_both_languages(
    browser: FlaskClient, script: FlaskClient, have: Belongings, reviewed: str
) -> None:
    mother = key_of(recorded(have.begin, have.store))
    ways = {"dialogue": {"emotion": {"sad": 0.35}, "words": "高兴又悲伤", "like": mother}}
    assert script.patch(reviewed, json={"directions": ways, "preset": "fast"}).status_code == 200
    page = browser.get(reviewed.removeprefix("/api/v1")).text
    assert page.count('data-role="') == 3
    assert page.count("data-directed>") == 1
    assert 'name="emotion.sad" min="0" max="1" step="0.01" value="0.35"' in page
    assert f'<option value="{mother}" selected>Mother' in page
    assert '<option value="fast" selected>' in page
    assert "contradict each other" in page
    browser.set_cookie("language", "zh")
    chinese = browser.get(reviewed.removeprefix("/api/v1")).text
    for says in ("表达方式", "语速", "恐惧", "精细程度", "相互矛盾"):
        assert says in chinese


def test_an_engine_that_knows_the_pace_alone_is_asked_for_no_more(
    browser: FlaskClient, have: Belongings
) -> None:
    with have.begin() as session:
        made = project(session, state="review")
        made.engine = "preview"
        chapter(session, made, [])
    page = browser.get(f"/projects/{made.id}").text
    assert 'name="pace"' in page
    assert 'name="emotion.sad"' not in page
    assert 'name="preset"' not in page


def test_a_chapters_passages_are_directed_from_its_page(
    browser: FlaskClient, script: FlaskClient, book: Book
) -> None:
    address = f"/api/v1/segments/{book.segment}/direction"
    script.put(address, json={"words": "“低声”'"})
    page = browser.get(f"/chapters/{book.chapter}").text
    assert f'data-direct="{address}"' in page
    (said, *_) = re.findall(rf'data-direct="{address}" data-direction="([^"]*)"', page)
    assert json.loads(html.unescape(said)) == {"words": "“低声”'"}
    assert page.count("data-direct=") == 2
    assert 'id="direct"' in page
    assert 'name="seconds"' in page
