import pytest

from farm import blocks
from farm.db import Begin
from farm.errors import NotFound
from farm.messages import Message
from tests import builders
from tests.desk import Desk

NOISY = Message("Its fan is heard.")


def test_a_block_has_a_reason_and_a_second_one_replaces_it(begin: Begin) -> None:
    with begin() as session:
        book, worker = builders.project(session), builders.worker(session)
        blocks.block(session, book.id, worker.id, Message("Too slow."))
        blocks.block(session, book.id, worker.id, NOISY)
    with begin() as session:
        (block,) = blocks.of_project(session, book.id)
        assert Message.from_json(block.reason) == NOISY
        assert blocks.pairs(session) == {(book.id, worker.id)} == blocks.between(session, book.id, worker.id)


def test_what_does_not_exist_is_neither_blocked_nor_released(begin: Begin) -> None:
    with begin() as session:
        book, worker = builders.project(session), builders.worker(session)
        with pytest.raises(NotFound, match="no project 99"):
            blocks.block(session, 99, worker.id, NOISY)
        with pytest.raises(NotFound, match="no worker 99"):
            blocks.block(session, book.id, 99, NOISY)
        with pytest.raises(NotFound, match="is not blocked"):
            blocks.unblock(session, book.id, worker.id)


def test_a_blocked_worker_loses_what_it_has_and_others_are_given_it(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        builders.chapter(session, book, ["a", "b"])
        noisy, quiet = builders.worker(session, "noisy"), builders.worker(session, "quiet")
    desk = Desk(begin)
    desk.ring()
    assert desk.take(noisy.id)
    with begin() as session:
        blocks.block(session, book.id, noisy.id, NOISY)
    desk.ring()
    assert desk.take(noisy.id) is None
    assert desk.take(quiet.id) is not None
    with begin() as session:
        blocks.unblock(session, book.id, noisy.id)
        assert blocks.pairs(session) == set()
