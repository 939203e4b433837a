"""Chapters, segments and files over the API."""

from typing import Any

import pytest
from builders import chapter, project
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from farm import chapters
from farm.tables import Audit, Chapter, Job, Release, Segment, Take
from tests.dashboard.making import SOUND, Book, finished


@pytest.fixture
def book(have: Belongings) -> Book:
    with have.begin() as session:
        return finished(session, have.store)


def test_a_chapter_shows_the_beginning_of_its_text(script: FlaskClient, have: Belongings) -> None:
    with have.begin() as session:
        made = chapter(session, project(session, state="review"), [])
        made.text = "字" * 5000
        session.flush()
        address = f"/api/v1/chapters/{made.id}"
    assert script.get(address).json["text"] == "字" * 3000  # type: ignore[index]


def test_a_chapter_is_renamed_and_unticked_in_review_only(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    with have.begin() as session:
        address = f"/api/v1/chapters/{chapter(session, project(session, state='review'), []).id}"
    answer: Any = script.patch(address, json={"title": " 第一回 ", "included": False})
    assert (answer.json["title"], answer.json["included"]) == ("第一回", False)
    assert script.patch(address, json={"title": "\0"}).status_code == 422
    assert script.patch(address, json={"position": 3}).status_code == 422
    assert script.patch(f"/api/v1/chapters/{book.chapter}", json={"title": "x"}).status_code == 409


def test_segments_come_with_length_place_and_failure(script: FlaskClient, book: Book) -> None:
    done: Any = script.get(f"/api/v1/chapters/{book.chapter}/segments").json
    assert [(s["position"], s["state"], s["seconds"], s["start_s"], s["end_s"]) for s in done] == [
        (0, "done", 1.0, 0.5, 1.5),
        (1, "done", 2.0, 1.7, 3.4),
    ]
    held: Any = script.get(f"/api/v1/chapters/{book.chapter + 1}/segments").json
    assert held[0]["failure"]["text"] == "no voice (engine)"
    assert (held[1]["seconds"], held[1]["start_s"]) == (None, None)


def test_segments_come_in_pages_of_two_hundred(script: FlaskClient, have: Belongings) -> None:
    with have.begin() as session:
        keys = [f"k{n}" for n in range(450)]
        address = f"/api/v1/chapters/{chapter(session, project(session), keys).id}/segments"
    found: list[int] = []
    while page := script.get(address, query_string={"after": found[-1] if found else -1}).json:
        assert len(page) <= 200
        found += [segment["position"] for segment in page]
    assert found == list(range(450))


@pytest.mark.parametrize(
    "query", ["after=x", "after=-2", f"after={2**31}", "before=3", "after=1.5", "after="]
)
def test_a_page_that_cannot_be_is_refused(script: FlaskClient, book: Book, query: str) -> None:
    assert script.get(f"/api/v1/chapters/{book.chapter}/segments?{query}").status_code == 422


def test_a_failed_segment_is_tried_again_once(script: FlaskClient, book: Book) -> None:
    answer: Any = script.post(f"/api/v1/segments/{book.failed}/retry")
    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["segments_failed"]) == ("rendering", 0)
    assert script.post(f"/api/v1/segments/{book.failed}/retry").status_code == 409


def test_a_held_chapter_is_tried_again_or_given_out_without(script: FlaskClient, book: Book) -> None:
    held = f"/api/v1/chapters/{book.chapter + 1}"
    assert script.post(f"/api/v1/chapters/{book.chapter}/retry").status_code == 409
    assert script.post(f"/api/v1/chapters/{book.chapter}/waive").status_code == 409
    assert script.post(f"{held}/retry").json["state"] == "rendering"  # type: ignore[index]
    assert script.post(f"{held}/waive").status_code == 409


