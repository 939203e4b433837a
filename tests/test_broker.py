"""A worker may take doorbells off its two queues, and nothing else: a real Redis, a real Celery worker."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import select

from farm import embedded_redis, jobs, steering, workers
from farm.broker import Broker, public_url, url_for, user_of
from farm.db import Begin, now
from farm.embedded import Servers
from farm.errors import Rejected, ServiceDown
from farm.settings import Settings
from farm.tables import Desired, Job, JobKind, Worker
from farm.up import enrolled, free_port
from tasks.app import celery_app
from tests import builders
from tests.farms import ROOT, eventually

CONSUMER = """
import sys
from tasks.app import celery_app, consume
url, name, log = sys.argv[1:]
queues = ["render.cpu", "w." + name]
app = celery_app(name, url, queues, bare=True)
@app.task(name="tests.ring")
def ring(word):
    with open(log, "a") as file:
        file.write(word + "\\n")
app.worker_main(consume(app, name, queues, 1, "WARNING"))
"""


@pytest.fixture
def admin(servers: Servers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers.broker_url, decode_responses=True) as client:
        yield client
        client.flushall()
        for user in client.acl_users():
            if user != "default":
                client.acl_deluser(user)


@pytest.fixture
def broker(servers: Servers, admin: redis.Redis) -> Iterator[Broker]:
    with Broker(servers.broker_url) as broker:
        yield broker


def enrol(begin: Begin, name: str, gpu_class: str = "cpu", *, local: bool = True) -> tuple[Worker, str]:
    """A worker, and its password at the broker."""
    with begin() as session:
        made = workers.enrol_with_broker(session, name, gpu_class, local=local)
        return workers.find(session, made.worker_id), made.broker_password


def everyone(begin: Begin) -> Callable[[], list[Worker]]:
    def read() -> list[Worker]:
        with begin() as session:
            return list(session.scalars(select(Worker)))

    return read


def settings_of(broker_url: str, **values: Any) -> Settings:
    return Settings(broker_url=broker_url, **values)


def client_of(servers: Servers, worker: Worker, password: str) -> redis.Redis:
    return redis.Redis.from_url(url_for(settings_of(servers.broker_url), worker, password))


@contextmanager
def own_redis(folder: Path, *options: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """A Redis that may be killed: its address, and what kills and restarts it."""
    port = free_port("127.0.0.1", 0, "broker_port")
    command = [str(embedded_redis.program(None)), f"--port {port}", "--requirepass admin", f"--dir {folder}"]
    url, running = embedded_redis.url(port, "admin"), []

    def start() -> None:
        arguments = [word for part in (*command, *options) for word in part.split(" ")]
        running.append(subprocess.Popen(arguments, stdout=subprocess.DEVNULL))

    def restart() -> None:
        os.kill(running[-1].pid, signal.SIGKILL)
        running[-1].wait(10)
        start()
        eventually(lambda: embedded_redis.answers(url))

    start()
    try:
        yield url, restart
    finally:
        running[-1].kill()
        running[-1].wait(10)


@contextmanager
def consumer(url: str, name: str, log: Path) -> Iterator[None]:
    """A Celery worker as render workers are, which writes down the doorbells it hears."""
    log.touch()
    process = subprocess.Popen([sys.executable, "-c", CONSUMER, url, name, str(log)], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_a_broker_that_has_long_been_away_is_asked_for_every_few_seconds() -> None:
    nobody = embedded_redis.url(free_port("127.0.0.1", 0, "broker_port"), "admin")

    class Enough(Exception):
        pass

    def look(error: Exception, pause_s: float) -> None:
        assert pause_s < 5
        raise Enough

    with celery_app("clock", nobody, []).connection_for_write() as connection, pytest.raises(Enough):
        connection.ensure_connection(look, interval_start=30)


def test_a_worker_hears_its_doorbells_and_again_after_redis_forgot_it(begin: Begin, tmp_path: Path) -> None:
    worker, password = enrol(begin, "w1")
    log = tmp_path / "heard"
    with own_redis(tmp_path) as (url, restart), Broker(url) as broker:
        eventually(lambda: embedded_redis.answers(url))
        farm = celery_app("clock", url, [])

        def ring(word: str, queue: str) -> None:
            with closing(farm.connection_for_write()) as connection:
                farm.send_task("tests.ring", args=[word], queue=queue, connection=connection)

        broker.reconcile(everyone(begin))
        with consumer(url_for(settings_of(url), worker, password), "w1", log):
            ring("to the class", "render.cpu")
            ring("to the worker", "w.w1")
            eventually(lambda: len(log.read_text().splitlines()) == 2)
            restart()
            assert broker.has_restarted()
            broker.reconcile(everyone(begin))
            assert not broker.has_restarted()
            ring("after the restart", "w.w1")
            eventually(lambda: "after the restart" in log.read_text())
        assert broker._redis.keys("*unacked*") == []


@contextmanager
def clock(servers: Servers, broker_url: str, home: Path) -> Iterator[None]:
    environment = {
        **os.environ,
        "FARM_HOME": str(home),
        "FARM_DATABASE_URL": servers.database_url,
        "FARM_BROKER_URL": broker_url,
    }
    process = subprocess.Popen([sys.executable, "-m", "tasks.clock"], cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def users(url: str) -> set[str]:
    """The farm's at the broker."""
    try:
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return set(client.acl_users()) - {"default"}
    except redis.ConnectionError:
        return set()


