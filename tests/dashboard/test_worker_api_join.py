"""Joining over HTTP, what a worker says while it joins, and how much of what was lost is counted."""

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from builders import PIN, chapter, project, worker
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app, limiter
from farm import jobs, joining, steering, tally, workers
from farm.messages import Message
from farm.protocol import OLDEST, PROBE_BYTES, PROTOCOL
from farm.tables import Job, JobKind, Segment, Worker

Headers = dict[str, str]
CARD = {"uuid": "GPU-1", "name": "NVIDIA GeForce RTX 3060", "vram_gib": 11.76}
MACHINE = {"protocol": PROTOCOL, "version": "abc", "hostname": "attic", "cards": [CARD]}
BEAT = {"state": "ready", "engine": "simulated", "fingerprint": PIN["fingerprint"], "protocol": PROTOCOL}


@pytest.fixture
def api(have: Belongings) -> Iterator[FlaskClient]:
    client = create_worker_app(have).test_client()
    limiter.reset()
    yield client
    with redis.Redis.from_url(have.settings.broker_url, decode_responses=True) as admin:
        for user in admin.acl_users():
            if user != "default":
                admin.acl_deluser(user)


def define(have: Belongings, **values: Any) -> str:
    with have.begin() as session:
        return joining.define(session, **{"name": "attic", "engine": "preview", **values})


def join(api: FlaskClient, have: Belongings, **values: Any) -> dict[str, Any]:
    """A worker that joined, as the farm answered."""
    answer: Any = api.post("/worker/v1/join", json={**MACHINE, "token": define(have, **values)})
    assert answer.status_code == 200, answer.json
    (joined,) = answer.json["workers"]
    return dict(joined)


def bearer(secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def joined(api: FlaskClient, have: Belongings) -> Headers:
    """A worker on another machine, that is ready."""
    who = bearer(join(api, have)["secret"])
    assert api.post("/worker/v1/beat", json=BEAT, headers=who).status_code == 200
    return who


@pytest.fixture
def job(have: Belongings) -> tuple[int, str]:
    """A render job that waits for a worker of 12g, with two segments: its id and token."""
    with have.begin() as session:
        book = project(session)
        book.pin = {**PIN, "precision": "fp16"}
        made = jobs.write(session, JobKind.RENDER, book.id, queue=jobs.render_queue("12g"))
        for segment in session.query(Segment).filter_by(chapter_id=chapter(session, book, ["a", "b"]).id):
            segment.state, segment.job_id = "leased", made.id
        return made.id, made.token


def test_a_machine_is_given_what_its_workers_need(api: FlaskClient, have: Belongings) -> None:
    given = join(api, have, engine="simulated:speed=5.7")
    fields = {"name", "secret", "gpu_class", "engine", "gpu", "broker_url", "approved"}
    assert set(given) == fields
    assert (given["gpu_class"], given["gpu"], given["engine"]) == ("12g", "GPU-1", "simulated:speed=5.7")
    with redis.Redis.from_url(given["broker_url"]) as client:
        assert client.brpop(["render.12g", "w.attic"], timeout=0.01) is None
    told: Any = api.post("/worker/v1/beat", json=BEAT, headers=bearer(given["secret"])).json
    assert (told["desired"], told["at_once"], told["approved"], told["why"]) == ("run", False, True, "")


def test_wrong_tokens_are_soon_refused_unread_and_good_ones_never_counted(
    api: FlaskClient, have: Belongings
) -> None:
    secret = define(have, most_uses=20)
    for _ in range(12):
        assert api.post("/worker/v1/join", json={**MACHINE, "token": secret}).status_code == 200
    statuses = [
        api.post("/worker/v1/join", json={**MACHINE, "token": "x" * 43}).status_code for _ in range(12)
    ]
    assert statuses == [403] * 10 + [429] * 2
    answer: Any = api.post("/worker/v1/join", json={**MACHINE, "token": secret})
    assert answer.status_code == 429
    assert answer.json["error"]
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    answer = api.post("/worker/v1/join", json={**MACHINE, "token": secret}, environ_overrides=elsewhere)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": 5},
        {"token": "x" * 101},
        {"protocol": 0},
        {"protocol": 99},
        {"protocol": "two"},
        {"version": "x" * 65},
        {"hostname": ""},
        {"hostname": "a\0b"},
        {"hostname": "x" * 256},
        {"cards": {}},
        {"cards": [{}]},
        {"cards": [CARD] * 2},
        {"cards": [{**CARD, "uuid": str(n)} for n in range(17)]},
        {"cards": [{**CARD, "uuid": ""}]},
        {"cards": [{**CARD, "uuid": "x" * 101}]},
        {"cards": [{**CARD, "name": "\ud800"}]},
        {"cards": [{**CARD, "vram_gib": -1}]},
        {"cards": [{**CARD, "vram_gib": "12"}, {**CARD, "vram_gib": 1e300}]},
        {"cards": [{**CARD, "extra": 1}]},
        {"extra": 1},
    ],
)
def test_a_machine_that_cannot_be_is_refused_and_its_token_stays_good(
    api: FlaskClient, have: Belongings, change: dict[str, Any]
) -> None:
    secret = define(have)
    answer: Any = api.post("/worker/v1/join", json={**MACHINE, "token": secret, **change})
    assert answer.status_code in (403, 422), answer.json
    assert answer.json["error"]
    with have.begin() as session:
        assert joining.find(session, secret).uses == 0
        assert session.query(Worker).count() == 0


