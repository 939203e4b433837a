from sqlalchemy import func, select

from farm import mishaps
from farm.db import Begin
from farm.messages import Message
from farm.tables import Job, Mishap, Segment, Tally, Worker
from tests import builders
from tests.desk import Desk

FAST = 2.0  # x realtime: four segments of 2.2 s in a first batch


def crew(begin: Begin, *names: str, segments: int = 40) -> tuple[Desk, list[int]]:
    """A book, and workers that take a few segments at a time."""
    with begin() as session:
        builders.chapter(session, builders.project(session), [f"k{n:02}" for n in range(segments)])
        ids = [builders.worker(session, name, speed=FAST).id for name in names]
    return Desk(begin), ids


def state_of(begin: Begin, worker: int) -> tuple[list[int], bool]:
    with begin() as session:
        found = session.get_one(Worker, worker)
        return found.strikes, found.hold is not None


def work_on(desk: Desk, workers: list[int], bad: set[int], poison: set[int], rounds: int = 60) -> list[int]:
    """Let workers work until nothing is left: `bad` fail all, `poison` is what all fail; the jobs of each."""
    counts = dict.fromkeys(workers, 0)
    for _ in range(rounds):
        desk.ring()
        for worker in workers:
            if job := desk.take(worker):
                counts[worker] += 1
                mine = {segment.id for segment in desk.held(job)}
                desk.end(job, mine if worker in bad else mine & poison)
    return list(counts.values())


def segments_by_state(begin: Begin) -> dict[str, int]:
    with begin() as session:
        return dict(session.execute(select(Segment.state, func.count()).group_by(Segment.state)).all())


def test_what_goes_wrong_is_remembered_with_the_beginning_of_its_text(begin: Begin) -> None:
    desk, (worker,) = crew(begin, "w1")
    with begin() as session:
        session.get_one(Segment, 1).display = "x" * 200
    desk.ring()
    job = desk.take(worker)
    assert job
    desk.end(job, {1}, "memory")
    with begin() as session:
        mishap = session.scalars(select(Mishap)).one()
        assert (mishap.worker_id, mishap.segment_id, mishap.kind, mishap.reason) == (
            worker,
            1,
            "memory",
            "broke",
        )
        assert mishap.display == "x" * 80


def test_only_the_last_mishaps_of_a_worker_are_kept(begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session)
        builders.chapter(session, book, [f"k{n}" for n in range(3)])
        worker = builders.worker(session)
        job = Job(project_id=book.id, worker_id=worker.id)
        segments = session.scalars(select(Segment)).all()
        for n in range(60):
            mishaps.note(session, job, [mishaps.Trouble(segments[n % 3], "engine", str(n))])
        kept = session.scalars(select(Mishap.reason).order_by(Mishap.id)).all()
        assert kept == [str(n) for n in range(10, 60)]


def test_a_worker_that_fails_all_is_held_once_others_could_speak_it(begin: Begin) -> None:
    desk, (bad, *good) = crew(begin, "bad", "b", "c", "d")
    jobs_done = work_on(desk, [bad, *good], {bad}, set())
    assert segments_by_state(begin) == {"done": 40}
    assert jobs_done[0] == 1
    with begin() as session:
        held = session.get_one(Worker, bad).hold
        assert held is not None
        assert "others could speak" in str(Message.from_json(held))
        assert session.scalar(select(func.max(Segment.attempts))) == 1


def test_three_poisonous_segments_hold_nobody_when_there_are_others(begin: Begin) -> None:
    poison = {1, 2, 3}
    desk, workers = crew(begin, "a", "b", "c", "d")
    work_on(desk, workers, set(), poison)
    assert segments_by_state(begin) == {"done": 37, "failed": 3}
    assert [state_of(begin, worker)[1] for worker in workers] == [False] * 4


def test_one_who_failed_three_in_a_row_gets_nothing_until_another_has_tried(begin: Begin) -> None:
    desk, (suspect, other) = crew(begin, "suspect", "other")
    desk.ring()
    job = desk.take(suspect)
    assert job
    mine = {segment.id for segment in desk.held(job)}
    desk.end(job, mine)
    desk.ring()
    assert desk.take(suspect) is None
    assert len(state_of(begin, suspect)[0]) >= mishaps.MOST_STRIKES
    for _ in range(12):  # the other one fails them, too: it was the book
        desk.ring()
        if again := desk.take(other):
            desk.end(again, mine)
    desk.ring()
    assert state_of(begin, suspect) == ([], False)
    assert desk.take(suspect) is not None


def test_a_single_worker_works_on_past_a_bad_patch_but_not_for_ever(begin: Begin) -> None:
    desk, (only,) = crew(begin, "only")
    work_on(desk, [only], set(), {1, 2, 3, 4, 5})
    assert segments_by_state(begin) == {"done": 35, "failed": 5}
    assert state_of(begin, only) == ([], False)


def test_a_single_worker_that_fails_everything_stops(begin: Begin) -> None:
    desk, (only,) = crew(begin, "only")
    work_on(desk, [only], {only}, set())
    with begin() as session:
        held = session.get_one(Worker, only).hold
        assert held is not None
        assert "no other worker could try" in str(Message.from_json(held))
        assert session.scalars(select(Segment.id).where(Segment.state == "failed")).all() == []


def test_words_that_cannot_be_spoken_are_no_strike(begin: Begin) -> None:
    desk, (worker, _) = crew(begin, "a", "b")
    desk.ring()
    job = desk.take(worker)
    assert job
    desk.end(job, {segment.id for segment in desk.held(job)}, "text")
    assert state_of(begin, worker)[0] == []


def test_a_lost_lease_is_one_strike_however_much_was_in_hand(begin: Begin) -> None:
    desk, (worker, _) = crew(begin, "a", "b")
    desk.ring()
    job = desk.take(worker)
    assert job
    assert len(desk.held(job)) > 1
    desk.lose(job)
    assert len(state_of(begin, worker)[0]) == 1
    with begin() as session:
        assert session.get_one(Tally, "leases_expired").value == 1


def test_a_success_clears_the_strikes(begin: Begin) -> None:
    desk, (worker, _) = crew(begin, "a", "b")
    desk.ring()
    for failing in (2, 0):
        job = desk.take(worker)
        assert job
        desk.end(job, [segment.id for segment in desk.held(job)][-failing:] if failing else [])
        assert len(state_of(begin, worker)[0]) == failing
        desk.ring()
