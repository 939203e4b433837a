"""A farm that is opened to other machines: TLS of its own, pinned, and a door to its private Redis."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from farm import broker, embedded, oneshot, tls, up
from farm.audio.probe import probe
from farm.errors import Transient
from farm.oneshot import Request
from farm.settings import Settings
from tests.conftest import place
from tests.farms import Farm, eventually, farm_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SITE = Path(pytest.__file__).parent.parent


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    with place() as folder, farm_up(folder / "home", "--listen", "127.0.0.1") as running:
        yield running


@pytest.fixture
def config(farm: Farm) -> Settings:
    """The farm's settings as another command on its machine finds them."""
    return up.as_running(Settings(home=farm.home))


def curl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["curl", "-sS", "--noproxy", "*", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def facts(config: Settings) -> dict[str, str]:
    """What a machine that joins is told first."""
    return dict(json.loads(curl("-k", f"{config.dashboard_url}/join/farm.json").stdout))


def test_people_are_sent_to_it_over_tls(farm: Farm, config: Settings) -> None:
    link = next(line.split()[-1] for line in farm.said if line.startswith("Sign in"))
    assert link.startswith(f"{config.dashboard_url}/sign-in/")
    assert urlsplit(link).scheme == "https"
    certificate = tls.identity(config).certificate.read_bytes()
    assert any(tls.fingerprint(certificate) in line for line in farm.said)
    assert curl("-k", "-o", os.devnull, "-w", "%{http_code}", link).stdout == "200"


def test_the_script_is_fetched_by_its_pin_alone(config: Settings) -> None:
    line = tls.joining_line(config, "fj1.x.y")
    fetch = line.partition(" | ")[0].replace("curl", "curl --noproxy '*'", 1)
    done = subprocess.run(["sh", "-c", fetch], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("#!/bin/sh")
    wrong = fetch.replace(tls.own_pin(config), "A" * 43 + "=")
    refused = subprocess.run(["sh", "-c", wrong], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (90, ""), "curl's SSL_PINNEDPUBKEYNOTMATCH"


def test_dashboard_and_worker_api_have_the_same_key(config: Settings) -> None:
    assert facts(config)["api_url"] == config.worker_api
    for port in (config.port, config.api_port, config.broker_port):
        assert tls.fetch_pinned("127.0.0.1", port, tls.own_pin(config))


def test_nothing_is_said_in_the_clear(config: Settings) -> None:
    for port in (config.port, config.api_port):
        assert curl(f"http://127.0.0.1:{port}/health").returncode != 0


def test_a_machine_that_was_unplugged_in_the_middle_of_a_request_is_noticed(config: Settings) -> None:
    for port in (config.port, config.api_port, config.broker_port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"\x16\x03\x01")
            eventually(lambda port=port, client=client: asks(port, client.getsockname()[1]))  # type: ignore[misc]


def asks(port: int, of: int) -> bool:
    """Whether the kernel will ask the peer of this connection for a sign of life, by proc_net_tcp."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = {(int(row[1][-4:], 16), int(row[2][-4:], 16)): row[5] for row in rows}
    return ends.get((port, of), "").startswith("02:")


def test_redis_is_reached_through_its_door(farm: Farm, config: Settings) -> None:
    servers = embedded.running(farm.home)
    assert servers
    assert broker.public_url(config) == f"rediss://127.0.0.1:{config.broker_port}/0"
    password = urlsplit(servers.broker_url).password
    own = str(tls.identity(config).certificate)
    trust = {"ssl_ca_certs": own, "ssl_check_hostname": False}
    url = broker.public_url(config)
    with redis.Redis.from_url(url, password=password, **trust) as inside:
        assert inside.ping()
    with (
        redis.Redis.from_url(url, **trust) as stranger,
        pytest.raises((redis.AuthenticationError, redis.exceptions.NoPermissionError)),
    ):
        stranger.get("word")


def test_its_own_worker_speaks_a_book_over_tls(farm: Farm, config: Settings, tmp_path: Path) -> None:
    environment = Path(f"/proc/{farm.pid('render')}/environ").read_text().split("\0")
    assert f"FARM_API_URL=https://127.0.0.1:{config.api_port}" in environment
    book = tmp_path / "book.txt"
    book.write_text("Chapter 1\n\nThe keeper of the lamp counted a ship. He wrote it down.\n")
    (made,) = oneshot.render(
        farm.begin, farm.store, Request((book,)), tmp_path / "book.m4b", lambda project, now: None
    )
    assert [mark.title for mark in probe(made).chapters] == ["Chapter 1"]


def test_a_door_that_dies_is_opened_again_in_the_same_place(farm: Farm, config: Settings) -> None:
    farm.kill("gate")
    pinned = tls.own_pin(config)
    for _ in range(100):
        try:
            assert tls.fetch_pinned("127.0.0.1", config.broker_port, pinned)
            return
        except Transient:
            time.sleep(0.1)
    raise AssertionError("nobody opened the door again")


def test_the_script_installs_the_farms_own_code_and_joins(config: Settings, tmp_path: Path) -> None:
    """Twice, as to update. Dependencies come from here: what pip fetches is not ours to test."""
    home = tmp_path / "a worker's home"
    environment = {
        **os.environ,
        "VOICEFARM_HOME": str(home),
        "VOICEFARM_PYTHON": sys.executable,
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": str(SITE),
        "NO_PROXY": "127.0.0.1",
    }
    line = tls.joining_line(config, f"fj1..{'0' * 64}")
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        last = f"voicefarm: joining; for this machine's workers there is {home}/farm from now on"
        assert done.stdout.splitlines()[-1] == last, done.stderr
        assert done.returncode != 0, "nobody gave this token"
    program = "from farm import wheel; print(wheel.__file__, wheel.build().version)"
    python = home / "venv" / "bin" / "python"
    command = [python, "-I", "-c", program]
    said = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True)
    *where, version = said.stdout.split()
    assert " ".join(where).startswith(str(home / "venv"))
    assert version == facts(config)["version"]
    told = subprocess.run(
        [home / "farm", "work"], env=environment, capture_output=True, text=True, check=False
    )
    assert f"{home} knows no worker" in told.stderr
    assert [path.name for path in home.iterdir() if path.name.startswith("fetched")] == []