def test_the_clock_keeps_the_brokers_users_as_the_workers_are(
    begin: Begin, servers: Servers, tmp_path: Path
) -> None:
    (kept, _), (revoked, _), (passing, _) = (enrol(begin, name) for name in ("kept", "revoked", "passing"))
    everybody = {user_of(worker.id) for worker in (kept, revoked, passing)}
    with own_redis(tmp_path) as (url, restart), clock(servers, url, tmp_path):
        eventually(lambda: users(url) == everybody)
        with redis.Redis.from_url(url) as admin:
            admin.acl_deluser(user_of(kept.id))
        eventually(lambda: users(url) == everybody)
        restart()
        eventually(lambda: users(url) == everybody)
        with begin() as session:
            steering.revoke(session, revoked.id)
        eventually(lambda: users(url) == everybody - {user_of(revoked.id)})
        with begin() as session:
            away = workers.find(session, passing.id)
            away.ephemeral, away.created_at = True, now - timedelta(hours=1)
        eventually(lambda: users(url) == {user_of(kept.id)})
    with begin() as session:
        assert {worker.name for worker in workers.everyone(session)} == {"kept", "revoked"}


def test_the_clock_ticks_on_where_no_users_can_be_made(
    begin: Begin, servers: Servers, tmp_path: Path
) -> None:
    enrol(begin, "w1")
    with begin() as session:
        job = jobs.write(session, JobKind.IMPORT, builders.project(session).id)
    with own_redis(tmp_path, '--rename-command ACL ""') as (url, _), clock(servers, url, tmp_path):

        def is_published() -> bool:
            with begin() as session:
                return session.get_one(Job, job.id).published_at is not None

        eventually(is_published)


FORBIDDEN = [
    ["BRPOP", "render.24g", 1],
    ["BRPOP", "house", 1],
    ["BRPOP", "w.w11", 1],
    ["BRPOP", "w.w2", 1],
    ["LPUSH", "render.cpu", "a forged doorbell"],
    ["LPUSH", "w.w2", "a forged doorbell"],
    ["RPUSH", "w.w1", "a forged doorbell"],
    ["PUBLISH", "anything", "x"],
    ["SUBSCRIBE", "anything"],
    ["SADD", "render.cpu", "no list any more"],
    ["SET", "w.w1", "no list any more"],
    ["HGETALL", "unacked"],
    ["EVAL", "return 1", 0],
    ["SCRIPT", "LOAD", "return 1"],
    ["KEYS", "*"],
    ["SCAN", 0],
    ["CONFIG", "GET", "requirepass"],
    ["ACL", "LIST"],
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["SHUTDOWN"],
    ["CLIENT", "KILL", "TYPE", "normal"],
    ["MONITOR"],
    ["DEBUG", "SLEEP", 0],
    ["RENAME", "w.w1", "w.w2"],
    ["INFO"],
]


