"""The worker API over HTTP: nothing a worker says is believed, and nothing it says breaks the farm."""

import hashlib
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from builders import PIN, chapter, project, worker
from flask.testing import FlaskClient

from dashboard.belongings import Belongings
from dashboard.worker_api import LARGEST_REQUEST, create_worker_app
from farm import jobs, workers
from farm.audio.flac import write_flac
from farm.engine import Audio
from farm.protocol import PROTOCOL
from farm.storage.opening import open_store
from farm.tables import Chapter, Job, JobKind, Segment, Worker
from farm.up import THREADS_API

BEAT = {
    "state": "ready",
    "engine": "simulated",
    "fingerprint": PIN["fingerprint"],
    "protocol": PROTOCOL,
}


@pytest.fixture
def api(have: Belongings) -> FlaskClient:
    return create_worker_app(have).test_client()


def enrol(have: Belongings, name: str, *, local: bool = True) -> dict[str, str]:
    """A worker that is ready; the header with its secret."""
    with have.begin() as session:
        worker(session, name)
        return {"Authorization": f"Bearer {workers.enrol(session, name, 'cpu', local=local)}"}


@pytest.fixture
def w1(have: Belongings) -> dict[str, str]:
    return enrol(have, "w1")


@pytest.fixture
def job(have: Belongings, w1: dict[str, str]) -> tuple[int, str]:
    """A render job that waits for a worker, with two segments: its id and token."""
    with have.begin() as session:
        book = project(session)
        made = jobs.write(session, JobKind.RENDER, book.id, queue=jobs.render_queue("cpu"))
        for segment in session.query(Segment).filter_by(chapter_id=chapter(session, book, ["a", "b"]).id):
            segment.state, segment.job_id = "leased", made.id
        return made.id, made.token


def claimed(api: FlaskClient, who: dict[str, str], job: tuple[int, str]) -> str:
    answer = api.post(f"/worker/v1/jobs/{job[0]}/claim", json={"token": job[1]}, headers=who)
    assert answer.status_code == 200, answer.json
    return f"/worker/v1/jobs/{job[0]}"


def speech(seconds: float = 1.0) -> bytes:
    rng = np.random.default_rng(1)
    made = io.BytesIO()
    write_flac(made, Audio(0.1 * rng.standard_normal(int(22_050 * seconds)).astype(np.float32), 22_050))
    return made.getvalue()


def spoken(segment: int, content: bytes) -> dict[str, Any]:
    return {
        "segment": segment,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "seconds": 1.0,
        "busy_s": 0.1,
        "seed": 0,
    }


@pytest.mark.parametrize("secret", ["", "Bearer ", "Bearer wrong", "Basic eDp5", "Bearer \xff", "wrong"])
@pytest.mark.parametrize("step", ["beat", "jobs/1/claim", "jobs/1/renew", "jobs/1/uploads", "jobs/1/accept"])
def test_a_wrong_secret_opens_nothing(api: FlaskClient, step: str, secret: str) -> None:
    bodies: dict[str, Any] = {
        "beat": BEAT,
        "claim": {"token": "t"},
        "renew": {"token": "t", "progress": 1},
        "uploads": {"token": "t", "sizes": {}},
        "accept": {"token": "t", "results": []},
    }
    body = bodies[step.rsplit("/", 1)[-1]]
    answer = api.post(f"/worker/v1/{step}", json=body, headers={"Authorization": secret})
    assert answer.status_code == 403
    assert answer.json["error"]  # type: ignore[index]


def test_a_revoked_worker_is_refused(api: FlaskClient, have: Belongings, w1: dict[str, str]) -> None:
    told: Any = api.post("/worker/v1/beat", json=BEAT, headers=w1).json
    assert told["desired"] == "run"
    with have.begin() as session:
        session.query(Worker).one().desired = "revoked"
    assert api.post("/worker/v1/beat", json=BEAT, headers=w1).status_code == 403


