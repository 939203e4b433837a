"""Projects over the API: seen, changed, steered."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from builders import chapter, project, worker
from flask.testing import FlaskClient
from sqlalchemy import func

from dashboard.belongings import Belongings
from farm import projects
from farm.projects import Upload
from farm.tables import Job, Project, Source
from tests.dashboard.making import Book, finished

PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def book(have: Belongings) -> Book:
    with have.begin() as session:
        return finished(session, have.store)


@pytest.fixture
def reviewed(have: Belongings) -> int:
    """A project in review, with two chapters that nobody planned yet."""
    with have.begin() as session:
        made = project(session, state="review")
        for position in (0, 1):
            chapter(session, made, [], position=position).state = "draft"
        return made.id


def test_the_list_has_the_newest_first_with_its_progress_by_chapter(script: FlaskClient, book: Book) -> None:
    listed: Any = script.get("/api/v1/projects").json
    assert [found["id"] for found in listed] == [book.project]
    progress = listed[0]["progress"]
    assert [(part["state"], part["share"], part["failed"]) for part in progress["strip"]] == [
        ("done", 1.0, 0),
        ("held", 0.0, 1),
    ]
    assert progress["failed"] == 1
    assert progress["done_s"] == 3.5
    assert "could not be spoken" in progress["why"]["text"]


def test_a_project_shows_what_was_read_and_what_was_made(script: FlaskClient, book: Book) -> None:
    found: Any = script.get(f"/api/v1/projects/{book.project}").json
    assert found["reading"]["oddities"][0]["text"] == "第16回 appears twice."
    assert found["reading"]["removed"][0]["characters"] == 3
    assert found["sources"] == [{"filename": "a.txt", "size": 3, "encoding": None}]
    assert [part["files"] for part in found["chapters"]] == [["m4a", "srt", "vtt"], []]
    assert found["chapters"][0]["loudness"]["lufs"] == -19
    assert [made["name"] for made in found["releases"]] == ["书 “one”.m4b"]


def test_what_moves_is_the_same_as_in_the_whole(script: FlaskClient, book: Book) -> None:
    live: Any = script.get(f"/api/v1/projects/{book.project}/live").json
    whole: Any = script.get(f"/api/v1/projects/{book.project}").json
    assert live["state"] == whole["state"]
    assert {name: live[name] for name in ("share", "done_s", "total_s", "failed", "why")} == {
        name: whole["progress"][name] for name in ("share", "done_s", "total_s", "failed", "why")
    }
    assert live["releases"] == 1


def test_words_voices_and_settings_are_changed_in_review(script: FlaskClient, reviewed: int) -> None:
    changes = {
        "title": "红楼梦",
        "author": "曹雪芹",
        "narrator": "N",
        "description": "Two\nlines",
        "language": "zh",
        "cast": {"narrator": "deep", "dialogue": "bright"},
        "mastering": {"lufs": -18.0},
        "lexicon": "OWASP=oh-wasp",
        "one_sentence": True,
        "seed": 7,
        "priority": 80,
        "classes": ["12g", "24g"],
        "tags": ["night", "studio"],
        "most_workers": 3,
        "deadline": "2026-05-01T16:00:00+00:00",
    }
    answer: Any = script.patch(f"/api/v1/projects/{reviewed}", json=changes)
    assert answer.status_code == 200, answer.json
    again: Any = script.get(f"/api/v1/projects/{reviewed}").json
    assert {name: again[name] for name in changes if name != "mastering"} == {
        name: value for name, value in changes.items() if name != "mastering"
    }
    assert again["mastering"]["lufs"] == -18


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "x"},
        {"state": "finished"},
        {"title": ""},
        {"title": " "},
        {"title": "x" * 501},
        {"title": "a\0b"},
        {"title": "\ud800"},
        {"title": 5},
        {"language": "xx"},
        {"cast": {"dialogue": "deep"}},
        {"cast": {"narrator": "nobody"}},
        {"cast": {"narrator": {}}},
        {"cast": []},
        {"cast": {f"r{n}": "deep" for n in range(201)}},
        {"mastering": {"lufs": 5}},
        {"mastering": {"lufs": None}},
        {"mastering": {"volume": 11}},
        {"mastering": {"pauses_ms": {"sentence": "long"}}},
        {"mastering": {"aac_coder": "\0"}},
        {"lexicon": "x" * 500_001},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 1.5},
        {"priority": 101},
        {"priority": "high"},
        {"classes": ["80g"]},
        {"classes": "24g"},
        {"tags": ["x" * 41]},
        {"tags": [5]},
        {"most_workers": 0},
        {"most_workers": "all"},
        {"deadline": "tomorrow"},
        {"deadline": "2026-05-01T18:00:00"},
        {"one_sentence": "perhaps"},
        [],
        "text",
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    script: FlaskClient, reviewed: int, change: Any
) -> None:
    before = script.get(f"/api/v1/projects/{reviewed}").json
    answer: Any = script.patch(f"/api/v1/projects/{reviewed}", json=change)
    assert answer.status_code == 422, answer.json
    assert answer.json["error"]
    assert script.get(f"/api/v1/projects/{reviewed}").json == before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"null", "application/json", 422),
        (b'{"seed": NaN}', "application/json", 400),
        (b'{"mastering": {"lufs": Infinity}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff\xfe{}", "application/json", 400),
        (b'{"title": "x"}', "text/plain", 415),
        (b"title=x", "application/x-www-form-urlencoded", 415),
        (b'{"title": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    script: FlaskClient, reviewed: int, body: bytes, kind: str, status: int
) -> None:
    answer: Any = script.patch(f"/api/v1/projects/{reviewed}", data=body, content_type=kind)
    assert answer.status_code == status
    assert answer.json["error"]


def test_after_the_start_words_change_and_what_shapes_the_sound_does_not(
    script: FlaskClient, book: Book
) -> None:
    address = f"/api/v1/projects/{book.project}"
    assert script.patch(address, json={"title": "Better", "priority": 60}).status_code == 200
    for change in ({"seed": 3}, {"cast": {"narrator": "deep"}}, {"title": "Worse", "language": "zh"}):
        assert script.patch(address, json=change).status_code == 409
    found: Any = script.get(address).json
    assert (found["title"], found["priority"], found["seed"]) == ("Better", 60, 0)


def test_a_project_goes_from_review_to_running_and_back_by_its_buttons(
    script: FlaskClient, have: Belongings, reviewed: int
) -> None:
    def press(button: str) -> tuple[int, str]:
        answer: Any = script.post(f"/api/v1/projects/{reviewed}/{button}")
        return answer.status_code, answer.json.get("state") or answer.json["error"]

    status, sentence = press("start")
    assert status == 409
    assert "No worker" in sentence
    with have.begin() as session:
        worker(session)
    assert press("pause")[0] == 409
    assert press("start") == (200, "running")
    assert press("start")[0] == 409
    assert press("pause") == (200, "paused")
    assert press("resume") == (200, "running")
    assert press("retry")[0] == 409
    assert press("cancel") == (200, "cancelled")
    assert press("cancel")[0] == 409
    assert press("resume") == (200, "running")
    with have.begin() as session:
        assert {job.kind for job in session.query(Job)} == {"plan"}


def test_a_draft_is_not_paused_and_nothing_ticked_is_not_started(
    script: FlaskClient, have: Belongings, reviewed: int
) -> None:
    with have.begin() as session:
        draft = project(session, state="draft").id
    answer: Any = script.post(f"/api/v1/projects/{draft}/pause")
    assert (answer.status_code, answer.json["error"]) == (409, "A book is draft; that is not possible now.")
    ids = [part["id"] for part in script.get(f"/api/v1/projects/{reviewed}").json["chapters"]]  # type: ignore[index]
    ticked: Any = script.patch(f"/api/v1/projects/{reviewed}/chapters", json={"ids": ids, "included": False})
    assert [part["included"] for part in ticked.json["chapters"]] == [False, False]
    assert script.post(f"/api/v1/projects/{reviewed}/start").status_code == 422


def test_chapters_of_another_project_are_not_ticked_through_this_one(
    script: FlaskClient, book: Book, reviewed: int
) -> None:
    address = f"/api/v1/projects/{reviewed}/chapters"
    assert script.patch(address, json={"ids": [book.chapter], "included": False}).status_code == 404
    assert script.patch(address, json={"ids": [2**40], "included": False}).status_code == 404
    assert script.patch(address, json={"ids": ["1"], "included": False}).status_code == 422
    started = f"/api/v1/projects/{book.project}/chapters"
    assert script.patch(started, json={"ids": [book.chapter], "included": False}).status_code == 409


def test_a_file_is_read_again_in_another_encoding_until_the_start(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    with have.begin() as session:
        made = projects.create(session, [Upload("a.txt", "uploads/b", 3, "0")])
        session.query(Job).delete()
        made.state = "review"
        address = f"/api/v1/projects/{made.id}/read"
    answer: Any = script.post(address, json={"encoding": "big5"})
    assert (answer.status_code, answer.json["state"]) == (200, "importing")
    assert script.post(address, json={"encoding": "big5"}).status_code == 409
    with have.begin() as session:
        assert session.query(Source).filter_by(object="uploads/b").one().encoding == "big5"
        assert session.query(Job).one().kind == "import"
    assert script.post(f"/api/v1/projects/{book.project}/read", json={}).status_code == 409


def test_a_cover_is_replaced_by_a_picture_and_by_nothing_else(script: FlaskClient, reviewed: int) -> None:
    address = f"/api/v1/projects/{reviewed}/cover"
    assert script.get(address).status_code == 404
    assert script.put(address, data=PNG).status_code == 204
    with script.get(address) as answer:
        assert (answer.data, answer.mimetype) == (PNG, "image/png")
    for content, status in ((b"<svg/>", 422), (b"", 422), (PNG + bytes(10 * 2**20), 413)):
        refused: Any = script.put(address, data=io.BytesIO(content))
        assert refused.status_code == status
        assert refused.json["error"]
    with script.get(address) as answer:
        assert answer.data == PNG


def test_a_deleted_project_is_gone(script: FlaskClient, have: Belongings, book: Book) -> None:
    assert script.delete(f"/api/v1/projects/{book.project}").status_code == 204
    assert script.get(f"/api/v1/projects/{book.project}").status_code == 404
    assert script.get("/api/v1/projects").json == []
    with have.begin() as session:
        assert session.query(Project).count() == 0


def test_answers_are_json_that_any_reader_reads(script: FlaskClient, book: Book) -> None:
    text = script.get(f"/api/v1/projects/{book.project}").text
    json.loads(text, parse_constant=pytest.fail)


def test_a_review_says_what_each_class_would_change(
    script: FlaskClient, have: Belongings, reviewed: int
) -> None:
    with have.begin() as session:
        worker(session, "small", "12g", speed=5.0)
        worker(session, "big", "24g", speed=30.0)
    found: Any = script.get(f"/api/v1/projects/{reviewed}").json
    assert found["outlook"]["longest_segment"] == 100
    assert [(it["class"], it["workers"], it["allowed"]) for it in found["outlook"]["choices"]] == [
        ("12g", 1, True),
        ("24g", 1, True),
    ]
    assert found["outlook"]["choices"][0]["without_it"]["longest_segment"] == 130


def test_a_running_project_says_what_it_needs_and_when_it_is_done(
    script: FlaskClient, have: Belongings
) -> None:
    with have.begin() as session:
        made = project(session)
        chapter(session, made, ["a", "b"])
        made.deadline = func.now() - timedelta(hours=3)
    missing: Any = script.get(f"/api/v1/projects/{made.id}").json
    assert missing["needs"]["classes"] == ["cpu"]
    assert missing["progress"]["forecast"]["soonest_s"] is None
    assert "simulated engine" in missing["progress"]["why"]["text"]
    with have.begin() as session:
        worker(session, speed=0.1)
    served: Any = script.get(f"/api/v1/projects/{made.id}/live").json
    assert served["forecast"]["late"]
    assert served["forecast"]["one_more"]["class"] == "cpu"
    assert served["forecast"]["one_more"]["latest_s"] < served["latest_s"]
    assert "after its deadline" in served["why"]["text"]