def test_a_worker_that_joins_says_what_it_does_and_what_it_measured(
    api: FlaskClient, have: Belongings
) -> None:
    who = bearer(join(api, have, approval=True)["secret"])
    step = {**BEAT, "state": "enrolled", "fingerprint": "", "facts": {"step": "measuring"}}
    told: Any = api.post("/worker/v1/beat", json=step, headers=who).json
    assert (told["desired"], told["approved"]) == ("drain", False)
    assert told["why"] == "It waits until a person lets it in."
    measured = {"speed": 5.7, "batch": 8, "peak_mib": 5400}
    assert api.post("/worker/v1/measured", json=measured, headers=who).json == {}
    with have.begin() as session:
        found = session.query(Worker).one()
        assert (found.state, found.facts["step"]) == ("enrolled", "measuring")
        assert (found.benchmark, found.speed, found.profile["batch"]) == (5.7, 5.7, 8)
        assert workers.live(session) == []
    for wrong in ({"speed": -1}, {"speed": "fast"}, {"batch": 0}, {"peak_mib": None}, {"extra": 1}):
        answer = api.post("/worker/v1/measured", json={**measured, **wrong}, headers=who)
        assert answer.status_code == 422


def test_a_worker_finds_the_store_by_its_own_road(
    api: FlaskClient, have: Belongings, joined: Headers
) -> None:
    leave: Any = api.post("/worker/v1/probe", json={}, headers=joined).json
    assert leave["upload"]["url"].startswith("/store/")
    content = bytes(range(256)) * (PROBE_BYTES // 256)
    assert api.put(leave["upload"]["url"], data=content[1:]).status_code == 403
    assert api.put(leave["upload"]["url"], data=content).status_code == 204
    with api.get(leave["download"]) as answer:
        assert answer.data == content


def test_takes_go_by_the_workers_own_road(api: FlaskClient, joined: Headers, job: tuple[int, str]) -> None:
    address = f"/worker/v1/jobs/{job[0]}"
    assert api.post(f"{address}/claim", json={"token": job[1]}, headers=joined).status_code == 200
    body = {"token": job[1], "sizes": {"1": 5}}
    leaves: Any = api.post(f"{address}/uploads", json=body, headers=joined).json["uploads"]
    assert leaves["1"]["url"].startswith("/store/takes/")
    assert api.put(leaves["1"]["url"], data=b"fives").status_code == 204


def test_a_worker_on_this_host_writes_the_file_itself(api: FlaskClient, have: Belongings) -> None:
    with have.begin() as session:
        worker(session, "local")
        who = bearer(workers.enrol(session, "local", "cpu", local=True))
    leave: Any = api.post("/worker/v1/probe", json={}, headers=who).json
    assert leave["upload"]["url"].startswith("file:///")


def test_the_farm_says_what_it_speaks_and_what_time_it_is(api: FlaskClient) -> None:
    said: Any = api.get("/worker/v1/health").json
    assert (said["protocol"], said["oldest"]) == (PROTOCOL, PROTOCOL - 1)
    assert isinstance(said["time"], float)
    assert isinstance(said["version"], str)


def test_a_protocol_that_is_not_understood_is_refused_by_name_at_beat_and_claim(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    says = f"Worker attic speaks protocol 9; this farm understands {OLDEST} to {PROTOCOL}. Update the worker."
    answer: Any = api.post("/worker/v1/beat", json={**BEAT, "protocol": 9}, headers=joined)
    assert (answer.status_code, answer.json["error"]) == (422, says)
    with have.begin() as session:
        assert session.query(Worker).one().protocol == 9
    answer = api.post(f"/worker/v1/jobs/{job[0]}/claim", json={"token": job[1]}, headers=joined)
    assert (answer.status_code, answer.json["error"]) == (422, says)
    with have.begin() as session:
        assert session.query(Job).one().state == "queued"


def test_a_worker_that_is_not_let_in_or_on_hold_gets_no_job(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    with have.begin() as session:
        session.query(Worker).one().hold = Message("It failed three segments.").to_json()
    told: Any = api.post("/worker/v1/beat", json=BEAT, headers=joined).json
    assert (told["desired"], told["why"]) == ("drain", "It failed three segments.")
    answer: Any = api.post(f"/worker/v1/jobs/{job[0]}/claim", json={"token": job[1]}, headers=joined)
    assert (answer.status_code, answer.json["error"]) == (409, "attic is not to work now.")
    with have.begin() as session:
        assert session.query(Job).one().state == "recalled"


def test_what_is_wanted_rides_on_renewals_and_accepts(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    address = f"/worker/v1/jobs/{job[0]}"
    assert api.post(f"{address}/claim", json={"token": job[1]}, headers=joined).status_code == 200
    with have.begin() as session:
        steering.wish(session, session.query(Worker).one().id, workers.Desired.SLEEP, at_once=True)
    bodies: dict[str, Any] = {"renew": {"progress": 1.0}, "accept": {"results": [], "last": True}}
    for step, body in bodies.items():
        answer: Any = api.post(f"{address}/{step}", json={"token": job[1], **body}, headers=joined)
        assert (answer.json["desired"], answer.json["at_once"]) == ("sleep", True)


def test_a_revoked_worker_can_do_nothing(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    address = f"/worker/v1/jobs/{job[0]}"
    assert api.post(f"{address}/claim", json={"token": job[1]}, headers=joined).status_code == 200
    with have.begin() as session:
        steering.revoke(session, session.query(Worker).one().id)
    bodies: dict[str, Any] = {
        "/worker/v1/beat": BEAT,
        "/worker/v1/measured": {"speed": 1, "batch": 1, "peak_mib": 1},
        "/worker/v1/probe": {},
        "/worker/v1/leave": {},
        f"{address}/claim": {"token": job[1]},
        f"{address}/renew": {"token": job[1], "progress": 1.0},
        f"{address}/uploads": {"token": job[1], "sizes": {"1": 5}},
        f"{address}/accept": {"token": job[1], "results": []},
    }
    for path, body in bodies.items():
        assert api.post(path, json=body, headers=joined).status_code == 403, path


def test_a_worker_may_leave_by_itself(api: FlaskClient, have: Belongings, joined: Headers) -> None:
    assert api.post("/worker/v1/leave", json={}, headers=joined).json == {}
    assert api.post("/worker/v1/beat", json=BEAT, headers=joined).status_code == 403
    with have.begin() as session:
        assert session.query(Worker).one().desired == "revoked"


def test_a_ready_worker_hears_for_how_long_it_did_not_hear(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    def rung(state: str) -> Any:
        return api.post("/worker/v1/beat", json={**BEAT, "state": state}, headers=joined).json["rung"]  # type: ignore[index]

    assert rung("ready") is None, "the doorbell was not rung yet"
    with have.begin() as session:
        jobs.published(session, [job[0]])
    assert 0 <= rung("ready") < 60
    assert rung("busy") is None, "it hears nothing while it works"


def refusals(have: Belongings) -> int:
    with have.begin() as session:
        return tally.read(session)[tally.FENCE_REFUSALS]


def test_late_work_is_counted_and_a_stale_doorbell_is_not(
    api: FlaskClient, have: Belongings, joined: Headers, job: tuple[int, str]
) -> None:
    address = f"/worker/v1/jobs/{job[0]}"
    assert api.post(f"{address}/claim", json={"token": "wrong"}, headers=joined).status_code == 409
    assert refusals(have) == 0
    bodies: dict[str, Any] = {
        "renew": {"progress": 1.0},
        "uploads": {"sizes": {"1": 5}},
        "accept": {"results": []},
    }
    for count, (step, body) in enumerate(bodies.items(), 1):
        answer = api.post(f"{address}/{step}", json={"token": job[1], **body}, headers=joined)
        assert (answer.status_code, refusals(have)) == (409, count)


def test_a_worker_of_protocol_2_works_as_it_always_did(api: FlaskClient, have: Belongings) -> None:
    """Word for word what such workers say, and what they read of the answers."""
    with have.begin() as session:
        worker(session, "old")
        secret = workers.enrol(session, "old", "cpu", local=False)
        book = project(session)
        made = jobs.write(session, JobKind.RENDER, book.id, queue=jobs.render_queue("cpu"))
        for segment in session.query(Segment).filter_by(chapter_id=chapter(session, book, ["a", "b"]).id):
            segment.state, segment.job_id = "leased", made.id
        job_id, token = made.id, made.token

    def say(path: str, body: dict[str, Any]) -> Any:
        answer = api.post(f"/worker/v1/{path}", json=body, headers=bearer(secret))
        assert answer.status_code == 200, answer.json
        return answer.json

    beat = {"engine": "simulated", "fingerprint": "f1", "state": "ready", "protocol": 2, "facts": {"pid": 7}}
    assert say("beat", beat)["desired"] == "run"
    work = say(f"jobs/{job_id}/claim", {"token": token})
    assert {"job", "engine", "segments", "renew_s"} <= set(work)
    assert {"id", "text", "language", "voice", "direction", "seed"} <= set(work["segments"][0])
    ids = [segment["id"] for segment in work["segments"]]
    say(f"jobs/{job_id}/renew", {"token": token, "progress": 0.5, "in_hand": ids})
    content = b"x" * 500
    asked = {"token": token, "sizes": {str(ids[0]): len(content)}}
    (leave,) = say(f"jobs/{job_id}/uploads", asked)["uploads"].values()
    assert set(leave) == {"method", "url", "headers"}
    assert leave["url"].startswith("/store/takes/"), "an address that it joins to its own of this API"
    parts = urlsplit(leave["url"])
    sent = api.open(f"{parts.path}?{parts.query}", method=leave["method"], data=content)
    assert sent.status_code == 204
    spoken = {
        "segment": ids[0],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "seconds": 2.0,
        "busy_s": 0.1,
        "seed": 0,
    }
    unspoken = {"segment": ids[1], "kind": "engine", "reason": "mute"}
    done = say(f"jobs/{job_id}/accept", {"token": token, "results": [spoken, unspoken], "last": True})
    assert done["done"] == [], "what it sent was no audio"
    with have.begin() as session:
        assert session.get_one(Job, job_id).state == "done"
        assert [segment.attempts for segment in session.query(Segment)] == [1, 1]
