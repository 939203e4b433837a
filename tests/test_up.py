"""Where a farm listens, and what it says of where it is."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from farm import doctor, up
from farm.addresses import lan_address
from farm.errors import Conflict, Rejected
from farm.settings import Settings
from farm.supervisor import Supervisor


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_a_farm_on_this_machine_alone_is_reached_without_tls(config: Settings) -> None:
    assert config.dashboard_url == "http://127.0.0.1:8600"
    assert config.worker_api == "http://127.0.0.1:8601"


def test_a_farm_on_all_addresses_is_reached_by_this_machines_own(config: Settings) -> None:
    for host in ("0.0.0.0", "::"):
        opened = replace(config, host=host, tls=True)
        assert opened.dashboard_url == f"https://{lan_address()}:8600"
        assert opened.worker_api == f"https://{lan_address()}:8601"
    assert replace(config, host="0.0.0.0", tls=True).here(8601) == "https://127.0.0.1:8601"
    assert replace(config, host="::").here(8601) == "http://[::1]:8601"


def test_a_farm_behind_a_proxy_is_reached_where_the_proxy_is(config: Settings) -> None:
    proxied = replace(config, public_url="https://farm.example/", api_url="https://farm.example/api/")
    assert proxied.dashboard_url == "https://farm.example"
    assert proxied.worker_api == "https://farm.example/api"
    assert proxied.here(8601) == "http://127.0.0.1:8601"


def test_the_worker_beside_the_farm_needs_no_way_around(config: Settings) -> None:
    proxied = replace(config, host="0.0.0.0", tls=True, api_url="https://farm.example/api")
    beside = up.beside(proxied)
    assert beside.worker_api == "https://127.0.0.1:8601"
    assert Path(beside.tls_ca).read_text().startswith("-----BEGIN CERTIFICATE")
    assert up.beside(config).tls_ca == ""


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({"tls": True}, "rediss://192.168.1.5:8602/0"),
        ({"tls": True, "broker_public_url": "rediss://farm.example:443/0"}, "rediss://farm.example:443/0"),
        ({"broker_in_clear": True}, "redis://192.168.1.5:8602/0"),
    ],
)
def test_where_a_gate_is_opened_others_are_told(
    config: Settings, changes: dict[str, object], address: str
) -> None:
    opened = replace(config, host="192.168.1.5", **changes)  # type: ignore[arg-type]
    assert up.invites(opened)
    assert up.with_gate(opened, (*up.NAMES, up.GATE)).broker_public_url == address
    assert up.with_gate(opened, up.NAMES) == opened, "your own Redis needs no gate of ours"


def test_a_farm_on_this_machine_alone_opens_no_gate(config: Settings) -> None:
    assert not up.invites(config)


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with pytest.raises(Conflict, match=f"Port {port} is taken. Set FARM_BROKER_PORT"):
            up.free_port("127.0.0.1", port, "broker_port")


@pytest.mark.parametrize("host", ["192.0.2.77", "no such host", "1:2:3"])
def test_an_address_of_another_machine_is_not_listened_on(host: str) -> None:
    with pytest.raises(Rejected, match=f"cannot listen on {host}"):
        up.free_port(host, 0, "port")


def test_other_commands_find_the_addresses_of_the_farm_that_runs(config: Settings) -> None:
    opened = replace(config, host="192.168.1.5", tls=True, port=9000, broker_public_url="rediss://x:1/0")
    with Supervisor(config.home):
        assert up.as_running(config) == config, "it has not said yet"
        up.remember(opened)
        assert up.as_running(config) == opened
    assert up.as_running(config) == config, "it has stopped"


def test_addresses_that_a_later_version_wrote_are_read_as_far_as_they_are_known(config: Settings) -> None:
    with Supervisor(config.home):
        (config.home / "run" / "openings.json").write_text(json.dumps({"port": 9000, "colour": "red"}))
        assert up.as_running(config) == replace(config, port=9000)


def test_what_is_remembered_is_closed_to_others(config: Settings) -> None:
    with Supervisor(config.home):
        up.remember(config)
        assert os.stat(config.home / "run" / "openings.json").st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("changes", "well"),
    [
        ({}, True),
        ({"host": "192.168.1.5"}, False),
        ({"host": "192.168.1.5", "tls": True}, True),
        ({"host": "0.0.0.0", "public_url": "https://farm.example"}, True),
        ({"host": "0.0.0.0", "public_url": "http://farm.example"}, False),
    ],
)
def test_the_doctor_warns_of_a_farm_that_is_open_in_the_clear(
    config: Settings, changes: dict[str, object], well: bool
) -> None:
    found = doctor.network(replace(config, **changes))  # type: ignore[arg-type]
    assert found.well is well
    assert ("farm up --listen" in found.remedy) is not well
