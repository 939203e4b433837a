"""Directions from the command line, on a real database."""

from typing import Any

import pytest

from farm import audit, oneshot
from farm.cli_directions import of_roles, parsed
from farm.db import Begin
from farm.tables import Chapter, Segment
from tests import builders
from tests.terminal import Terminal


@pytest.fixture
def spoken(begin: Begin) -> Chapter:
    """A finished chapter of two segments."""
    with begin() as session:
        made = builders.chapter(session, builders.project(session), ["a", "b"])
        made.state = "done"
        for segment in session.query(Segment):
            segment.state = "done"
        return made


def direction(begin: Begin) -> Any:
    with begin() as session:
        return session.get_one(Segment, 2).direction


def test_a_segment_is_directed_made_plain_and_spoken_as_its_role_and_it_is_noted(
    farm: Terminal, begin: Begin, spoken: Chapter
) -> None:
    answer = farm("direct", "2", "sad=0.6", "pace=0.9", "words=低声", "--json").json
    said = {"pace": 0.9, "emotion": {"sad": 0.6}, "words": "低声"}
    assert (answer["direction"], answer["state"], answer["warnings"]) == (said, "ready", [])
    assert direction(begin) == said
    assert farm("direct", "2", "--plain").out == "Segment 2 is spoken so: {} (ready)\n"
    assert farm("direct", "2", "--as-role").out == "Segment 2 is spoken so: as its role is (ready)\n"
    assert direction(begin) is None
    with begin() as session:
        assert {(entry.action, entry.target) for entry in audit.listed(session)} == {
            ("chapters.direct_segment", "segment 2")
        }


def test_what_may_be_heard_to_be_wrong_is_said(farm: Terminal, spoken: Chapter) -> None:
    answer = farm("direct", "2", "words=高兴又悲伤", "pace=0.5")
    assert answer.code == 0
    assert "contradict each other" in answer.err
    assert "It becomes 200 % as long" in answer.err


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ((), 2),
        (("sad",), 2),
        (("bored=1",), 2),
        (("emotion=1",), 2),
        (("pace=fast",), 2),
        (("pace=1.1", "--plain"), 2),
        (("--as-role", "--plain"), 2),
        (("pace=9",), 1),
        (("pace=nan",), 1),
        (("like=Nobody",), 1),
    ],
)
def test_what_makes_no_sense_is_refused(
    farm: Terminal, begin: Begin, spoken: Chapter, wrong: tuple[str, ...], code: int
) -> None:
    assert farm("direct", "2", *wrong).code == code
    assert direction(begin) is None


def test_a_books_roles_are_directed_as_people_type_it() -> None:
    assert of_roles(["dialogue words='low voice' angry=1", "title pace=0.9"]) == {
        "dialogue": {"words": "low voice", "emotion": {"angry": 1.0}},
        "title": {"pace": 0.9},
    }
    assert parsed([]) == {}


def test_asking_again_with_another_direction_or_preset_is_another_request() -> None:
    def key(**asked: Any) -> str:
        return oneshot.Request((), **asked).key(["f"])

    plain = key()
    assert key(directions={"title": {"pace": 0.9}}) == plain  # what was asked for is among its changes
    assert key(changes={"directions": {"title": {"pace": 0.9}}}) != plain
    assert key(directions={"title": {"like": {"recording": "a1"}}}) != plain
    assert key(changes={"preset": "draft"}) != plain


def test_a_preset_or_direction_that_the_engine_does_not_know_stops_the_book_at_once(
    farm: Terminal, begin: Begin, tmp_path: Any
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("Chapter 1\n\nHello.\n")
    for wrong, says in (
        (("--preset", "draft"), "preview has no preset draft"),
        (("--direct", "dialogue sad=0.5"), "knows no emotion"),
    ):
        answer = farm("render", str(book), "-o", str(tmp_path / "book.m4b"), *wrong)
        assert (answer.code, says in answer.err) == (1, True)
