"""A machine joins a real farm, is looked at and measured, waits to be let in, and leaves."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm import cli_machine, enrolment, joining, machine, machine_doctor, steering
from farm.api_client import ApiClient
from farm.db import Begin
from farm.embedded import Servers
from farm.enrolment import Request, enrol
from farm.errors import Forbidden, NotFound, Rejected
from farm.machine import Papers
from farm.readiness import Candidate, await_approval
from farm.settings import Settings
from farm.tables import JoinToken, Worker
from tests.farms import ROOT, eventually
from tests.live import LiveFarm, live_farm
from tests.nvml import A10, RTX_3060, driver


@pytest.fixture
def farm(servers: Servers, begin: Begin, tmp_path: Path) -> Iterator[LiveFarm]:
    with live_farm(servers, begin, tmp_path) as farm:
        yield farm


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Of the machine."""
    return Settings(home=tmp_path / "machine", beat_s=0.05)


def join(farm: LiveFarm, config: Settings, name: str = "den", **also: object) -> Papers:
    """One worker, on the processor whatever this machine has."""
    token = farm.token(name, gpu_class="cpu", **also)
    [papers] = enrol(config, Request(farm.url, token))
    return papers


def row(farm: LiveFarm, name: str) -> Worker:
    with farm.begin() as session:
        return session.query(Worker).filter_by(name=name).one()


