"""What a machine keeps of the farm it joined, and the ways in which joining is refused in one sentence."""

import http.server
import os
import resource
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm import enrolment, machine, protocol, systemd, tls
from farm.enrolment import Request, enrol
from farm.errors import Conflict, FarmError, Forbidden, NotFound, Rejected, ServiceDown
from farm.machine import Papers
from farm.settings import Settings
from farm.supervisor import Supervisor

SECRET = "s" * 43
PAPERS = Papers(
    name="den-1",
    secret="0" * 64,
    gpu_class="12g",
    engine="preview",
    gpu="GPU-3060",
    broker_url="rediss://farm-worker-1:pw@farm.example:8602/0",
    api_url="https://farm.example:8601",
)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web server that is no Voicefarm."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome to the printer</html>")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that runs while the block does."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def refusal(config: Settings, request: Request) -> FarmError:
    with pytest.raises(FarmError) as refused:
        enrol(config, request)
    return refused.value


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_papers_are_kept_for_their_owner_alone_and_read_again(config: Settings) -> None:
    other = replace(PAPERS, name="den-2", gpu="GPU-2")
    machine.keep_papers(config.home, PAPERS, other)
    assert machine.joined(config.home) == [PAPERS, other]
    for path in machine.folder(config.home).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_damaged_papers_are_named_with_the_remedy(config: Settings) -> None:
    machine.keep_papers(config.home, PAPERS)
    path = machine.folder(config.home) / "den-1.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(Rejected, match=r"den-1\.json cannot be read: .* join this machine again"):
        machine.joined(config.home)


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "", "a" * 41, "A", "w 1", "w*"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match="cannot be used"):
        replace(PAPERS, name=name)


