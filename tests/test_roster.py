"""Workers as people see them: in one word, with what they do, spoke and failed at."""

import crews
import pytest
from builders import chapter, project
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from farm import hearsay, roster, schedule, workers
from farm.db import Begin, now
from farm.errors import NotFound
from farm.messages import Message
from farm.protocol import PROTOCOL
from farm.roster import Seen
from farm.tables import Mishap, Segment, Take, Worker, WorkerState
from farm.workers import Beat


def book(session: Session) -> int:
    made = project(session, title="红楼梦")
    part = chapter(session, made, [f"k{n}" for n in range(8)])
    session.execute(update(Segment).where(Segment.chapter_id == part.id).values(state="done"))
    for n in range(8):
        session.add(Take(key=f"k{n}", object=f"takes/{n}", size=1, seconds=1.0, seed=0))
    session.flush()
    return made.id


def seen(session: Session) -> dict[str, Seen]:
    return {found.worker.name: found for found in roster.everyone(session)}


def test_each_worker_is_one_word_and_those_who_need_a_person_come_first(begin: Begin) -> None:
    with begin() as session:
        crews.everyone(session)
        found = roster.everyone(session)
    assert {it.worker.name: it.word for it in found} == {
        "attic-3060-1": "working",
        "attic-3060-2": "working",
        "big-4090": "working",
        "rented-h200": "working",
        "closing": "draining",
        "waiting-for-work": "ready",
        "gaming-pc": "asleep",
        "in-my-hands": "maintenance",
        "broken-fan": "error",
        "mumbling": "held",
        "stranger": "waiting",
        "newcomer": "joining",
        "basement": "lost",
    }
    words = [it.word for it in found]
    assert words[:3] == ["error", "held", "waiting"]
    assert words.index("working") < words.index("ready") < words.index("asleep") < words.index("lost")


def test_every_word_is_explained(begin: Begin) -> None:
    with begin() as session:
        crews.everyone(session)
        found = seen(session)
    assert str(found["mumbling"].why) == str(crews.SILENT)
    assert "lets it in" in str(found["stranger"].why)
    assert "not been heard of" in str(found["basement"].why)
    assert "hours" not in str(found["gaming-pc"].why)  # a person sent it to sleep
    assert all(str(it.why) for it in found.values())


def test_a_worker_shows_what_it_speaks_spoke_last_and_failed_at(begin: Begin) -> None:
    with begin() as session:
        made = book(session)
        crews.everyone(session)
        found = seen(session)
    works = found["attic-3060-2"]
    assert works.doing
    assert (works.doing.project, works.doing.title, works.doing.segments) == (made, "红楼梦", 16)
    assert works.spoke
    assert works.spoke.display == "Sentence k1. "
    assert works.speed == 3.1  # of this minute, not its average
    assert found["closing"].speed == 5.5
    mumbling = found["mumbling"]
    assert len(mumbling.failed) == roster.FEW
    assert {mishap.reason for mishap in mumbling.failed} == {"The take is silent."}
    assert mumbling.failed[0].at >= mumbling.failed[-1].at
    assert [kept.title for kept in found["broken-fan"].kept_from] == ["红楼梦"]


def test_one_worker_shows_more_of_its_failures_than_a_list_of_all(begin: Begin) -> None:
    with begin() as session:
        book(session)
        ids = crews.everyone(session)
        assert len(roster.one(session, ids["mumbling"]).failed) == 5
        with pytest.raises(NotFound, match="no worker 999"):
            roster.one(session, 999)


def test_a_mishap_of_a_segment_that_was_cut_anew_is_still_told(begin: Begin) -> None:
    with begin() as session:
        made = book(session)
        ids = crews.everyone(session)
        gone = Mishap(worker_id=ids["stranger"], project_id=made, segment_id=10**9, kind="text", reason="?")
        gone.display = "Gone."
        session.add(gone)
        session.flush()
        (told,) = roster.one(session, ids["stranger"]).failed
    assert (told.chapter, told.display) == (None, "Gone.")


def test_hours_that_let_it_sleep_say_when_it_wakes(begin: Begin) -> None:
    with begin() as session:
        ids = crews.everyone(session)
        day = session.scalars(now.select()).one().strftime("%a").lower()
        others = {name: [["00:00", "24:00"]] for name in schedule.DAYS if name != day}
        pc = session.get_one(Worker, ids["gaming-pc"])
        pc.desired, pc.schedule = "run", {"zone": "UTC", "hours": others}
        session.flush()
        found = roster.one(session, ids["gaming-pc"])
        assert found.wakes_at
        assert found.wakes_at > session.scalars(now.select()).one()
        assert roster.one(session, ids["big-4090"]).wakes_at is None


def test_what_a_worker_says_of_itself_is_believed_only_as_far_as_it_can_be_true() -> None:
    said = hearsay.facts(
        {
            "vram_used_mib": "many",
            "celsius": -300,
            "watts": 1e300,
            "utilisation": True,
            "speed_now": {"nested": []},
            "step": 7,
            "host": "h" * 10_000,
            "voices": ["a", "b"],
            "unknown": "ignored",
        }
    )
    assert said["vram_used_mib"] is said["celsius"] is said["watts"] is said["utilisation"] is None
    assert said["speed_now"] is None
    assert said["step"] == ""
    assert len(said["host"]) == hearsay.LONGEST_WORD
    assert said["voices"] == 2
    assert "unknown" not in said
    assert hearsay.facts({})["voices"] is None


def test_many_workers_take_no_more_queries_than_one(begin: Begin) -> None:
    with begin() as session:
        book(session)
        ids = crews.everyone(session)
        queries: list[str] = []

        def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            queries.append(statement)

        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", count)
        roster.one(session, ids["mumbling"])
        of_one = len(queries)
        roster.everyone(session)
        event.remove(engine, "before_cursor_execute", count)
    assert len(queries) - of_one <= of_one


def test_a_worker_without_a_single_fact_is_shown(begin: Begin) -> None:
    with begin() as session:
        crews.worker(session, "bare", "ready", "cpu", {}, hold=Message("Because.").to_json())
        session.execute(update(Worker).values(facts={}))
        session.expire_all()
        found = seen(session)["bare"]
    assert found.word == "held"
    assert found.speed is None
    assert roster.SAYS.keys() >= set(roster.ORDER) - {"held"}


def test_what_keeps_a_worker_from_work_is_said_in_its_own_words(begin: Begin) -> None:
    with begin() as session:
        crews.worker(session, "full", "error", "12g", {"trouble": "The disk is {full}."})
        assert str(seen(session)["full"].why) == "It cannot work: The disk is {full}."


def test_beats_that_tell_of_a_cards_use_do_not_forget_its_name(begin: Begin) -> None:
    with begin() as session:
        secret = workers.enrol(session, "w", "12g", local=False)
        worker = workers.known(session, secret)
        worker.facts = {"gpu": "RTX 3060", "vram_total_mib": 12288, "step": "old"}
        workers.beat(session, worker, Beat(WorkerState.READY, "preview", "f", PROTOCOL, {"celsius": 50}))
        facts = roster.one(session, worker.id).facts
    assert (facts["gpu"], facts["vram_total_mib"], facts["celsius"], facts["step"]) == (
        "RTX 3060",
        12288,
        50,
        "",
    )