def test_a_held_chapter_is_mastered_without_what_failed(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    answer: Any = script.post(f"/api/v1/chapters/{book.chapter + 1}/waive")
    assert answer.json["state"] == "mastering"
    with have.begin() as session:
        assert [job.kind for job in session.query(Job)] == ["master"]


def test_a_spoken_segment_is_rendered_again_and_its_take_is_heard_until_then(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    address = f"/api/v1/segments/{book.segment}"
    answer: Any = script.post(f"{address}/render-again")
    assert (answer.status_code, answer.json["state"], answer.json["segments_done"]) == (200, "rendering", 1)
    waiting, other = script.get(f"/api/v1/chapters/{book.chapter}/segments").json  # type: ignore[misc]
    assert [(s["state"], s["seconds"]) for s in (waiting, other)] == [("ready", 1.0), ("done", 2.0)]
    with script.get(f"{address}/audio") as earlier:
        assert (earlier.status_code, earlier.data) == (200, SOUND)
    with have.begin() as session:
        wanted = session.get_one(Segment, book.segment).take_key
        have.store.put("takes/new", b"new")
        session.add(Take(key=wanted, object="takes/new", size=3, seconds=9.0, seed=1))
        session.flush()
        chapters.adopt(session, Segment.chapter_id == book.chapter)
    with script.get(f"{address}/audio") as new:
        assert new.data == b"new"
    assert script.get(f"/api/v1/chapters/{book.chapter}/segments").json[0]["seconds"] == 9.0  # type: ignore[index]
    assert script.post(f"{address}/render-again").status_code == 200
    refused: Any = script.post(f"{address}/render-again")
    assert (refused.status_code, "waits to be spoken" in refused.json["error"]) == (409, True)
    assert script.post(f"/api/v1/segments/{book.failed}/render-again").status_code == 409


def test_a_chapter_is_rendered_again_whole(script: FlaskClient, have: Belongings, book: Book) -> None:
    answer: Any = script.post(f"/api/v1/chapters/{book.chapter}/render-again")
    assert (answer.status_code, answer.json["state"], answer.json["segments_done"]) == (200, "rendering", 0)
    with have.begin() as session:
        mine = session.query(Segment).filter_by(chapter_id=book.chapter)
        assert [(s.state, s.take_number) for s in mine] == [("ready", 1)] * 2
        asked = session.query(Audit).one()
        assert (asked.action, asked.target) == ("chapters.render_again", f"chapter {book.chapter}")
    assert script.post(f"/api/v1/chapters/{book.chapter}/render-again").status_code == 409


def test_a_browser_keeps_a_take_but_asks_for_what_may_be_another(script: FlaskClient, book: Book) -> None:
    take = f"/api/v1/segments/{book.segment}/audio"
    for address, kept in (
        (f"{take}?of=a", True),
        (f"{take}?of=b", False),
        (take, False),
        (f"/api/v1/chapters/{book.chapter}/files/m4a?of=3.500", False),
    ):
        with script.get(address) as answer:
            assert ("max-age" in answer.headers["Cache-Control"]) is kept


def test_an_mp3_is_made_once_and_found_afterwards(script: FlaskClient, have: Belongings, book: Book) -> None:
    address = f"/api/v1/chapters/{book.chapter}/mp3"
    for _ in range(2):
        answer = script.post(address)
        assert (answer.status_code, answer.json) == (202, {"making": True})
    with have.begin() as session:
        assert session.query(Job).one().payload == {"format": "mp3"}
        have.store.put("releases/1/2.0.mp3", SOUND)
        said = {"format": "mp3", "name": "001.mp3", "object": "releases/1/2.0.mp3", "size": len(SOUND)}
        session.add(Release(project_id=book.project, chapter_id=book.chapter, **said))
    found: Any = script.post(address)
    assert (found.status_code, found.json["chapter"]) == (200, book.chapter)
    shown: Any = script.get(f"/api/v1/chapters/{book.chapter}").json
    assert shown["mp3"] == found.json["id"]
    with script.get(f"/api/v1/chapters/{book.chapter}/files/mp3") as answer:
        assert (answer.data, answer.mimetype) == (SOUND, "audio/mpeg")
    assert script.post(f"/api/v1/chapters/{book.chapter + 1}/mp3").status_code == 409


def test_sound_is_played_whole_and_in_ranges(script: FlaskClient, book: Book) -> None:
    for address in (f"/api/v1/chapters/{book.chapter}/files/m4a", f"/api/v1/segments/{book.segment}/audio"):
        with script.get(address) as whole:
            assert (whole.status_code, whole.data) == (200, SOUND)
            assert whole.headers["Accept-Ranges"] == "bytes"
            assert "Content-Disposition" not in whole.headers
        with script.get(address, headers={"Range": "bytes=10-19"}) as part:
            assert (part.status_code, part.data) == (206, SOUND[10:20])
            assert part.headers["Content-Range"] == f"bytes 10-19/{len(SOUND)}"
        with script.get(address, headers={"Range": "bytes=-5"}) as end:
            assert end.data == SOUND[-5:]
        with script.get(address, headers={"Range": f"bytes={len(SOUND)}-"}) as behind:
            assert behind.status_code == 416
            assert behind.headers["Content-Range"] == f"bytes */{len(SOUND)}"
            assert behind.json["error"]
        with script.head(address) as head:
            assert (head.data, head.content_length) == (b"", len(SOUND))


def test_files_are_saved_under_names_that_people_read(
    script: FlaskClient, have: Belongings, book: Book
) -> None:
    with have.begin() as session:
        session.get_one(Chapter, book.chapter).title = '第1回: "x"\r\nSet-Cookie: a=b'
    with script.get(f"/api/v1/chapters/{book.chapter}/files/srt?download=1") as answer:
        disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''001%20%E7%AC%AC1%E5%9B%9E")
    assert "\n" not in disposition
    with script.get(f"/api/v1/releases/{book.release}/file") as answer:
        assert answer.data == SOUND
        assert "%E4%B9%A6%20%E2%80%9Cone%E2%80%9D.m4b" in answer.headers["Content-Disposition"]


def test_a_file_that_the_store_lost_is_not_found(script: FlaskClient, have: Belongings, book: Book) -> None:
    have.store.delete(["chapters/1/1.1.vtt"])
    assert script.get(f"/api/v1/chapters/{book.chapter}/files/vtt").status_code == 404