def test_a_process_gets_its_own_papers_and_nothing_secret_of_the_machine(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_SECRET", "the dashboard's")
    all_of_it = replace(config, database_url="postgresql+psycopg://x", secret="the dashboard's", spool_mb=7)
    process = PAPERS.process(all_of_it)
    assert process.env is not None
    assert process.env["FARM_GPU"] == "GPU-3060"
    assert process.env["FARM_WORKER_NAME"] == "den-1"
    assert process.env["FARM_WORKER_CLASS"] == "12g"
    assert process.env["FARM_SPOOL_MB"] == "7"
    assert process.env["FARM_DATABASE_URL"] == process.env["FARM_SECRET"] == ""
    assert process.env["PATH"] == os.environ["PATH"]
    assert process.done_statuses == {machine.STOPPED, machine.REVOKED}
    assert replace(PAPERS, gpu="").environment(replace(config, gpu="GPU-else"))["FARM_GPU"] == ""


def test_certificates_go_with_the_last_worker_that_trusts_them(config: Settings) -> None:
    used, unused = (machine.certificate(config.home, pin) for pin in ("one", "two"))
    machine.keep(config.home, {used: "pem", unused: "pem"})
    first, second = (replace(PAPERS, name=name, tls_ca=str(used)) for name in ("w1", "w2"))
    machine.keep_papers(config.home, first, second)
    machine.forget(config.home, [first])
    assert (used.exists(), unused.exists()) == (True, False)
    machine.forget(config.home, [second])
    assert not list(machine.folder(config.home).iterdir())


def test_a_machine_that_joined_nothing_says_how_to_join(config: Settings) -> None:
    with pytest.raises(NotFound, match="Copy a line from the dashboard"):
        machine.work(config)


@pytest.mark.parametrize("token", ["", "fj1", "fj2..x", "fj1.short." + SECRET, f"fj1..{SECRET}.x", "¡fj1..é"])
def test_something_that_is_no_token_is_refused(config: Settings, token: str) -> None:
    assert "no token" in str(refusal(config, Request("http://127.0.0.1:1", token)))


@pytest.mark.parametrize(
    "url", ["farm.example", "ftp://farm.example", "http://", "http://a:99999", "https://[::1"]
)
def test_an_address_that_is_none_is_refused(config: Settings, url: str) -> None:
    assert "no address of a dashboard" in str(refusal(config, Request(url, protocol.written("", SECRET))))


def test_a_farm_that_does_not_answer_is_named(config: Settings) -> None:
    refused = refusal(config, Request("http://127.0.0.1:1", protocol.written("", SECRET)))
    assert isinstance(refused, ServiceDown)
    assert str(refused).startswith("The farm does not answer at http://127.0.0.1:1: ")


def test_what_is_no_voicefarm_is_named(config: Settings) -> None:
    with serving() as port:
        refused = refusal(config, Request(f"http://127.0.0.1:{port}", protocol.written("", SECRET)))
    assert "is not a Voicefarm (HTTP 200)" in str(refused)


def test_another_servers_key_is_refused_before_the_secret_is_sent(config: Settings, tmp_path: Path) -> None:
    context = tls.server_context(tls.identity(Settings(home=tmp_path / "other")))
    mine = tls.identity(Settings(home=tmp_path / "mine"))
    token = protocol.written(tls.pin(mine.certificate.read_bytes()), SECRET)
    with serving(context) as port:
        refused = refusal(config, Request(f"https://127.0.0.1:{port}", token))
    assert isinstance(refused, Forbidden)
    assert "its key is not the one in the token" in str(refused)
    assert machine.joined(config.home) == []


def test_a_pinned_farm_is_talked_to_by_exactly_its_certificate(config: Settings, tmp_path: Path) -> None:
    own = tls.identity(Settings(home=tmp_path / "farm"))
    token = protocol.written(tls.pin(own.certificate.read_bytes()), SECRET)
    with serving(tls.server_context(own)) as port:
        refused = refusal(config, Request(f"https://127.0.0.1:{port}", token))
    assert "is not a Voicefarm (HTTP 200)" in str(refused)  # it was reached: the handshake was well
    [kept] = machine.folder(config.home).glob("*.pem")
    assert ssl.PEM_cert_to_DER_cert(kept.read_text()) == ssl.PEM_cert_to_DER_cert(own.certificate.read_text())


def test_a_certificate_that_nobody_vouches_for_is_refused_without_a_pin(
    config: Settings, tmp_path: Path
) -> None:
    context = tls.server_context(tls.identity(Settings(home=tmp_path / "farm")))
    with serving(context) as port:
        refused = refusal(config, Request(f"https://127.0.0.1:{port}", protocol.written("", SECRET)))
    assert "certificate verify failed" in str(refused)


def test_a_clock_that_is_far_off_is_named_as_the_reason(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a certificate that has expired, which a clock that is years ahead makes of any."""
    monkeypatch.setattr(tls, "LIFE", timedelta(hours=-1))
    tls._make(tmp_path / "tls")
    own = tls.Identity(tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem")
    token = protocol.written(tls.pin(own.certificate.read_bytes()), SECRET)
    with serving(tls.server_context(own)) as port:
        refused = refusal(config, Request(f"https://127.0.0.1:{port}", token))
    assert str(refused).startswith("By this machine's clock (2")
    assert "Set the clock right" in str(refused)


def test_a_token_with_a_pin_is_not_sent_in_the_clear(config: Settings) -> None:
    token = protocol.written("A" * 43 + "=", SECRET)
    assert "speaks TLS" in str(refusal(config, Request("http://127.0.0.1:1", token)))


def test_an_open_address_beyond_this_machine_needs_a_yes(config: Settings) -> None:
    request = Request("http://192.0.2.1:8600", protocol.written("", SECRET))
    assert "add --yes" in str(refusal(config, request))
    assert enrolment.trust(config, replace(request, careless=True), "") == ""


def test_workers_that_run_are_stopped_before_others_are_joined(config: Settings) -> None:
    with Supervisor(config.home):
        refused = refusal(config, Request("http://127.0.0.1:1", protocol.written("", SECRET)))
    assert isinstance(refused, Conflict)
    assert f"process {os.getpid()}" in str(refused)


def test_a_home_that_cannot_be_written_is_refused_before_the_token_is_spent() -> None:
    with pytest.raises(Rejected, match="choose another FARM_HOME"):
        enrolment.make_sure_of_room(Settings(home=Path("/proc/nowhere")))


def test_a_disk_without_room_is_refused_before_the_token_is_spent(config: Settings) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (enrolment.ROOM // 2, before[1]))
    try:
        with pytest.raises(Rejected, match=r"cannot be written: .* Free some disk"):
            enrolment.make_sure_of_room(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("home", ["/var/lib/voicefarm", '/srv/a "b" 50% $HOME'])
def test_the_unit_is_one_that_systemd_takes(home: str, tmp_path: Path) -> None:
    text = systemd.unit(Path(home))
    assert "\nRestart=always\nRestartSec=5\nRestartPreventExitStatus=0 3\nKillMode=mixed\n" in text
    assert f'ExecStart="{sys.executable}" -m farm.cli work\n' in text
    unit = tmp_path / systemd.NAME
    unit.write_text(text)
    verify = shutil.which("systemd-analyze")
    if verify:
        command = [verify, "verify", *([] if os.geteuid() == 0 else ["--user"]), str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert systemd.NAME not in done.stderr, done.stderr
        assert done.returncode == 0


def test_nothing_of_the_unit_closes_the_way_to_the_card() -> None:
    for option in (
        "PrivateDevices",
        "DeviceAllow",
        "ProtectClock",
        "MemoryDenyWriteExecute",
        "ProtectKernelModules",
    ):
        assert option not in systemd.unit(Path("/home"))


def test_without_systemd_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(systemd, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Rejected, match="start the workers your own way"):
        systemd.install(tmp_path, start=True)
    assert not systemd.unit_file().exists()
    assert systemd.remove(tmp_path) is False


def test_systemd_is_told_to_enable_the_unit_and_leaving_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a systemctl that notes what it is told: the tests' host is not the place for a real unit."""
    told = tmp_path / "told"
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(systemd, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("HOME", str(tmp_path))
    file = systemd.install(Path("/srv/one"), start=True)
    assert file.read_text() == systemd.unit(Path("/srv/one"))
    with pytest.raises(Conflict, match="another home"):
        systemd.install(Path("/srv/two"), start=True)
    assert systemd.remove(Path("/srv/two")) is False
    assert systemd.remove(Path("/srv/one")) is True
    assert not file.exists()
    lines = [line.removeprefix("--user ") for line in told.read_text().splitlines()]
    assert lines == [
        "show --property=Version",
        "daemon-reload",
        f"enable --now {systemd.NAME}",
        f"disable --now {systemd.NAME}",
        "daemon-reload",
    ]