def run(config: Settings, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`farm …` on the machine."""
    return subprocess.run(
        [sys.executable, "-m", "farm.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "FARM_HOME": str(config.home), "FARM_BEAT_S": "0.2", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_card_of_a_machine_becomes_a_worker_of_its_class(farm: LiveFarm, config: Settings) -> None:
    done = run(config, "join", farm.url, farm.token(), "--no-start", **driver(RTX_3060, A10))
    assert done.returncode == 0, done.stderr
    first, second = machine.joined(config.home)
    assert (first.name, first.gpu, first.gpu_class) == ("den", "GPU-3060", "12g")
    assert (second.name, second.gpu, second.gpu_class) == ("den-2", "GPU-a10", "24g")
    assert "  ok  card      GPU-a10: 21.5 of 22.5 GiB free, class 24g" in done.stdout
    assert "den-2: measuring: 1 at once" in done.stdout
    assert done.stdout.endswith("Ready. Start with `farm work`.\n")
    found = row(farm, "den-2")
    assert found.state == "enrolled"
    assert found.benchmark
    assert found.profile["peak_mib"] == 1024
    assert found.facts["step"] == "measured"


def test_one_card_is_chosen_by_its_number(farm: LiveFarm, config: Settings) -> None:
    arguments = (
        "join",
        farm.url,
        farm.token(),
        "--no-start",
        "--gpu",
        "1",
        "--engine",
        "simulated:speed=5000",
    )
    done = run(config, *arguments, **driver(RTX_3060, A10))
    assert done.returncode == 0, done.stderr
    [papers] = machine.joined(config.home)
    assert (papers.gpu, papers.engine) == ("GPU-a10", "simulated:speed=5000")


def test_a_token_lets_in_one_machine_once(farm: LiveFarm, config: Settings) -> None:
    token = farm.token(gpu_class="cpu")
    before = enrol(config, Request(farm.url, token))
    with pytest.raises(Forbidden, match="was used, has expired, was revoked"):
        enrol(config, Request(farm.url, token))
    assert machine.joined(config.home) == before


def test_a_refusal_is_one_sentence_on_the_command_line(farm: LiveFarm, config: Settings) -> None:
    token = farm.token()
    with farm.begin() as session:
        joining.revoke_token(session, session.query(JoinToken).one().id)
    done = run(config, "join", farm.url, token)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("farm: This token was used, has expired, was revoked")
    assert done.stderr.count("\n") == 1


def test_joining_again_under_the_same_name_ends_the_old_secret(farm: LiveFarm, config: Settings) -> None:
    old, new = join(farm, config), join(farm, config)
    assert machine.joined(config.home) == [new]
    with pytest.raises(Forbidden, match="not known here"):
        Candidate(old, config, print).beat("here I am")
    assert Candidate(new, config, print).beat("here I am")["desired"] == "run"


def test_joining_again_under_another_name_replaces_the_worker_that_was_here(
    farm: LiveFarm, config: Settings
) -> None:
    join(farm, config, "old")
    new = join(farm, config, "new")
    assert machine.joined(config.home) == [new]
    assert row(farm, "old").desired == "revoked"
    assert row(farm, "new").desired == "run"


def test_workers_on_other_cards_of_the_same_farm_stay(farm: LiveFarm, config: Settings) -> None:
    first = join(farm, config, "first")
    machine.keep_papers(config.home, replace(first, gpu="GPU-1"))
    second = join(farm, config, "second")
    assert machine.joined(config.home) == [replace(first, gpu="GPU-1"), second]


def test_a_farm_whose_worker_api_is_in_the_clear_is_refused_beside_an_encrypted_dashboard(
    farm: LiveFarm,
) -> None:
    """As a farm behind a proxy that only took care of its pages would say."""

    class Dashboard(ApiClient):
        def get(self, path: str) -> dict[str, str]:
            return {"api_url": "http://farm.example:8601"}

    request = Request("https://farm.example", "")
    with pytest.raises(Rejected, match="is not encrypted"):
        enrolment.api_address(Dashboard(request.url), request)
    assert enrolment.api_address(Dashboard(request.url), replace(request, careless=True)).startswith("http:")


def test_a_worker_waits_until_it_is_let_in_and_says_so(farm: LiveFarm, config: Settings) -> None:
    told: list[str] = []
    candidate = Candidate(join(farm, config, approval=True), config, told.append)
    thread = threading.Thread(target=await_approval, args=([candidate],))
    thread.start()
    eventually(lambda: row(farm, "den").facts.get("step") == "waiting to be let in")
    assert thread.is_alive()
    with farm.begin() as session:
        steering.approve(session, row(farm, "den").id)
    thread.join(20)
    assert not thread.is_alive()
    assert told == ["den: waiting until you let it in, on the dashboard's page of workers"]


def test_a_worker_that_is_revoked_while_it_waits_ends_with_a_sentence(
    farm: LiveFarm, config: Settings
) -> None:
    candidate = Candidate(join(farm, config, approval=True), config, print)
    assert not candidate.is_approved("measured")
    with farm.begin() as session:
        steering.revoke(session, row(farm, "den").id)
    with pytest.raises(Forbidden, match="Join it again"):
        await_approval([candidate])


def test_something_wrong_stops_a_worker_before_it_is_measured(farm: LiveFarm, config: Settings) -> None:
    told: list[str] = []
    papers = replace(join(farm, config), broker_url="redis://nobody:x@127.0.0.1:1/0")
    candidate = Candidate(papers, config, told.append)
    with pytest.raises(Rejected, match=r"den has joined, but cannot work yet \(broker\)"):
        candidate.prepare(careless=False)
    assert any(line.startswith("  BAD broker") for line in told)
    assert row(farm, "den").benchmark is None
    candidate.prepare(careless=True)
    assert row(farm, "den").benchmark


def test_an_engine_that_cannot_be_measured_says_why(farm: LiveFarm, config: Settings) -> None:
    papers = replace(join(farm, config), engine="simulated:fail=。")
    with pytest.raises(Rejected, match="could not be measured: The engine simulated cannot speak here"):
        Candidate(papers, config, print).prepare(careless=False)


def test_leaving_ends_the_workers_at_the_farm_and_forgets_it_here(farm: LiveFarm, config: Settings) -> None:
    papers = join(farm, config)
    assert enrolment.leave(config) == [(papers, None)]
    assert row(farm, "den").desired == "revoked"
    assert list(machine.folder(config.home).iterdir()) == []
    with pytest.raises(NotFound, match="knows no worker"):
        enrolment.leave(config)


def test_a_farm_that_is_away_is_left_all_the_same(farm: LiveFarm, config: Settings) -> None:
    machine.keep_papers(config.home, replace(join(farm, config), api_url="https://127.0.0.1:1"))
    [(papers, trouble)] = enrolment.leave(config)
    assert papers.name == "den"
    assert str(trouble).startswith("The farm does not answer at https://127.0.0.1:1")
    assert machine.joined(config.home) == []


def test_the_doctor_speaks_json_for_each_worker(
    farm: LiveFarm, config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    join(farm, config)
    assert cli_machine.examine(config, json_=True)
    [(name, findings)] = json.loads(capsys.readouterr().out).items()
    assert name == "den"
    assert [finding["part"] for finding in findings] == list(machine_doctor.CHECKS)


def test_work_ends_when_the_farm_wants_none_of_its_workers_any_more(farm: LiveFarm, config: Settings) -> None:
    join(farm, config)
    with farm.begin() as session:
        steering.revoke(session, row(farm, "den").id)
    done = run(config, "work")
    assert done.returncode == machine.REVOKED, done.stdout
    assert "den was revoked" in done.stdout
