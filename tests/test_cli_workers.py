"""Workers, the farm's state and the audit from the command line, on a real database."""

import csv
import io
import re

import click
import pytest
from sqlalchemy import insert, select

from farm import audit, joining, protocol, workers
from farm.cli_workers import weekly
from farm.db import Begin
from farm.tables import Block, JoinToken, Mishap, Worker
from tests import builders
from tests.terminal import Terminal


@pytest.fixture
def w1(begin: Begin) -> int:
    with begin() as session:
        return builders.worker(session, "gaming-pc", "12g").id


def row(begin: Begin, worker_id: int) -> Worker:
    with begin() as session:
        return workers.find(session, worker_id)


def noted(begin: Begin) -> list[tuple[str, str, int]]:
    with begin() as session:
        return [(entry.action, entry.target, entry.status) for entry in audit.listed(session)]


def test_a_farm_without_workers_says_how_to_get_one(farm: Terminal) -> None:
    assert "farm workers add" in farm("workers").out
    assert farm("workers", "--json").json == []
    assert "none yet" in farm("workers", "drain", "gaming-pc").err


def test_workers_are_listed_for_people_and_for_scripts(farm: Terminal, begin: Begin, w1: int) -> None:
    with begin() as session:
        workers.find(session, w1).facts = {"celsius": 71, "host": "pc\x1b[2J"}
        builders.worker(session, "shy").approved = False
    listed = farm("workers").out.splitlines()
    assert [line.split()[:2] for line in listed] == [["shy", "waiting"], ["gaming-pc", "ready"]]
    told = {worker["name"]: worker for worker in farm("workers", "--json").json}
    assert told["gaming-pc"]["facts"]["celsius"] == 71
    assert told["gaming-pc"]["speed"] == 60
    assert told["shy"]["word"] == "waiting"
    assert told["shy"]["why"]


def test_one_worker_is_told_with_its_failures_and_nothing_that_steers_a_terminal(
    farm: Terminal, begin: Begin, w1: int
) -> None:
    with begin() as session:
        book = builders.project(session, title="红楼梦")
        builders.chapter(session, book, ["a"])
        failed = {"segment_id": 1, "display": "他说", "kind": "engine", "reason": "no \x1b[2Jvoice"}
        session.execute(insert(Mishap).values(worker_id=w1, project_id=book.id, **failed))
        session.execute(
            insert(Block).values(worker_id=w1, project_id=book.id, reason={"template": "x", "values": {}})
        )
        workers.find(session, w1).tags = ["night"]
    shown = farm("workers", "show", "gaming-pc")
    assert "红楼梦: “他说” no  [2Jvoice (engine)" in shown.out
    assert "\x1b" not in shown.out
    assert "night" in shown.out
    assert "kept from" in shown.out
    told = farm("workers", "show", "gaming-pc", "--json").json
    assert told["failed"][0]["kind"] == "engine"
    assert told["kept_from"][0]["reason"] == "x"
    assert told["tags"] == ["night"]


def test_a_name_that_is_not_known_is_answered_with_the_nearest(farm: Terminal, begin: Begin, w1: int) -> None:
    answer = farm("workers", "drain", "gamin-pc")
    assert answer.code == 1
    assert "Did you mean gaming-pc?" in answer.err
    assert row(begin, w1).desired == "run"
    assert noted(begin) == [("workers.wish", "worker gamin-pc", 404)]


def test_adding_prints_one_line_whose_token_joins_what_was_defined(farm: Terminal, begin: Begin) -> None:
    with begin() as session:
        book = builders.project(session).id
    answer = farm(
        *("workers", "add", "attic", "--tag", "night", "--project", str(book), "--class", "12g"),
        *("--approval", "--reusable", "3", "--ephemeral", "--hours", "2"),
    )
    assert answer.code == 0, answer.err
    assert answer.out.count("\n") == 1
    token = answer.out.split()[-1].strip("'")
    pin, secret = protocol.read(token)
    assert pin == ""
    with begin() as session:
        made = joining.find(session, secret)
        assert (made.name, made.tags, made.projects, made.gpu_class) == ("attic", ["night"], [book], "12g")
        assert (made.approval, made.ephemeral, made.most_uses) == (True, True, 3)
        assert 7100 < (made.expires_at - made.created_at).total_seconds() <= 7201
        entry = audit.listed(session)[0]
        kept = str(audit.plain(entry))
    assert (entry.action, entry.target) == ("join-tokens.create", "worker attic")
    assert entry.values["tags"] == ["night"]
    assert entry.who.endswith("(command line)")
    assert secret not in kept