@pytest.mark.parametrize("command", FORBIDDEN, ids=lambda command: " ".join(map(str, command)))
def test_whatever_else_a_worker_asks_is_refused(
    begin: Begin, servers: Servers, broker: Broker, command: list[Any]
) -> None:
    worker, password = enrol(begin, "w1")
    broker.admit(worker)
    with client_of(servers, worker, password) as client:
        client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)


def test_a_wrong_password_opens_nothing(begin: Begin, servers: Servers, broker: Broker) -> None:
    worker, _ = enrol(begin, "w1")
    broker.admit(worker)
    for password in ("wrong", worker.broker_hash):
        with client_of(servers, worker, password) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


@contextmanager
def waiting(client: redis.Redis) -> Iterator[list[Exception]]:
    """A client that waits for a doorbell meanwhile; what ended its wait."""
    ended: list[Exception] = []

    def wait() -> None:
        try:
            client.brpop(["w.w1"], timeout=30)
        except redis.RedisError as e:
            ended.append(e)

    client.ping()
    thread = threading.Thread(target=wait)
    thread.start()
    yield ended
    thread.join(60)


def is_waiting(admin: redis.Redis) -> bool:
    return any(found["cmd"] == "brpop" for found in admin.client_list())


def test_expelling_a_worker_cuts_its_connection(
    begin: Begin, servers: Servers, admin: redis.Redis, broker: Broker
) -> None:
    worker, password = enrol(begin, "w1")
    broker.admit(worker)
    with client_of(servers, worker, password) as client, waiting(client) as ended:
        eventually(lambda: is_waiting(admin))
        broker.expel(worker)
    assert isinstance(ended[0], redis.ConnectionError)
    assert user_of(worker.id) not in admin.acl_users()


def test_a_new_password_cuts_those_who_came_by_the_old_and_the_same_one_nobody(
    begin: Begin, servers: Servers, admin: redis.Redis, broker: Broker
) -> None:
    worker, password = enrol(begin, "w1")
    broker.admit(worker)
    with client_of(servers, worker, password) as client, waiting(client) as ended:
        eventually(lambda: is_waiting(admin))
        broker.admit(worker)
        assert is_waiting(admin)
        again, renewed = enrol(begin, "w1")
        broker.admit(again)
    assert isinstance(ended[0], redis.ConnectionError)
    with client_of(servers, again, renewed) as client:
        assert client.ping()


def test_reconciling_makes_removes_and_touches_nobody_else(
    begin: Begin, servers: Servers, admin: redis.Redis, broker: Broker
) -> None:
    (kept, password), (revoked, _) = enrol(begin, "kept"), enrol(begin, "revoked")
    for worker in (kept, revoked):
        broker.admit(worker)
    admin.acl_setuser("somebody", enabled=True, nopass=True)
    admin.acl_setuser(user_of(999), enabled=True, nopass=True)
    fresh, _ = enrol(begin, "fresh")
    with begin() as session:
        workers.find(session, revoked.id).desired = Desired.REVOKED
    broker.reconcile(everyone(begin))
    expected = {"default", "somebody", user_of(kept.id), user_of(fresh.id)}
    assert set(admin.acl_users()) == expected
    admin.acl_deluser(user_of(kept.id))
    broker.reconcile(everyone(begin))
    with client_of(servers, kept, password) as client:
        assert client.ping()


def test_reconciling_what_is_as_it_should_be_asks_for_the_users_once(
    begin: Begin, admin: redis.Redis, broker: Broker
) -> None:
    for n in range(20):
        enrol(begin, f"w{n}")
    broker.reconcile(everyone(begin))

    def asked() -> int:
        stats = admin.info("commandstats")
        return sum(found["calls"] for name, found in stats.items() if name.startswith("cmdstat_acl"))

    before = asked()
    broker.reconcile(everyone(begin))
    assert asked() == before + 1


