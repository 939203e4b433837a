"""The doctor of a joined machine, at a real worker API, store and broker: what is wrong, and the remedy."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis
from builders import worker

from farm import checkpoints, machine_doctor, protocol, tls, workers
from farm.db import Begin
from farm.doctor import Finding
from farm.embedded import Servers
from farm.errors import ServiceDown
from farm.machine import Papers
from farm.settings import Settings
from tests.farms import ROOT
from tests.live import live_farm
from tests.nvml import RTX_3060, driver, no_driver

PASSWORD = "p@ss/word"


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    (tmp_path / "machine").mkdir()
    return Settings(home=tmp_path / "machine")


@pytest.fixture
def papers(servers: Servers, begin: Begin, tmp_path: Path) -> Iterator[Papers]:
    """Of a worker on another machine, at a farm whose worker API speaks TLS of its own."""
    with (
        live_farm(servers, begin, tmp_path) as farm,
        broker_user(servers.broker_url, "doctors-w1") as address,
    ):
        with begin() as session:
            worker(session, "w1")
            secret = workers.enrol(session, "w1", "cpu", local=False)
        yield Papers(
            name="w1",
            secret=secret,
            gpu_class="cpu",
            engine="preview",
            gpu="",
            broker_url=address,
            api_url=farm.settings.worker_api,
            tls_ca=str(tls.identity(farm.settings).certificate),
        )


@contextmanager
def broker_user(url: str, name: str) -> Iterator[str]:
    """The address by which a user of its own, who may ping and no more, reaches the broker."""
    with redis.Redis.from_url(url) as admin:
        admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", "-@all", "+ping")
        yield f"redis://{name}:{quote(PASSWORD, safe='')}@{urlsplit(url).netloc.rpartition('@')[2]}/0"
        admin.acl_deluser(name)


def findings(papers: Papers, config: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in machine_doctor.examine(papers, config)}


def test_a_healthy_machine_is_well_in_every_part(papers: Papers, config: Settings) -> None:
    found = findings(papers, config)
    assert list(found) == list(machine_doctor.CHECKS)
    assert [finding for finding in found.values() if not finding.well] == []
    assert found["farm"].seen.startswith(
        f"{papers.api_url}: protocol {protocol.OLDEST} to {protocol.PROTOCOL}"
    )
    assert "64 KiB there and back" in found["store"].seen


def test_a_farm_that_is_away_is_said_once(papers: Papers, config: Settings) -> None:
    found = findings(replace(papers, api_url="https://127.0.0.1:1"), config)
    assert list(found)[-1] == "farm"
    assert not found["farm"].well
    assert "Is it up, and can this machine reach it?" in found["farm"].seen


def test_another_certificate_than_the_kept_one_is_no_farm_of_ours(
    papers: Papers, config: Settings, tmp_path: Path
) -> None:
    other = tls.identity(Settings(home=tmp_path / "other"))
    found = findings(replace(papers, tls_ca=str(other.certificate)), config)
    assert "certificate verify failed" in found["farm"].seen


def test_a_worker_that_was_revoked_is_told_so_by_the_store(papers: Papers, config: Settings) -> None:
    store = findings(replace(papers, secret="0" * 64), config)["store"]
    assert (store.well, "not known here, or was revoked" in store.seen) == (False, True)


def test_a_wrong_password_at_the_broker_is_found_after_a_while(
    papers: Papers, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_doctor, "ADMITTED_S", (0, 0))
    wrong = papers.broker_url.replace(quote(PASSWORD, safe=""), "wrong")
    broker = findings(replace(papers, broker_url=wrong), config)["broker"]
    assert not broker.well
    assert "does not know this worker" in broker.seen


def test_a_broker_that_cannot_be_reached_is_named_without_its_password(
    papers: Papers, config: Settings
) -> None:
    broker = findings(replace(papers, broker_url="redis://w1:hush@127.0.0.1:1/0"), config)["broker"]
    assert not broker.well
    assert "127.0.0.1:1: " in broker.seen
    assert "hush" not in str(broker)


def test_the_brokers_door_is_trusted_by_the_kept_certificate_alone(
    papers: Papers, config: Settings, servers: Servers, tmp_path: Path
) -> None:
    """Through a door with TLS, as `farm.gate` is one: a stranger's certificate is refused."""
    inside = urlsplit(servers.broker_url)
    with door(tls.server_context(tls.identity(Settings(home=tmp_path / "farm"))), inside.port or 0) as port:
        through = papers.broker_url.replace("redis:", "rediss:").replace(f":{inside.port}/", f":{port}/")
        assert machine_doctor.broker(replace(papers, broker_url=through), config).well
        stranger = tls.identity(Settings(home=tmp_path / "stranger"))
        with pytest.raises(ServiceDown, match="certificate verify failed"):
            machine_doctor.broker(
                replace(papers, broker_url=through, tls_ca=str(stranger.certificate)), config
            )