def test_tokens_are_listed_and_revoked_and_their_secret_is_never_said_again(
    farm: Terminal, begin: Begin
) -> None:
    made = farm("workers", "add", "attic", "--json").json
    assert made["line"].endswith(made["token"])
    listed = farm("workers", "tokens", "--json")
    assert made["token"] not in listed.out
    assert [token["name"] for token in listed.json] == ["attic"]
    assert "attic" in farm("workers", "tokens").out
    assert farm("workers", "tokens", "--revoke", str(listed.json[0]["id"]), "--json").json == []
    assert farm("workers", "tokens", "--revoke", "99").code == 1
    assert noted(begin)[:2] == [
        ("join-tokens.revoke", "token 99", 404),
        ("join-tokens.revoke", "token 1", 200),
    ]


@pytest.mark.parametrize(
    "wrong", [("Attic!",), ("attic", "--class", "99g"), ("attic", "--engine", "x"), ("attic", "--hours", "0")]
)
def test_what_cannot_be_a_worker_is_refused(farm: Terminal, begin: Begin, wrong: tuple[str, ...]) -> None:
    assert farm("workers", "add", *wrong).code != 0
    with begin() as session:
        assert session.scalars(select(JoinToken)).all() == []


@pytest.mark.parametrize("desired", ["drain", "sleep", "maintenance", "stop"])
def test_a_worker_is_told_what_to_do_after_its_batch_or_now(
    farm: Terminal, begin: Begin, w1: int, desired: str
) -> None:
    assert farm("workers", desired, "gaming-pc").code == 0
    assert (row(begin, w1).desired, row(begin, w1).at_once) == (desired, False)
    assert farm("workers", desired, "gaming-pc", "--now").code == 0
    assert (row(begin, w1).desired, row(begin, w1).at_once) == (desired, True)
    assert farm("workers", "run", "gaming-pc").code == 0
    assert row(begin, w1).desired == "run"
    with begin() as session:
        wishes = [(entry.action, entry.values["desired"]) for entry in audit.listed(session)]
    assert wishes == [("workers.wish", wish) for wish in ("run", desired, desired)]


def test_a_worker_is_let_in_and_released(farm: Terminal, begin: Begin, w1: int) -> None:
    with begin() as session:
        waiting = workers.find(session, w1)
        waiting.approved, waiting.hold = False, {"template": "x", "values": {}}
    assert farm("workers", "approve", "gaming-pc").code == 0
    assert farm("workers", "release", "gaming-pc").code == 0
    assert row(begin, w1).approved
    assert row(begin, w1).hold is None


def test_revoking_must_be_meant_and_forgetting_comes_after_it(farm: Terminal, begin: Begin, w1: int) -> None:
    assert farm("workers", "revoke", "gaming-pc").code == 2
    assert row(begin, w1).desired == "run"
    assert farm("workers", "forget", "gaming-pc").code == 1
    assert farm("workers", "revoke", "gaming-pc", "--yes").code == 0
    assert row(begin, w1).desired == "revoked"
    assert farm("workers", "run", "gaming-pc").code == 1
    assert farm("workers", "forget", "gaming-pc").code == 0
    assert farm("workers", "--json").json == []
    assert noted(begin) == [
        ("workers.forget", "worker gaming-pc", 200),
        ("workers.wish", "worker gaming-pc", 409),
        ("workers.revoke", "worker gaming-pc", 200),
        ("workers.forget", "worker gaming-pc", 409),
    ]


