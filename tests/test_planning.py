"""A chapter that is planned again keeps what people decided about its sentences."""

import pytest
from sqlalchemy import select

from farm import chapters, planning
from farm.db import Begin
from farm.tables import Chapter, Project, Segment
from farm.text.segments import plan_chapter
from tests import builders

SAD = {"emotion": {"sad": 0.5}}
BEFORE = "雨下了一整夜。\n他走到窗前。\n雨下了一整夜。\n天亮了。"
AFTER = "雨下了一整夜。\n她笑了。\n他走到窗前。\n雨下了一整夜。\n天亮了。"


@pytest.fixture
def book(begin: Begin) -> int:
    """A Chinese project of one chapter, cut sentence by sentence."""
    with begin() as session:
        project = builders.project(session)
        project.language, project.one_sentence = "zh", True
        builders.chapter(session, project, [])
        return project.id


def planned(begin: Begin, project_id: int, text: str) -> list[Segment]:
    with begin() as session:
        project = session.get_one(Project, project_id)
        chapter = session.scalars(select(Chapter)).one()
        chapter.text, chapter.state = text, "draft"
        session.flush()
        chapters.lock(session, [chapter.id])
        planning.write(session, project, chapter, plan_chapter("", text, planning.settings_of(project)))
        return list(session.scalars(select(Segment).order_by(Segment.position)))


def test_directions_and_retakes_stay_with_their_words(begin: Begin, book: int) -> None:
    first = planned(begin, book, BEFORE)
    assert [s.spoken for s in first] == BEFORE.split("\n")
    with begin() as session:
        second_rain = session.get_one(Segment, first[2].id)
        second_rain.direction = SAD
        session.get_one(Segment, first[3].id).take_number = 2
    again = planned(begin, book, AFTER)
    assert [(s.direction, s.take_number) for s in again] == [
        (None, 0),
        (None, 0),
        (None, 0),
        (SAD, 0),
        (None, 2),
    ]
    assert [s.take_key for s in again[:3]] == [first[0].take_key, again[1].take_key, first[1].take_key]
    assert again[3].take_key != first[2].take_key  # it is to be spoken sadly
    assert planned(begin, book, AFTER)[4].take_key == again[4].take_key


def test_words_that_are_gone_take_their_direction_with_them(begin: Begin, book: int) -> None:
    first = planned(begin, book, BEFORE)
    with begin() as session:
        session.get_one(Segment, first[1].id).direction = SAD
    assert {str(s.direction) for s in planned(begin, book, "天亮了。\n雨下了一整夜。")} == {"None"}
