"""Workers over the API: seen, described, told what to do, let in, kept away, sent away."""

from typing import Any

import crews
import pytest
from builders import project
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from farm import protocol, workers
from farm.errors import Forbidden
from farm.tables import Block, Worker

API = "/api/v1/workers"
TOKENS = "/api/v1/join-tokens"
NIGHT = {"zone": "Europe/Berlin", "hours": {"mon": [["22:00", "07:00"]]}}


@pytest.fixture
def crew(have: Belongings) -> dict[str, int]:
    with have.begin() as session:
        project(session, title="红楼梦")
        return crews.everyone(session)


@pytest.fixture
def book(have: Belongings) -> int:
    with have.begin() as session:
        return project(session).id


def test_the_list_has_those_who_need_a_person_first(script: FlaskClient, crew: dict[str, int]) -> None:
    listed: Any = script.get(API).json
    assert [found["word"] for found in listed[:3]] == ["error", "held", "waiting"]
    assert {found["id"] for found in listed} == set(crew.values())
    by_name = {found["name"]: found for found in listed}
    assert by_name["mumbling"]["why"]["text"] == str(crews.SILENT)
    assert by_name["attic-3060-1"]["doing"]["title"] == "红楼梦"
    assert by_name["attic-3060-1"]["speed"] == 5.6
    assert by_name["attic-3060-1"]["facts"]["vram_used_mib"] == 5700
    assert "secret" not in str(listed).lower()


def test_a_worker_is_described(script: FlaskClient, crew: dict[str, int], book: int) -> None:
    path = f"{API}/{crew['big-4090']}"
    changes = {"tags": ["studio"], "projects": [book], "schedule": NIGHT, "gpu_class": "12g"}
    changed: Any = script.patch(path, json=changes).json
    assert {name: changed[name] for name in changes} == changes
    assert script.patch(path, json={"tags": []}).json["schedule"] == NIGHT  # type: ignore[index]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"gpu_class": "1000g"},
        {"tags": ["t" * 100]},
        {"tags": "studio"},
        {"tags": ["\u0000"]},
        {"projects": ["all"]},
        {"projects": [-1]},
        {"schedule": []},
        {"schedule": {"zone": "Nowhere/City", "hours": {"mon": [["22:00", "07:00"]]}}},
        {"schedule": {"zone": "Europe/Berlin", "hours": {"someday": [["22:00", "07:00"]]}}},
        {"schedule": {"zone": "Europe/Berlin", "hours": {"mon": [["25:00", "07:00"]]}}},
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    script: FlaskClient, crew: dict[str, int], changes: Any
) -> None:
    path = f"{API}/{crew['big-4090']}"
    before = script.get(path).json
    answer = script.patch(path, json=changes)
    assert answer.status_code == 422
    assert answer.json["error"]  # type: ignore[index]
    after: Any = script.get(path).json
    assert {**after, "facts": 0} == {**before, "facts": 0}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("desired", "word"),
    [("drain", "draining"), ("sleep", "draining"), ("maintenance", "draining"), ("stop", "stopping")],
)
def test_a_worker_is_told_what_to_do_after_its_batch_or_now(
    script: FlaskClient, crew: dict[str, int], desired: str, word: str
) -> None:
    path = f"{API}/{crew['attic-3060-1']}"
    for at_once in (False, True):
        told: Any = script.post(f"{path}/wish", json={"desired": desired, "at_once": at_once}).json
        assert (told["word"], told["desired"], told["at_once"]) == (word, desired, at_once)
    undone: Any = script.post(f"{path}/wish", json={"desired": "run"}).json
    assert (undone["word"], undone["desired"]) == ("working", "run")


def test_a_wish_is_one_of_five(script: FlaskClient, crew: dict[str, int]) -> None:
    path = f"{API}/{crew['attic-3060-1']}/wish"
    for wrong in (
        {"desired": "revoked"},
        {"desired": "explode"},
        {},
        {"desired": "run", "at_once": "maybe so"},
    ):
        assert script.post(path, json=wrong).status_code == 422


def test_a_person_lets_a_worker_in(script: FlaskClient, crew: dict[str, int]) -> None:
    let_in: Any = script.post(f"{API}/{crew['stranger']}/approve").json
    assert (let_in["approved"], let_in["word"]) == (True, "ready")


def test_a_person_tries_a_held_worker_again(script: FlaskClient, crew: dict[str, int]) -> None:
    released: Any = script.post(f"{API}/{crew['mumbling']}/release").json
    assert released["word"] == "ready"


def test_a_revoked_worker_is_known_no_more_and_can_be_forgotten(
    script: FlaskClient, have: Belongings
) -> None:
    with have.begin() as session:
        secret = workers.enrol(session, "gone", "cpu", local=False)
        worker_id = workers.known(session, secret).id
    assert script.post(f"{API}/{worker_id}/revoke").json["word"] == "revoked"  # type: ignore[index]
    with have.begin() as session, pytest.raises(Forbidden):
        workers.known(session, secret)
    assert script.post(f"{API}/{worker_id}/wish", json={"desired": "run"}).status_code == 409
    assert script.delete(f"{API}/{worker_id}").status_code == 204
    assert script.get(f"{API}/{worker_id}").status_code == 404


def test_a_worker_that_works_is_not_forgotten(script: FlaskClient, crew: dict[str, int]) -> None:
    assert script.delete(f"{API}/{crew['attic-3060-1']}").status_code == 409
    assert script.delete(f"{API}/{crew['basement']}").status_code == 204