def test_a_job_needs_its_token_and_is_claimed_once(
    api: FlaskClient, w1: dict[str, str], job: tuple[int, str]
) -> None:
    address = f"/worker/v1/jobs/{job[0]}/claim"
    assert api.post(address, json={"token": "wrong"}, headers=w1).status_code == 409
    answer: Any = api.post(address, json={"token": job[1]}, headers=w1)
    assert [segment["text"] for segment in answer.json["segments"]] == ["Sentence a.", "Sentence b."]
    assert api.post(address, json={"token": job[1]}, headers=w1).status_code == 409


def test_another_workers_job_is_out_of_reach(
    api: FlaskClient, have: Belongings, w1: dict[str, str], job: tuple[int, str]
) -> None:
    address = claimed(api, w1, job)
    other = enrol(have, "w2")
    bodies: dict[str, Any] = {
        "renew": {"progress": 1.0},
        "uploads": {"sizes": {"1": 10}},
        "accept": {"results": [{"segment": 1, "kind": "text", "reason": "no"}], "last": True},
        "lose": {},
    }
    for step, body in bodies.items():
        for who, token in ((other, job[1]), (w1, "wrong")):
            answer = api.post(f"{address}/{step}", json={"token": token, **body}, headers=who)
            assert answer.status_code == 409, step
    with have.begin() as session:
        assert session.get_one(Job, job[0]).state == "running"
        assert {segment.state for segment in session.query(Segment)} == {"leased"}


def test_a_job_whose_process_died_goes_back_at_once_and_counts_an_attempt(
    api: FlaskClient, have: Belongings, w1: dict[str, str], job: tuple[int, str]
) -> None:
    address = claimed(api, w1, job)
    assert api.post(f"{address}/lose", json={"token": job[1]}, headers=w1).status_code == 200
    with have.begin() as session:
        assert session.get_one(Job, job[0]).state == "expired"
        told = {(segment.state, segment.attempts) for segment in session.query(Segment)}
        assert told == {("ready", 1)}