@contextmanager
def door(context: ssl.SSLContext, inside: int) -> Iterator[int]:
    """The port of a TLS door to a port of this machine, open while the block runs."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", inside)
        await asyncio.gather(pump(reader, down), pump(up, writer), return_exceptions=True)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
        sink.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_a_full_disk_is_found_before_takes_are_lost(papers: Papers, config: Settings) -> None:
    disk = machine_doctor.disk(papers, replace(config, spool_mb=10**9))
    assert not disk.well
    assert "FARM_SPOOL_MB" in disk.remedy


def test_an_engine_whose_libraries_are_missing_names_them(papers: Papers, config: Settings) -> None:
    assert machine_doctor.engine(replace(papers, engine="simulated:speed=5"), config).well
    missing = machine_doctor.engine(replace(papers, engine="indextts2"), config)
    if find_spec("torch") is None:
        assert not missing.well
        assert "torch" in missing.seen


def test_an_engine_without_its_checkpoint_says_how_to_add_one(papers: Papers, config: Settings) -> None:
    speaks = replace(papers, engine="indextts2:rows=4")
    missing = machine_doctor.look("weights", speaks, config)
    assert not missing.well
    assert "`farm models add indextts2 DIR`" in missing.seen
    registered(config.home, "fp32")
    assert machine_doctor.look("weights", speaks, config).seen == "abc, version 2.0, in fp32"
    assert machine_doctor.look("weights", replace(speaks, engine="preview"), config).well


def test_a_checkpoint_in_another_precision_than_the_cards_says_how_to_convert_it(
    papers: Papers, config: Settings
) -> None:
    registered(config.home, "fp32")
    (config.home / "farm").touch()  # as the joining script leaves it
    half = machine_doctor.look("weights", replace(papers, engine="indextts2", gpu_class="12g"), config)
    assert not half.well
    assert "is here in fp32, and this worker computes in fp16" in half.seen
    assert f"`{config.home}/farm models add indextts2 /downloads --precision fp16`" in half.seen


def registered(home: Path, *precisions: str) -> None:
    """A checkpoint, as far as the farm looks at it."""
    folder = home / "models/indextts2/abc"
    folder.mkdir(parents=True)
    said = {"fingerprint": "abc", "version": "2.0", "precisions": precisions, "files": {}, "added": "2026"}
    content = json.dumps({**said, "source": "/downloads", "emotion_from_text": False})
    (folder / "manifest.json").write_text(content)
    checkpoints.use(home, "indextts2", "abc")


CARD = """
import sys
from farm.machine import Papers
from farm.machine_doctor import card
from farm.settings import Settings
print(card(Papers("w1", "s", "12g", "preview", "GPU-3060", "redis://x", "http://x"), Settings()))
"""


def card(environment: dict[str, str]) -> str:
    """What the doctor says of the RTX 3060 on a machine with such cards."""
    done = subprocess.run(
        [sys.executable, "-c", CARD],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_card_is_looked_at_for_what_its_class_promises() -> None:
    assert card(driver(RTX_3060)) == "ok  card      GPU-3060: 11.5 of 12.0 GiB free, class 12g"
    full = card(driver(RTX_3060.replace(",512", ",6144")))
    assert full.startswith("BAD card      GPU-3060: 6.0 of 12.0 GiB free, class 12g Close what uses it")
    assert card(driver()).startswith("BAD card      GPU-3060 does not answer")
    assert card(no_driver()).startswith("BAD card      GPU-3060 does not answer")


def test_a_clock_that_is_off_is_advice_and_no_obstacle(
    papers: Papers, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine_doctor.clock(papers, config).remedy == ""
    real = time.time
    monkeypatch.setattr(machine_doctor.time, "time", lambda: real() + 400)
    late = machine_doctor.clock(papers, config)
    assert late.well
    assert late.seen == "400 s ahead of the farm's"
    assert "NTP" in late.remedy