def test_tags_and_hours_are_changed_and_nonsense_changes_nothing(
    farm: Terminal, begin: Begin, w1: int
) -> None:
    assert farm("workers", "tag", "gaming-pc", "night", "big").code == 0
    assert set(row(begin, w1).tags) == {"night", "big"}
    assert farm("workers", "tag", "gaming-pc").code == 0
    assert row(begin, w1).tags == []
    hours = ("schedule", "gaming-pc", "fri-sat=22:00-07:00", "--zone", "Europe/Berlin")
    assert farm("workers", *hours).code == 0
    night = [["22:00", "07:00"]]
    assert row(begin, w1).schedule == {"zone": "Europe/Berlin", "hours": {"fri": night, "sat": night}}
    assert farm("workers", "schedule", "gaming-pc", "mon=1:00-x").code == 1
    assert farm("workers", "schedule", "gaming-pc", "someday=01:00-02:00").code == 2
    assert farm("workers", "schedule", "gaming-pc").code == 2
    assert farm("workers", "schedule", "gaming-pc", "sun=00:00-24:00").code == 0
    assert row(begin, w1).schedule == {"zone": "Europe/Berlin", "hours": {"sun": [["00:00", "24:00"]]}}
    assert farm("workers", "schedule", "gaming-pc", "--always").code == 0
    assert row(begin, w1).schedule == {}


def test_days_wrap_around_the_week() -> None:
    assert list(weekly(["sat-mon=00:00-24:00"])) == ["sat", "sun", "mon"]
    assert list(weekly(["mon-sun=00:00-24:00"])) == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    with pytest.raises(click.BadParameter):
        weekly(["=01:00-02:00"])


def test_a_worker_is_kept_from_a_project_with_a_reason(farm: Terminal, begin: Begin, w1: int) -> None:
    with begin() as session:
        book = builders.project(session).id
    assert farm("workers", "block", "gaming-pc", str(book), "--reason", "it {hums}").code == 0
    kept = farm("workers", "show", "gaming-pc", "--json").json["kept_from"]
    assert kept == [{"project": book, "title": "A book", "reason": "it {hums}"}]
    assert farm("workers", "block", "gaming-pc", "99").code == 1
    assert farm("workers", "unblock", "gaming-pc", str(book)).code == 0
    assert farm("workers", "unblock", "gaming-pc", str(book)).code == 1
    assert farm("workers", "show", "gaming-pc", "--json").json["kept_from"] == []


def test_status_tells_the_word_the_crew_and_why_a_running_project_waits(
    farm: Terminal, begin: Begin, w1: int
) -> None:
    with begin() as session:
        book = builders.project(session, title="红楼梦")
        book.engine = "indextts2"
        builders.chapter(session, book, ["a", "b"])
        builders.project(session, title="Paused one", state="paused")
        builders.project(session, title="Done one", state="finished")
    told = farm("status", "--json").json
    assert told["word"] == "trouble"
    assert told["crew"] == {"ready": 1}
    running = {project["title"]: project for project in told["running"]}
    assert set(running) == {"红楼梦", "Paused one"}
    assert running["红楼梦"]["why"]
    assert running["红楼梦"]["share"] == 0
    said = farm("status").out
    assert said.startswith("trouble: ")
    assert running["红楼梦"]["why"][0] in said
    assert "1 ready" in said
    assert "Done one" not in said


def test_the_audit_is_read_searched_and_taken_away(farm: Terminal, begin: Begin, w1: int) -> None:
    farm("workers", "drain", "gaming-pc", "--now")
    farm("token", "prometheus")
    said = farm("audit").out.splitlines()
    assert "workers.wish  worker gaming-pc" in said[0]
    assert "tokens.create  prometheus" in said[1]
    assert [entry["action"] for entry in farm("audit", "drain", "--json").json] == ["workers.wish"]
    assert len(farm("audit", "--most", "1", "--json").json) == 1
    rows = list(csv.DictReader(io.StringIO(farm("audit", "--csv").out.lstrip("\ufeff"), newline="")))
    assert [entry["action"] for entry in rows] == ["tokens.create", "workers.wish"]
    assert re.search(r"vf_\w", str(rows)) is None


def test_signing_in_and_tokens_made_on_the_command_line_are_noted_without_their_secrets(
    farm: Terminal, begin: Begin
) -> None:
    link, token = farm("link").out.strip(), farm("token", "laptop").out.strip()
    assert noted(begin) == [("tokens.create", "laptop", 200), ("sign-in.invite", "", 200)]
    with begin() as session:
        kept = str([audit.plain(entry) for entry in audit.listed(session)])
    assert link.rsplit("/", 1)[1] not in kept
    assert token not in kept