def test_a_store_that_does_not_answer_keeps_half_of_the_threads_for_leases(
    have: Belongings, w1: dict[str, str], job: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "farm")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = open_store(f"s3://books?endpoint={endpoint}", secret=b"", public_url=endpoint)
        app = create_worker_app(replace(have, store=store))
        address = claimed(app.test_client(), w1, job)

        def say(step: str, **body: Any) -> int:
            said = {"token": job[1], **body}
            return app.test_client().post(f"{address}/{step}", json=said, headers=w1).status_code

        with ThreadPoolExecutor() as pool:
            waiting = []
            for _ in range(THREADS_API // 2):
                waiting.append(pool.submit(say, "accept", results=[spoken(1, b"take")]))
                stack.enter_context(silent.accept()[0])
            assert say("accept", results=[spoken(1, b"take")]) == 503
            assert say("renew", progress=1.0, in_hand=[1]) == 200
            stack.close()
            assert [answer.result() for answer in waiting] == [503] * len(waiting)


def test_a_take_goes_by_its_signed_address_into_the_book(
    api: FlaskClient, have: Belongings, job: tuple[int, str]
) -> None:
    far = enrol(have, "w1", local=False)
    address, content = claimed(api, far, job), speech()
    body = {"token": job[1], "sizes": {"1": len(content), "999": 5}}
    leaves: Any = api.post(f"{address}/uploads", json=body, headers=far).json
    assert list(leaves["uploads"]) == ["1"]
    parts = urlsplit(leaves["uploads"]["1"]["url"])
    assert api.put(f"{parts.path}?{parts.query}", data=content).status_code == 204
    body = {"token": job[1], "results": [spoken(1, content), spoken(1, content), spoken(999, content)]}
    for done in ([1, 1], []):  # the second time it comes too late, and changes nothing
        answer: Any = api.post(f"{address}/accept", json=body, headers=far)
        assert (answer.status_code, answer.json["done"]) == (200, done)
    with have.begin() as session:
        assert session.query(Chapter).one().segments_done == 1
        speed = session.query(Worker).one().speed
        assert speed is not None
        assert speed < 100


def test_what_was_not_uploaded_as_said_is_not_accepted(
    api: FlaskClient, have: Belongings, w1: dict[str, str], job: tuple[int, str]
) -> None:
    address, content = claimed(api, w1, job), speech()
    have.store.put(f"takes/a/a.{job[0]}.flac", content)
    wrong = {**spoken(1, content), "sha256": "0" * 64}
    answer: Any = api.post(f"{address}/accept", json={"token": job[1], "results": [wrong]}, headers=w1)
    assert answer.json["done"] == []
    with have.begin() as session:
        first = session.get_one(Segment, 1)
        assert (first.state, first.attempts) == ("ready", 1)


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("beat", {"facts": {"gpu": "a\0b"}}),
        ("beat", {"facts": {"deep": [{"\0": 1}]}}),
        ("beat", {"facts": {"half": "\ud800"}}),
        ("beat", {"facts": {"long": "x" * 30_000}}),
        ("beat", {"facts": []}),
        ("beat", {"engine": "pre\0view"}),
        ("beat", {"protocol": 0}),
        ("beat", {"version": "x" * 65}),
        ("beat", {"state": "happy"}),
        ("beat", {"protocol": "one"}),
        ("beat", {"protocol": 99}),
        ("beat", {"extra": 1}),
        ("renew", {"progress": -1}),
        ("renew", {"progress": "1e400"}),
        ("renew", {"in_hand": [2**63]}),
        ("renew", {"in_hand": [-1]}),
        ("renew", {"in_hand": ["1"]}),
        ("renew", {"in_hand": list(range(1001))}),
        ("renew", {"token": 5}),
        ("renew", {"token": "x" * 65}),
        ("renew", {"token": "\0"}),
        ("uploads", {"sizes": {"1": 0}}),
        ("uploads", {"sizes": {"1": -5}}),
        ("uploads", {"sizes": {"1": 2**40}}),
        ("uploads", {"sizes": {"1": 1.5}}),
        ("uploads", {"sizes": {"one": 10}}),
        ("uploads", {"sizes": {str(n): 10 for n in range(1001)}}),
        ("accept", {"results": [{"segment": 1}]}),
        ("accept", {"results": [{"segment": 2**70, "kind": "text"}]}),
        ("accept", {"results": [{"segment": 1, "kind": "boredom"}]}),
        ("accept", {"results": [{"segment": 1, "kind": "text", "reason": "\0"}]}),
        ("accept", {"results": [{"segment": 1, "kind": "text", "reason": "x" * 2001}]}),
        ("accept", {"results": [{**spoken(1, b"x"), "seed": 2**63}]}),
        ("accept", {"results": [{**spoken(1, b"x"), "sha256": "0" * 64 + "\n"}]}),
        ("accept", {"results": [{**spoken(1, b"x"), "busy_s": -1}]}),
        ("accept", {"results": [{"segment": 1, "kind": "text"}] * 1001}),
        ("accept", {"results": {}}),
    ],
)
def test_a_malformed_report_is_refused_and_changes_nothing(
    api: FlaskClient, have: Belongings, w1: dict[str, str], job: tuple[int, str], step: str, change: Any
) -> None:
    address = claimed(api, w1, job)
    bodies: dict[str, Any] = {
        "beat": BEAT,
        "renew": {"token": job[1], "progress": 1.0},
        "uploads": {"token": job[1], "sizes": {}},
        "accept": {"token": job[1], "results": []},
    }
    place = "/worker/v1/beat" if step == "beat" else f"{address}/{step}"
    assert api.post(place, json=bodies[step], headers=w1).status_code == 200
    answer: Any = api.post(place, json={**bodies[step], **change}, headers=w1)
    assert answer.status_code == 422, answer.json
    assert answer.json["error"]
    with have.begin() as session:
        assert [segment.state for segment in session.query(Segment)] == ["leased", "leased"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"token": "t", "progress": NaN}', "application/json", 400),
        (b'{"token": "t", "progress": Infinity}', "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"token": ' + b"9" * 10_000 + b"}", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'"' + b"x" * LARGEST_REQUEST + b'"', "application/json", 413),
    ],
)
def test_what_is_no_json_is_refused(
    api: FlaskClient, w1: dict[str, str], body: bytes, kind: str, status: int
) -> None:
    answer: Any = api.post("/worker/v1/jobs/1/renew", data=body, content_type=kind, headers=w1)
    assert answer.status_code == status
    assert answer.json["error"]


