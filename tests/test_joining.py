"""A machine joins by one line: what its token says, who it becomes, and what ends when it comes again."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from sqlalchemy import func, select

from farm import jobs, joining, steering, workers
from farm.broker import user_of
from farm.db import Begin, now
from farm.embedded import Servers
from farm.errors import Conflict, FarmError, Forbidden, NotFound, Rejected, ServiceDown
from farm.joining import Card, Joined, Machine
from farm.messages import Message
from farm.protocol import OLDEST, PROTOCOL
from farm.settings import Settings
from farm.tables import Audit, Job, JobKind, JoinToken, Segment, Worker
from tests import builders

RTX_3060 = Card("GPU-1", "NVIDIA GeForce RTX 3060", 11.76)
H200 = Card("GPU-2", "NVIDIA H200", 139.8)
ATTIC = Machine("attic", 2, "abc", [], "10.0.0.7")


@pytest.fixture
def config(servers: Servers) -> Iterator[Settings]:
    yield Settings(database_url=servers.database_url, broker_url=servers.broker_url)
    with redis.Redis.from_url(servers.broker_url, decode_responses=True) as client:
        for user in client.acl_users():
            if user != "default":
                client.acl_deluser(user)


def token(begin: Begin, **values: Any) -> str:
    with begin() as session:
        return joining.define(session, **{"name": "attic", "engine": "preview", **values})


def names(begin: Begin) -> list[str]:
    with begin() as session:
        return list(session.scalars(select(Worker.name).order_by(Worker.id)))


def test_a_machine_without_a_card_becomes_one_worker(begin: Begin, config: Settings) -> None:
    (joined,) = joining.join(begin, config, token(begin), ATTIC)
    assert (joined.name, joined.gpu_class, joined.gpu, joined.approved) == ("attic", "cpu", "", True)
    with begin() as session:
        worker = workers.known(session, joined.secret)
        assert (worker.state, worker.desired, worker.local) == ("enrolled", "run", False)
        assert (worker.facts, worker.address, worker.version) == ({"host": "attic"}, "10.0.0.7", "abc")
    with redis.Redis.from_url(joined.broker_url) as client:
        assert client.ping()


def test_a_machine_with_cards_becomes_a_worker_for_each(begin: Begin, config: Settings) -> None:
    joined = joining.join(begin, config, token(begin), replace(ATTIC, cards=[RTX_3060, H200]))
    assert [(one.name, one.gpu_class, one.gpu) for one in joined] == [
        ("attic", "12g", "GPU-1"),
        ("attic-2", "24g", "GPU-2"),
    ]
    assert len({one.secret for one in joined}) == 2
    with begin() as session:
        facts = workers.known(session, joined[0].secret).facts
    assert facts == {"host": "attic", "gpu": "NVIDIA GeForce RTX 3060", "vram_total_mib": 12042}


def test_a_person_overrides_the_class(begin: Begin, config: Settings) -> None:
    machine = replace(ATTIC, cards=[RTX_3060])
    (smaller,) = joining.join(begin, config, token(begin, gpu_class="8g"), machine)
    assert (smaller.gpu_class, smaller.gpu) == ("8g", "GPU-1")
    (none,) = joining.join(begin, config, token(begin, name="cellar", gpu_class="cpu"), machine)
    assert (none.gpu_class, none.gpu) == ("cpu", "")


def test_a_worker_is_what_its_token_says(begin: Begin, config: Settings) -> None:
    hours = {"zone": "UTC", "hours": {"mon": [["22:00", "07:00"]]}}
    with begin() as session:
        book = builders.project(session).id
    said = {
        "tags": ["b", "a"],
        "projects": [book],
        "schedule": hours,
        "engine": "simulated:speed=5.7,batch=2",
    }
    (joined,) = joining.join(begin, config, token(begin, **said), ATTIC)
    assert joined.engine == "simulated:speed=5.7,batch=2"
    with begin() as session:
        worker = workers.known(session, joined.secret)
        assert (worker.tags, worker.projects, worker.schedule) == (["a", "b"], [book], hours)
        assert (worker.engine, worker.ephemeral) == ("simulated", False)


@pytest.mark.parametrize(("by_token", "by_setting"), [(True, False), (False, True), (True, True)])
def test_a_worker_may_have_to_wait_for_a_person(
    begin: Begin, config: Settings, by_token: bool, by_setting: bool
) -> None:
    config = replace(config, approve_workers=by_setting)
    (joined,) = joining.join(begin, config, token(begin, approval=by_token), ATTIC)
    assert not joined.approved
    with begin() as session:
        worker = workers.known(session, joined.secret)
        assert workers.wanted_now(session, worker)[0] == "drain"
        steering.approve(session, worker.id)
        assert workers.wanted_now(session, worker)[0] == "run"


def test_a_token_is_good_once(begin: Begin, config: Settings) -> None:
    secret = token(begin)
    joining.join(begin, config, secret, ATTIC)
    with begin() as session:
        steering.revoke(session, workers.everyone(session)[0].id)
    with pytest.raises(Forbidden, match="was used"):
        joining.join(begin, config, secret, ATTIC)


def test_of_many_machines_that_join_at_once_exactly_one_gets_in(begin: Begin, config: Settings) -> None:
    secret, ready = token(begin), threading.Barrier(8)
    outcomes: list[list[Joined] | FarmError] = []

    def join(n: int) -> None:
        ready.wait()
        try:
            outcomes.append(joining.join(begin, config, secret, replace(ATTIC, hostname=f"machine-{n}")))
        except FarmError as e:
            outcomes.append(e)

    threads = [threading.Thread(target=join, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Forbidden"] * 7 + ["list"]
    assert names(begin) == ["attic"]


def test_a_reusable_token_lets_in_as_many_as_it_says_under_names_of_their_own(
    begin: Begin, config: Settings
) -> None:
    secret = token(begin, most_uses=3, ephemeral=True)
    for _ in range(3):
        joining.join(begin, config, secret, replace(ATTIC, cards=[RTX_3060, H200]))
    with pytest.raises(Forbidden):
        joining.join(begin, config, secret, ATTIC)
    found = names(begin)
    assert len(set(found)) == 6
    assert all(re.fullmatch(r"attic-[0-9a-f]{4}(-2)?", name) for name in found)
    with begin() as session:
        assert all(worker.ephemeral for worker in workers.everyone(session))


@pytest.mark.parametrize("how", ["expired", "revoked", "unknown"])
def test_a_token_that_has_ended_opens_nothing(begin: Begin, config: Settings, how: str) -> None:
    secret = token(begin)
    with begin() as session:
        found = joining.find(session, secret)
        if how == "expired":
            found.expires_at = now
        elif how == "revoked":
            joining.revoke_token(session, found.id)
    with pytest.raises(Forbidden, match="Make a new one"):
        joining.join(begin, config, "x" * 43 if how == "unknown" else secret, ATTIC)
    assert names(begin) == []


def test_a_tokens_secret_is_kept_as_a_hash_for_an_hour(begin: Begin) -> None:
    secret = token(begin)
    with begin() as session:
        (found,) = joining.tokens(session)
        assert found.hash == workers.hash_of(secret)
        assert len(secret) == 43  # 256 bits
        left = session.scalars(select(func.extract("epoch", JoinToken.expires_at - now))).one()
        assert 3500 < left <= 3600


def test_only_tokens_that_can_still_be_used_are_listed(begin: Begin, config: Settings) -> None:
    used, kept, revoked = (token(begin, name=name) for name in ("used", "kept", "revoked"))
    joining.join(begin, config, used, ATTIC)
    with begin() as session:
        joining.revoke_token(session, joining.find(session, revoked).id)
        assert [found.name for found in joining.tokens(session)] == ["kept"]
        assert joining.find(session, kept).uses == 0
        for missing in (lambda: joining.revoke_token(session, 999), lambda: joining.find(session, "x")):
            with pytest.raises(NotFound):
                missing()


def test_a_machine_that_joins_again_ends_what_its_worker_had(begin: Begin, config: Settings) -> None:
    (first,) = joining.join(begin, config, token(begin), replace(ATTIC, cards=[H200]))
    with begin() as session:
        before = workers.known(session, first.secret)
        before.speed, before.strikes, before.hold = 60.0, [1, 2], Message("It failed.").to_json()
        steering.wish(session, before.id, workers.Desired.SLEEP, at_once=True)
    (again,) = joining.join(begin, config, token(begin), replace(ATTIC, cards=[RTX_3060]))
    with begin() as session:
        after = workers.known(session, again.secret)
        assert (after.id, after.gpu_class, after.desired) == (before.id, "12g", "run")
        assert (after.speed, after.strikes, after.hold) == (None, [], None)
        with pytest.raises(Forbidden):
            workers.known(session, first.secret)
    with redis.Redis.from_url(first.broker_url) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with redis.Redis.from_url(again.broker_url) as client:
        assert client.ping()


def test_a_revoked_worker_comes_back_by_joining_anew(begin: Begin, config: Settings) -> None:
    (first,) = joining.join(begin, config, token(begin), ATTIC)
    with begin() as session:
        worker_id = workers.known(session, first.secret).id
        steering.revoke(session, worker_id)
        with pytest.raises(Conflict, match="can join anew"):
            steering.wish(session, worker_id, workers.Desired.RUN, at_once=False)
    (again,) = joining.join(begin, config, token(begin), ATTIC)
    with begin() as session:
        assert workers.known(session, again.secret).desired == "run"


def test_what_the_one_before_had_in_hand_goes_back_uncounted(begin: Begin, config: Settings) -> None:
    joining.join(begin, config, token(begin), ATTIC)
    with begin() as session:
        (worker,) = workers.everyone(session)
        builders.chapter(session, book := builders.project(session), ["a"])
        job = jobs.write(session, JobKind.RENDER, book.id, queue="render.cpu")
        segment = session.query(Segment).one()
        segment.state, segment.job_id = "leased", job.id
        jobs.claim(session, job.id, job.token, jobs.Times(), worker.id)
    joining.join(begin, config, token(begin), ATTIC)
    with begin() as session:
        assert session.query(Job).one().state == "recalled"
        segment = session.query(Segment).one()
        assert (segment.state, segment.attempts) == ("ready", 0)


def test_the_name_of_a_worker_at_work_is_taken_and_the_token_stays_good(
    begin: Begin, config: Settings
) -> None:
    with begin() as session:
        builders.worker(session, "attic-2")
    secret = token(begin)
    with pytest.raises(Conflict, match="attic-2, and it is at work"):
        joining.join(begin, config, secret, replace(ATTIC, cards=[RTX_3060, H200]))
    assert names(begin) == ["attic-2"]
    (joined,) = joining.join(begin, config, secret, ATTIC)
    assert joined.name == "attic"


def test_a_machine_that_the_farm_does_not_understand_is_refused_by_name(
    begin: Begin, config: Settings
) -> None:
    secret = token(begin)
    says = f"attic speaks protocol 9; this farm understands {OLDEST} to {PROTOCOL}"
    with pytest.raises(Rejected, match=says):
        joining.join(begin, config, secret, replace(ATTIC, protocol=9))
    for cards in ([RTX_3060] * 2, [replace(RTX_3060, uuid=str(n)) for n in range(17)]):
        with pytest.raises(Rejected, match="at most 16 cards, each once"):
            joining.join(begin, config, secret, replace(ATTIC, cards=cards))
    with begin() as session:
        assert joining.find(session, secret).uses == 0


def test_a_join_without_a_broker_uses_no_token(begin: Begin, config: Settings) -> None:
    secret = token(begin)
    with pytest.raises(ServiceDown):
        joining.join(begin, replace(config, broker_url="redis://127.0.0.1:1/0"), secret, ATTIC)
    exposed = replace(config, broker_public_url="redis://farm.example:6379/0")
    with pytest.raises(Rejected, match="without TLS"):
        joining.join(begin, exposed, secret, ATTIC)
    assert names(begin) == []
    joining.join(begin, config, secret, ATTIC)


def test_only_those_who_joined_have_a_user_at_the_broker(
    begin: Begin, config: Settings, servers: Servers
) -> None:
    joining.join(begin, config, token(begin), ATTIC)
    with begin() as session:
        (worker,) = workers.everyone(session)
    with redis.Redis.from_url(servers.broker_url, decode_responses=True) as client:
        assert set(client.acl_users()) == {"default", user_of(worker.id)}


def test_who_joined_is_in_the_audit_without_its_secrets(begin: Begin, config: Settings) -> None:
    secret = token(begin)
    (joined,) = joining.join(begin, config, secret, ATTIC)
    with begin() as session:
        row = session.query(Audit).one()
        assert (row.action, row.target, row.address) == ("workers.join", "attic", "10.0.0.7")
        for hidden in (secret, joined.secret):
            assert hidden not in str(vars(row))


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": "Attic"},
        {"name": "a*"},
        {"name": "a\n"},
        {"name": "x" * 33},
        {"engine": ""},
        {"engine": "preview\nFARM_SECRET=x"},
        {"engine": "preview:"},
        {"engine": "indextts9"},
        {"engine": "simulated:speed=1 2"},
        {"engine": "x" * 201},
        {"gpu_class": "13g"},
        {"tags": ["a b"]},
        {"schedule": {"zone": "UTC"}},
        {"most_uses": 0},
        {"most_uses": 10_001},
        {"lives_s": 0},
        {"lives_s": 1e12},
        {"lives_s": float("nan")},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(begin: Begin, values: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        token(begin, **values)


def test_a_token_for_a_project_that_is_not_there_is_refused(begin: Begin) -> None:
    with pytest.raises(NotFound, match="no project 7"):
        token(begin, projects=[7])
