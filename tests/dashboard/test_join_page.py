"""What a machine that joins fetches, and that nothing in it is a secret."""

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from farm import machine, tls, wheel


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def encrypted(have: Belongings) -> Iterator[FlaskClient]:
    """A stranger at a farm with TLS of its own."""
    app = create_app(replace(have, settings=replace(have.settings, tls=True)))
    yield app.test_client()
    app.extensions[NAME].broadcaster.stop()


def run(script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """As `curl … | sh -s -- …` does."""
    command = ["sh", "-s", "--", *arguments]
    known = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, input=script, env=known, capture_output=True, text=True, check=False)


def test_anyone_may_fetch_the_code_its_constraints_and_where_the_worker_api_is(stranger: FlaskClient) -> None:
    made = wheel.build()
    assert stranger.get(f"/join/{made.name}").data == made.content
    assert stranger.get("/join/constraints.txt").data == wheel.constraints()
    assert stranger.get("/join/farm.json").json == {
        "api_url": "http://127.0.0.1:8601",
        "version": made.version,
    }
    assert stranger.get("/join/other.whl").status_code == 404


def test_the_script_has_the_pin_and_addresses_of_the_settings(
    encrypted: FlaskClient, have: Belongings
) -> None:
    script = encrypted.get("/join", headers={"Host": "evil.example"}).text
    pin = tls.own_pin(replace(have.settings, tls=True))
    assert f"PIN={pin}" in script.replace("'", "")
    assert "FARM=https://127.0.0.1:8600" in script
    assert "evil" not in script


def test_nothing_public_holds_a_secret(stranger: FlaskClient, have: Belongings) -> None:
    config = have.settings
    secrets = {config.signing_secret, config.broker_url, config.database_url}
    for path in ("/join", "/join/farm.json", "/join/constraints.txt"):
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert not [secret for secret in secrets if secret in answer.text]


def test_an_odd_address_stays_one_word_of_the_script(have: Belongings, tmp_path: Path) -> None:
    odd = f"https://farm.example/'; touch {tmp_path}/broken; '"
    app = create_app(replace(have, settings=replace(have.settings, public_url=odd)))
    script = app.test_client().get("/join").text
    app.extensions[NAME].broadcaster.stop()
    assert run(script).returncode == 1
    assert not (tmp_path / "broken").exists()


def test_half_a_script_does_nothing(stranger: FlaskClient, tmp_path: Path) -> None:
    """The connection broke: nothing of what came is run."""
    script = stranger.get("/join").text
    home = tmp_path / "worker"
    lines = script.splitlines(keepends=True)
    for end in range(len(lines) - 1):
        done = run("".join(lines[:end]), "fj1.x.y", VOICEFARM_HOME=str(home), HOME=str(tmp_path))
        assert "voicefarm:" not in done.stdout + done.stderr
    assert not home.exists()


def test_without_a_token_the_script_says_where_to_get_one(stranger: FlaskClient, tmp_path: Path) -> None:
    for arguments in ((), ("--help",)):
        done = run(stranger.get("/join").text, *arguments, VOICEFARM_HOME=str(tmp_path / "worker"))
        assert done.returncode == 1
        assert "Copy the whole line from the dashboard" in done.stderr
    assert not (tmp_path / "worker").exists()


def test_without_a_python_that_fits_the_script_names_the_remedy(
    stranger: FlaskClient, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "curl", "sed", "tr", "uname", "id", "mkdir"):
        (tmp_path / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    path, home = str(tmp_path / "bin"), tmp_path / "worker"
    done = run(stranger.get("/join").text, "fj1.x.y", PATH=path, VOICEFARM_HOME=str(home))
    assert done.returncode == 1
    assert "Python 3.11 or 3.12 with venv is missing. Run: " in done.stderr
    assert not home.exists()


def test_the_machine_gets_a_command_that_knows_its_home(stranger: FlaskClient, tmp_path: Path) -> None:
    home = tmp_path / "it's $HOME"
    (home / "venv/bin").mkdir(parents=True)
    installed = home / "venv/bin/farm"
    installed.write_text('#!/bin/sh\nprintf "%s|" "$FARM_HOME" "$@"\n')
    installed.chmod(0o755)
    script = stranger.get("/join").text.rstrip().removesuffix('join "$@"')
    assert run(f"{script}\nhome=$1\nwrite_command", str(home)).returncode == 0
    done = subprocess.run([home / "farm", "work", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{home}|work|a b|"
    assert (home / "farm").stat().st_mode & 0o777 == 0o755
    assert machine.command(home) == shlex.quote(str(home / "farm"))
    assert machine.command(tmp_path) == "farm"


def test_without_curl_the_script_says_so(stranger: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/usr/bin/sh")
    done = run(stranger.get("/join").text, "fj1.x.y", PATH=str(tmp_path / "bin"), HOME=str(tmp_path))
    assert (done.returncode, "curl is missing" in done.stderr) == (1, True)


def test_a_session_is_sent_only_over_tls_where_there_is_tls(have: Belongings) -> None:
    for settings, secure in (
        (have.settings, False),
        (replace(have.settings, tls=True), True),
        (replace(have.settings, public_url="https://farm.example"), True),
    ):
        app = create_app(replace(have, settings=settings))
        assert app.config["SESSION_COOKIE_SECURE"] is secure
        app.extensions[NAME].broadcaster.stop()