def test_a_job_that_cannot_be_is_not_found(api: FlaskClient, w1: dict[str, str]) -> None:
    for number, status in ((2**63 - 1, 409), (2**63, 404), (10**40, 404), (-1, 404)):
        body = {"token": "t", "progress": 1}
        assert api.post(f"/worker/v1/jobs/{number}/renew", json=body, headers=w1).status_code == status


def test_a_speed_that_cannot_be_is_not_believed(
    api: FlaskClient, have: Belongings, w1: dict[str, str], job: tuple[int, str]
) -> None:
    address, content = claimed(api, w1, job), speech()
    have.store.put(f"takes/a/a.{job[0]}.flac", content)
    fast = {**spoken(1, content), "busy_s": 5e-324}
    answer: Any = api.post(f"{address}/accept", json={"token": job[1], "results": [fast]}, headers=w1)
    assert answer.json["done"] == [1]
    with have.begin() as session:
        speed = session.query(Worker).one().speed
        assert speed is not None
        assert speed <= workers.FASTEST


def signed(have: Belongings, method: str, name: str, size: int | None, minutes: float = 5) -> str:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    parts = urlsplit(have.signer.sign(method, name, until, size))
    return f"{parts.path}?{parts.query}"


def test_a_signed_address_is_good_for_one_object_action_and_size(api: FlaskClient, have: Belongings) -> None:
    have.store.put("takes/b/b.1.flac", b"other")
    address = signed(have, "PUT", "takes/a/a.1.flac", 5)
    query = address.partition("?")[2]
    assert api.put(address, data=b"four").status_code == 403
    assert api.put(address, data=b"longer").status_code == 403
    assert api.get(address).status_code == 403
    assert api.put(f"/store/takes/b/b.1.flac?{query}", data=b"fives").status_code == 403
    assert api.put("/store/takes/a/a.1.flac", data=b"fives").status_code == 403
    assert api.put(signed(have, "PUT", "takes/a/a.1.flac", 5, minutes=-1), data=b"fives").status_code == 403
    assert api.put(address, data=b"fives").status_code == 204
    with api.get(signed(have, "GET", "takes/a/a.1.flac", None)) as answer:
        assert answer.data == b"fives"
    assert have.store.read("takes/b/b.1.flac", 10) == b"other"


def test_a_take_that_is_there_is_not_replaced_by_its_address(api: FlaskClient, have: Belongings) -> None:
    address = signed(have, "PUT", "takes/a/a.1.flac", 5)
    assert [api.put(address, data=sent).status_code for sent in (b"first", b"first", b"later")] == [
        204,
        204,
        409,
    ]
    assert have.store.read("takes/a/a.1.flac", 10) == b"first"
    probe = signed(have, "PUT", "probes/worker-1", 5)
    assert [api.put(probe, data=sent).status_code for sent in (b"first", b"later")] == [204, 204]


@pytest.mark.parametrize(
    "path",
    [
        "/store/../secret",
        "/store/%2e%2e/secret",
        "/store/..%2f..%2fetc/passwd",
        "/store//etc/passwd",
        "/store/%00",
        "/store/a%0d%0ab",
        "/store/.incoming/x",
        "/store/" + "a/" * 500,
    ],
)
@pytest.mark.parametrize(
    "query", ["", "?expires=9999999999&signature=0", "?expires=x&signature=é", "?expires="]
)
def test_no_path_leads_out_of_the_store(api: FlaskClient, path: str, query: str) -> None:
    for method in ("GET", "PUT"):
        assert api.open(path + query, method=method, data=b"x").status_code in (308, 403, 404)


def test_an_upload_larger_than_any_take_is_refused_even_when_signed(
    api: FlaskClient, have: Belongings
) -> None:
    size = 2**30
    address = signed(have, "PUT", "takes/a/a.1.flac", size)
    answer: Any = api.put(address, environ_overrides={"CONTENT_LENGTH": str(size)})
    assert answer.status_code == 422
    assert answer.json["error"]
