"""The door to the private Redis: bytes pass both ways, ends are passed on, and nobody can fill it."""

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from farm import gate, tls
from farm.embedded import Servers
from farm.errors import Rejected
from farm.gate import Gate, Place
from farm.settings import Settings, inherited_environment
from tests.farms import ROOT, eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@contextmanager
def opened(config: Settings) -> Iterator[Settings]:
    command = [sys.executable, "-m", "farm.gate"]
    process = subprocess.Popen(command, env={**inherited_environment(), **config.environment()}, cwd=ROOT)
    try:
        eventually(lambda: gate.answers(config))
        yield config
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def door(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    config = Settings(home=home, tls=True, broker_url=servers.broker_url, broker_port=free_port())
    tls.identity(config)
    with opened(config):
        yield config


@pytest.fixture(scope="module")
def plain_door(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    with opened(Settings(home=home, broker_url=servers.broker_url, broker_port=free_port())) as config:
        yield config


def through(config: Settings, **also: object) -> redis.Redis:
    """A client of the Redis behind the door, trusting its certificate."""
    own = tls.identity(config)
    options = {"ssl_ca_certs": str(own.certificate), "ssl_check_hostname": False, **also}
    options = {"password": urlsplit(config.broker_url).password, **options}
    return redis.Redis.from_url(f"rediss://127.0.0.1:{config.broker_port}/0", **options)


def raw(config: Settings) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", config.broker_port))
    return tls.client_context(tls.identity(config).certificate).wrap_socket(plain)


def test_redis_answers_over_tls_whatever_the_size(door: Settings) -> None:
    with through(door) as client:
        assert client.set("word", "重要" * 500_000)
        assert client.get("word") == ("重要" * 500_000).encode()


def test_who_does_not_trust_the_certificate_or_speaks_no_tls_gets_nowhere(door: Settings) -> None:
    with through(door, ssl_ca_certs=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    url = f"redis://127.0.0.1:{door.broker_port}/0"
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_without_the_password_redis_itself_refuses(door: Settings) -> None:
    with through(door, password="wrong") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_a_worker_may_wait_for_its_next_message(door: Settings) -> None:
    got: list[object] = []
    with through(door) as waiting, through(door) as sending:
        thread = threading.Thread(target=lambda: got.append(waiting.brpop(["queue"], timeout=30)))
        thread.start()
        eventually(lambda: bool(sending.info("clients")["blocked_clients"]))
        sending.lpush("queue", "work")
        thread.join()
    assert got == [(b"queue", b"work")]


def test_when_redis_hangs_up_so_does_the_door(door: Settings) -> None:
    with through(door) as other, raw(door) as client:
        client.sendall(b"AUTH " + urlsplit(door.broker_url).password.encode() + b"\r\nCLIENT ID\r\n")  # type: ignore[union-attr]
        words = b""
        while words.count(b"\n") < 2:
            words += client.recv(100)
        other.client_kill_filter(_id=words.split(b":")[1].strip().decode())
        assert client.recv(100) == b""


def test_when_a_worker_hangs_up_redis_is_told(door: Settings) -> None:
    with through(door) as other:

        def clients() -> int:
            return len(other.client_list())

        before = clients()
        client = raw(door)
        client.sendall(b"PING\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")
        assert clients() == before + 1
        client.close()
        eventually(lambda: clients() == before)


def test_what_was_asked_before_the_end_is_still_answered(plain_door: Settings) -> None:
    with socket.create_connection(("127.0.0.1", plain_door.broker_port)) as client:
        client.sendall(b"PING\r\n" * 1000)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    assert answer.count(b"-NOAUTH") == 1000


def test_one_who_never_finishes_the_handshake_keeps_nobody_out(door: Settings) -> None:
    with socket.create_connection(("127.0.0.1", door.broker_port)) as silent:
        silent.sendall(b"\x16\x03\x01")
        with through(door) as client:
            assert client.ping()


def test_an_idle_door_uses_no_processor(servers: Servers, tmp_path: Path) -> None:
    config = Settings(home=tmp_path, broker_url=servers.broker_url, broker_port=free_port())
    command = [sys.executable, "-m", "farm.gate"]
    with subprocess.Popen(
        command, env={**inherited_environment(), **config.environment()}, cwd=ROOT
    ) as process:
        eventually(lambda: gate.answers(config))
        with socket.create_connection(("127.0.0.1", config.broker_port)) as client:
            client.sendall(b"PING\r\n")
            client.recv(100)
            before = switches(process.pid)
            time.sleep(0.5)
            assert switches(process.pid) - before < 20
        process.terminate()


def switches(pid: int) -> int:
    """How often the process was put to work."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


@pytest.mark.parametrize(("most", "most_of_one"), [(2, 9), (9, 2)])
def test_beyond_its_bounds_the_next_one_waits_or_is_turned_away(
    servers: Servers, most: int, most_of_one: int
) -> None:
    inside = urlsplit(servers.broker_url)
    place = Place("127.0.0.1", inside.port or 0)

    async def scene() -> None:
        gate = Gate(place, None, most, most_of_one)
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            serving = asyncio.create_task(gate.serve(door))
            knock = partial(asyncio.open_connection, *door.getsockname())
            clients = [await knock() for _ in range(3)]
            assert [await pong(*client) for client in clients[:2]] == [True, True]
            if most_of_one < most:
                assert await clients[2][0].read() == b""
                clients.append(await knock(local_addr=("127.0.0.2", 0)))  # another address of this machine
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(pong(*clients[2]), 0.3)
                clients[0][1].close()
            assert await pong(*clients[-1])
            for _, writer in clients:
                writer.close()
                await writer.wait_closed()
            await asyncio.gather(*gate.passing)
            serving.cancel()

    asyncio.run(scene())


async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"PING\r\n")
    return (await reader.readline()).startswith(b"-NOAUTH")


def test_a_door_in_the_clear_is_opened_to_a_network_only_by_name(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, host="192.168.1.5")
    with pytest.raises(Rejected, match="FARM_BROKER_IN_CLEAR"):
        gate.allowed(config)
    for changes in ({"tls": True}, {"broker_in_clear": True}, {"host": "127.0.0.1"}):
        gate.allowed(Settings(**{"home": tmp_path, "host": "192.168.1.5", **changes}))  # type: ignore[arg-type]