def test_a_worker_whose_class_is_changed_is_not_refused_before_it_can_know(
    begin: Begin, servers: Servers, broker: Broker
) -> None:
    worker, password = enrol(begin, "w1")
    broker.reconcile(everyone(begin))
    with begin() as session:
        steering.describe(session, worker.id, gpu_class="12g")
    broker.reconcile(everyone(begin))
    with client_of(servers, worker, password) as client:
        assert client.brpop(["render.12g", "render.cpu", "w.w1"], timeout=0.01) is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.brpop(["render.24g"], timeout=0.01)


def test_one_who_joins_while_users_are_compared_is_kept(
    begin: Begin, admin: redis.Redis, broker: Broker
) -> None:
    joined: list[Worker] = []

    def read_just_before() -> list[Worker]:
        found = everyone(begin)()
        worker, _ = enrol(begin, "just-now")
        broker.admit(worker)
        joined.append(worker)
        return found

    broker.reconcile(read_just_before)
    assert user_of(joined[0].id) in admin.acl_users()


def test_a_redis_that_refuses_acl_commands_is_named_with_the_remedy(begin: Begin, tmp_path: Path) -> None:
    with own_redis(tmp_path, '--rename-command ACL ""') as (url, _), Broker(url) as broker:
        eventually(lambda: embedded_redis.answers(url))
        for ask in (broker.check, lambda: broker.reconcile(list)):
            with pytest.raises(Rejected, match=r"makes? no users for its workers.*FARM_BROKER_URL"):
                ask()


def test_a_redis_that_is_away_is_a_service_that_is_down() -> None:
    port = free_port("127.0.0.1", 0, "broker_port")
    with Broker(embedded_redis.url(port, "x")) as broker:
        for ask in (broker.check, broker.has_restarted, lambda: broker.reconcile(list)):
            with pytest.raises(ServiceDown, match="The broker does not answer"):
                ask()


def test_a_worker_is_told_where_its_queues_are_by_its_own_name(begin: Begin) -> None:
    here, _ = enrol(begin, "here")
    far, _ = enrol(begin, "far", local=False)
    config = settings_of("redis://:admin@127.0.0.1:7000/2?x=1", api_url="https://farm.example:8601")
    assert url_for(config, here, "pw") == f"redis://farm-worker-{here.id}:pw@127.0.0.1:7000/2?x=1"
    with pytest.raises(Rejected, match="listens on this one only"):
        url_for(config, far, "pw")
    opened = replace(config, broker_public_url="rediss://farm.example:8602/0")
    assert url_for(opened, far, "pw") == f"rediss://farm-worker-{far.id}:pw@farm.example:8602/0"


def test_redis_in_clear_on_a_network_is_refused_unless_asked_for_by_name() -> None:
    config = settings_of("redis://admin:x@10.0.0.2:6379/0", api_url="http://10.0.0.2:8601")
    with pytest.raises(Rejected, match="without TLS"):
        public_url(config)
    assert public_url(replace(config, broker_in_clear=True)) == config.broker_url
    encrypted = replace(config, broker_url="rediss://admin:x@10.0.0.2:6379/0")
    assert public_url(encrypted) == encrypted.broker_url
    assert public_url(settings_of("redis://:x@127.0.0.1:1/0")), "workers on this host need no TLS"


def test_the_worker_beside_the_farm_has_a_user_of_its_own(
    begin: Begin, servers: Servers, admin: redis.Redis, tmp_path: Path
) -> None:
    config = settings_of(servers.broker_url, database_url=servers.database_url, home=tmp_path)
    own = enrolled(config)
    with redis.Redis.from_url(own.broker_url) as client:
        assert client.ping()
    assert urlsplit(own.broker_url).username in admin.acl_users()
    assert enrolled(own) == own, "one that was given its secret is not enrolled anew"


def test_where_no_users_can_be_made_the_worker_beside_the_farm_uses_the_farms(
    begin: Begin, servers: Servers, tmp_path: Path
) -> None:
    with own_redis(tmp_path, '--rename-command ACL ""') as (url, _):
        eventually(lambda: embedded_redis.answers(url))
        own = enrolled(settings_of(url, database_url=servers.database_url, home=tmp_path))
    assert own.broker_url == url
    assert own.worker_secret
