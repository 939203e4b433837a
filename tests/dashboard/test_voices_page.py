"""The voices page says what there is, in both languages, and takes a file without scripts."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage

from dashboard.belongings import Belongings
from farm import recordings, users
from tests import builders, voicing
from tests.voicing import recorded

HOSTILE = "<script>alert(1)</script>\"'"


@pytest.fixture
def browser(app: Flask, have: Belongings) -> FlaskClient:
    """Somebody who is signed in."""
    with have.begin() as session:
        token = users.sign_in_token(session, users.owner(session))
    client = app.test_client()
    client.post(f"/sign-in/{token}", data={"csrf_token": csrf(client, f"/sign-in/{token}")})
    return client


def csrf(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def send(browser: FlaskClient, content: Any, filename: str, **fields: str) -> Any:
    form = {"file": FileStorage(content, filename), "csrf_token": csrf(browser, "/voices"), **fields}
    return browser.post("/voices", data=form, content_type="multipart/form-data")


def test_no_recording_yet_says_the_next_step(browser: FlaskClient) -> None:
    page = browser.get("/voices").text
    assert "No recording yet" in page
    assert "Narrator, a woman" in page
    assert '<a href="/voices" aria-current="page">Voices</a>' in page


def test_a_form_is_enough_to_send_a_voice(browser: FlaskClient, have: Belongings) -> None:
    answer = send(browser, voicing.file(), "Mother.wav", name="", trim="on", consent="on")
    assert (answer.status_code, answer.location) == (302, "/voices#r1")
    with have.begin() as session:
        (row,) = recordings.listed(session)
    assert (row.name, row.preparation["trim"], row.preparation["denoise"]) == ("Mother", True, False)
    assert row.consent is not None


def test_what_is_refused_is_said_on_the_page_and_the_name_is_not_lost(browser: FlaskClient) -> None:
    answer = send(browser, voicing.file(0.5), "a.wav", name="Mother")
    assert answer.status_code == 422
    assert "a.wav lasts less than a second" in answer.text
    assert 'value="Mother"' in answer.text


def test_a_form_from_elsewhere_sends_nothing(browser: FlaskClient, have: Belongings) -> None:
    answer = browser.post("/voices", data={"file": FileStorage(voicing.file(), "a.wav")})
    assert answer.status_code == 400
    assert list(have.store.list("")) == []


def test_a_card_says_how_good_it_is_why_who_agreed_and_where_it_speaks(
    browser: FlaskClient, have: Belongings
) -> None:
    made = recorded(have.begin, have.store, agreed="")
    page = browser.get("/voices").text
    assert ">fair</b>" in page
    assert "It lasts 4.0 s; from 6 to 15 s hold a voice best." in page
    assert f'data-agree="/api/v1/voices/{made}/consent"' in page
    with have.begin() as session:
        recordings.agree(session, made, by="bob", sentence="She did.")
        book = builders.project(session, title="红楼梦", state="review")
        book.cast = {"narrator": {"recording": recordings.find(session, made).voice}}
    page = browser.get("/voices").text
    assert re.search(r"bob said on 20\d\d-\d\d-\d\d that its speaker agrees", page)
    assert "data-agree" not in page
    assert f'<a href="/projects/{book.id}">红楼梦</a>' in page


def test_the_review_offers_recordings_that_the_engine_can_speak_with(
    browser: FlaskClient, have: Belongings
) -> None:
    agreed, not_yet = recorded(have.begin, have.store), recorded(have.begin, have.store, "Bob", 1, agreed="")
    with have.begin() as session:
        books = {
            engine: builders.project(session, state="review")
            for engine in ("preview", "simulated", "indextts2")
        }
        for engine, book in books.items():
            book.engine = engine
    pages = {engine: browser.get(f"/projects/{book.id}").text for engine, book in books.items()}
    for engine in ("simulated", "indextts2"):
        assert f'<option value="recording:{agreed}">Mother</option>' in pages[engine]
        assert f'<option value="recording:{not_yet}" disabled>Bob – nobody has agreed yet' in pages[engine]
    assert "recording:" not in pages["preview"]
    assert '<option value="deep">' in pages["simulated"]
    assert '<option value="deep">' not in pages["indextts2"]
    assert "choose a voice" in pages["indextts2"]


def test_a_voices_name_is_only_text(browser: FlaskClient, have: Belongings) -> None:
    made = recorded(have.begin, have.store, name=HOSTILE)
    with have.begin() as session:
        book = builders.project(session, state="review")
        book.cast = {"narrator": {"recording": recordings.find(session, made).voice}}
    for path in ("/voices", f"/projects/{book.id}"):
        assert "<script>alert" not in browser.get(path).text


def test_a_removed_recording_can_be_brought_back(browser: FlaskClient, have: Belongings) -> None:
    made = recorded(have.begin, have.store)
    with have.begin() as session:
        recordings.remove(session, made)
    page = browser.get("/voices").text
    assert "1 removed recording" in page
    assert f"POST /api/v1/voices/{made}/restore" in page
    assert "No recording yet" in page


def test_the_page_is_said_in_chinese(browser: FlaskClient, have: Belongings) -> None:
    recorded(have.begin, have.store)
    browser.set_cookie("language", "zh")
    page = browser.get("/voices").text
    assert "录音长 4.0 秒" in page
    assert re.search("<h1>声音</h1>", page)