def test_a_token_is_said_once_with_the_line_to_run(script: FlaskClient, have: Belongings, book: int) -> None:
    asked = {
        "name": "cellar",
        "engine": "preview",
        "tags": ["night"],
        "projects": [book],
        "schedule": NIGHT,
        "approval": True,
    }
    answer = script.post(TOKENS, json=asked)
    made: Any = answer.json
    assert answer.status_code == 201
    assert {name: made[name] for name in asked} == asked
    assert (made["uses"], made["most_uses"], made["ephemeral"]) == (0, 1, False)
    assert made["line"] == f"curl -fsS {have.settings.dashboard_url}/join | sh -s -- {made['token']}"
    pin, secret = protocol.read(made["token"])
    assert pin == ""
    listed: Any = script.get(TOKENS).json
    assert [token["name"] for token in listed] == ["cellar"]
    assert secret not in str(listed)


def test_a_token_for_many_machines_is_counted(script: FlaskClient) -> None:
    many = {"name": "cloud", "most_uses": 50, "lives_s": 86_400, "ephemeral": True}
    made: Any = script.post(TOKENS, json=many).json
    assert (made["most_uses"], made["ephemeral"], made["engine"]) == (50, True, "preview")


def test_a_token_is_revoked(script: FlaskClient) -> None:
    made: Any = script.post(TOKENS, json={"name": "cellar"}).json
    assert script.delete(f"{TOKENS}/{made['id']}").status_code == 204
    assert script.get(TOKENS).json == []
    assert script.delete(f"{TOKENS}/999").status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"name": ""},
        {"name": "../etc"},
        {"name": "Name With Spaces"},
        {"name": "n" * 41},
        {"name": "a", "most_uses": 0},
        {"name": "a", "most_uses": 10**6},
        {"name": "a", "lives_s": 1},
        {"name": "a", "lives_s": 10**9},
        {"name": "a", "gpu_class": "huge"},
        {"name": "a", "schedule": {"zone": "Mars", "hours": {}}},
        {"name": "a", "secret": "mine"},
    ],
)
def test_a_token_that_cannot_be_is_refused(script: FlaskClient, asked: Any) -> None:
    assert script.post(TOKENS, json=asked).status_code == 422
    assert script.get(TOKENS).json == []


def test_a_project_is_kept_from_a_worker_with_a_reason(
    script: FlaskClient, crew: dict[str, int], book: int
) -> None:
    path = f"/api/v1/projects/{book}/blocks"
    answer = script.post(path, json={"worker": crew["big-4090"], "reason": "It whistles."})
    assert answer.status_code == 201
    (kept,) = script.get(path).json  # type: ignore[misc]
    assert (kept["worker"], kept["reason"]["text"]) == (crew["big-4090"], "It whistles.")
    seen: Any = script.get(f"{API}/{crew['big-4090']}").json
    assert [block["project"] for block in seen["kept_from"]] == [book]
    script.post(path, json={"worker": crew["attic-3060-1"]})
    listed: Any = script.get(path).json
    assert {block["reason"]["text"] for block in listed} == {"It whistles.", "A person blocked it."}
    assert script.delete(f"{path}/{crew['big-4090']}").status_code == 204
    assert script.delete(f"{path}/{crew['big-4090']}").status_code == 404


def test_braces_in_a_reason_are_only_text(
    script: FlaskClient, crew: dict[str, int], have: Belongings, book: int
) -> None:
    script.post(
        f"/api/v1/projects/{book}/blocks", json={"worker": crew["big-4090"], "reason": "{worker} {0}"}
    )
    with have.begin() as session:
        (block,) = (row for row in session.query(Block) if row.project_id == book)
    assert block.reason["values"] == {"reason": "{worker} {0}"}
    assert "{worker} {0}" in script.get(f"/api/v1/projects/{book}/blocks").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{API}/99"),
        ("PATCH", f"{API}/99"),
        ("DELETE", f"{API}/99"),
        ("POST", f"{API}/99/approve"),
        ("POST", f"{API}/99/release"),
        ("POST", f"{API}/99/revoke"),
        ("POST", f"{API}/99/explode"),
        ("GET", "/api/v1/projects/99/blocks"),
        ("DELETE", "/api/v1/projects/99/blocks/1"),
    ],
)
def test_who_is_not_there_is_a_sentence(script: FlaskClient, method: str, path: str) -> None:
    answer = script.open(path, method=method, json={} if method == "PATCH" else None)
    assert answer.status_code == 404
    assert answer.json["error"]  # type: ignore[index]


def test_a_wish_for_nobody_and_a_block_of_nobody_are_not_found(script: FlaskClient, book: int) -> None:
    assert script.post(f"{API}/99/wish", json={"desired": "run"}).status_code == 404
    assert script.post(f"/api/v1/projects/{book}/blocks", json={"worker": 99}).status_code == 404
    assert script.post("/api/v1/projects/99/blocks", json={"worker": 99}).status_code == 404


def test_what_a_worker_says_of_itself_cannot_break_the_list(script: FlaskClient, have: Belongings) -> None:
    with have.begin() as session:
        crews.worker(session, "odd", "ready", "cpu", {})
        session.query(Worker).update(
            {"facts": {"vram_used_mib": "x", "celsius": [], "step": {"a": 1}, "host": None, "voices": {}}}
        )
    (found,) = script.get(API).json  # type: ignore[misc]
    assert found["facts"]["vram_used_mib"] is None
    assert found["facts"]["step"] == ""
