"""Rendering again from the command line, on a real database."""

import pytest

from farm import audit
from farm.db import Begin
from farm.tables import Chapter, Segment
from tests import builders
from tests.terminal import Terminal


@pytest.fixture
def spoken(begin: Begin) -> Chapter:
    """A finished chapter of three segments."""
    with begin() as session:
        made = builders.chapter(session, builders.project(session), ["a", "b", "c"])
        made.state = "done"
        for segment in session.query(Segment):
            segment.state = "done"
        return made


def waiting(begin: Begin) -> list[int]:
    """The positions of the segments that wait for their next take."""
    with begin() as session:
        again = session.query(Segment).filter_by(state="ready", take_number=1)
        return [segment.position for segment in again.order_by(Segment.position)]


def test_a_segment_or_a_chapter_is_rendered_again_and_it_is_noted(
    farm: Terminal, begin: Begin, spoken: Chapter
) -> None:
    assert farm("again", "segment", "2").out == "Segments that are rendered again: 1\n"
    assert waiting(begin) == [1]
    assert farm("again", "chapter", str(spoken.id), "--json").json == {"segments": 2}
    assert waiting(begin) == [0, 1, 2]
    with begin() as session:
        assert [(entry.action, entry.target, entry.status) for entry in audit.listed(session)] == [
            ("chapters.render_again", f"chapter {spoken.id}", 200),
            ("chapters.render_segment_again", "segment 2", 200),
        ]


def test_what_is_not_there_or_not_spoken_is_said(farm: Terminal, spoken: Chapter) -> None:
    assert farm("again", "segment", "2").code == 0
    for wrong, says in (
        (("segment", "2"), "waits to be spoken already"),
        (("segment", "9"), "no segment 9"),
        (("chapter", "9"), "no chapter 9"),
    ):
        answer = farm("again", *wrong)
        assert (answer.code, says in answer.err) == (1, True)
    assert farm("again", "book", "1").code == farm("again", "chapter", str(2**40)).code == 2
