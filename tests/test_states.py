import pytest
from sqlalchemy import select

from farm import states
from farm.db import Begin
from farm.states import MOVES
from farm.tables import Project, ProjectState, SegmentState
from tests import builders


def test_a_row_that_someone_else_moved_first_is_not_in_the_answer(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        assert states.move(session, Project, Project.id == book.id, "running", "paused") == [book.id]
        assert states.move(session, Project, Project.id == book.id, "running", "paused") == []


def test_an_illegal_move_is_a_bug_and_says_so(begin: Begin) -> None:
    with begin() as session, pytest.raises(ValueError, match="projects do not go from draft to finished"):
        states.move(session, Project, Project.id == 1, "draft", "finished")


def test_values_are_set_with_the_move(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        states.move(session, Project, Project.id == book.id, "running", "paused", priority=7)
    with begin() as session:
        assert session.execute(select(Project.state, Project.priority)).one() == ("paused", 7)


@pytest.mark.parametrize("table", MOVES)
def test_every_state_that_is_moved_to_is_a_state(table: type) -> None:
    moves = MOVES[table]  # type: ignore[index]
    assert {target for targets in moves.values() for target in targets} <= set(moves)


def test_every_named_state_is_in_the_machine() -> None:
    assert set(MOVES[Project]) == set(ProjectState)
    assert set(SegmentState) == {"ready", "leased", "done", "failed"}
