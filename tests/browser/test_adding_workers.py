"""A machine is added by the line that the page shows, watched, drained, revoked; then it can do nothing."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from farms import SHORT, Farm, eventually, farm_up
from keys import Keys
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select
from visits import PHONE, address_of, sign_in

from farm import machine, supervisor
from farm.machine import REVOKED, Papers
from farm.tables import Job, Project, Segment, Take, Worker
from tests.conftest import place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENGINE = "simulated:speed=20,batch=2"
SETTINGS = {"FARM_ENGINE": ENGINE, "FARM_BATCH_S": "8"}
INSTALLED_MS = 300_000  # a venv with all that the farm needs, from wherever pip gets it
SPOKEN_S = 180.0
PARAGRAPHS = [f"The keeper of the lamp counted ship number {n}, and wrote it down." for n in range(200)]
USED = "farm: This token was used, has expired, was revoked, or is none of this farm's."


class Machine:
    """Another machine: a shell, and a home where the line puts everything."""

    def __init__(self, home: Path) -> None:
        self.home = home
        mine = {"VOICEFARM_HOME": str(home), "VOICEFARM_PYTHON": sys.executable, "NO_PROXY": "127.0.0.1"}
        self.environment = {**os.environ, **mine, "FARM_BEAT_S": SHORT["FARM_BEAT_S"]}

    @contextmanager
    def run(self, line: str) -> Iterator["subprocess.Popen[bytes]"]:
        """The line, exactly as it is; what it started ends with the block."""
        with (
            self.log.open("wb") as said,
            subprocess.Popen(
                ["sh", "-c", line],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            ) as shell,
        ):
            try:
                yield shell
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    @property
    def last_words(self) -> str:
        return self.log.read_text().splitlines()[-1]

    @property
    def papers(self) -> Papers:
        (only,) = machine.joined(self.home)
        return only


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as made:
        yield made


@pytest.fixture
def farm(folder: Path) -> Iterator[Farm]:
    with farm_up(folder / "farm", "--listen", "127.0.0.1", **SETTINGS) as running:
        yield running


@pytest.fixture
def den(folder: Path) -> Machine:
    return Machine(folder / "den")


def test_a_worker_is_added_by_the_shown_line_drained_and_revoked_and_then_can_do_nothing(
    farm: Farm, den: Machine, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(ignore_https_errors=True)
    line = make_the_line(page, farm, "den")
    with den.run(line) as shell:
        watch_it_come(page)
        with page.context.new_page() as other:
            other.goto(f"{address_of(farm)}/projects/new")
            start_a_book(other, tmp_path / "The Lamp.txt")
        expect(card(page)).to_contain_text("Speaks The Lamp", timeout=60_000)
        eventually(lambda: takes_by(farm, "den") > 0)
        page.get_by_role("link", name="← Workers").click()
        drain_and_let_work_again(page, farm)
        with Keys(den.papers) as keys:
            revoke_it(page, farm, keys)
        assert shell.wait(60) == REVOKED
    assert den.last_words == "den was revoked: join again to come back."
    assert supervisor.processes(den.home) == []
    spoken = takes_by(farm, "den")
    with den.run(line) as again:
        assert again.wait(120) == 1
    assert den.last_words.startswith(USED)
    eventually(lambda: is_finished(farm), SPOKEN_S)
    assert takes_by(farm, "den") == spoken
    assert takes_by(farm, "local") + spoken == segments(farm)
    fits_a_phone(page)


def make_the_line(page: Page, farm: Farm, name: str) -> str:
    """As a person does who has just started the farm; the line that is shown."""
    sign_in(page, next(line.split()[-1] for line in farm.said if line.startswith("Sign in")))
    page.get_by_role("link", name="Workers", exact=True).click()
    page.get_by_role("link", name="Add worker").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Engine").select_option(ENGINE)
    page.get_by_label("Tags").fill("studio")
    page.get_by_role("button", name="Make the line").click()
    line = page.get_by_label("The line to run")
    expect(line).to_have_value(re.compile("^curl .* --pinnedpubkey .* fj1"))
    return line.input_value()


def card(page: Page, name: str = "den") -> Locator:
    return page.locator(".crew > li").filter(has=page.get_by_role("link", name=name, exact=True))


def watch_it_come(page: Page) -> None:
    """From "waiting" to "ready", in the page that showed the line."""
    page.evaluate(
        """() => {
          window.seen = new Set();
          const look = () => document.querySelectorAll(".steps [aria-current]")
            .forEach((it) => window.seen.add(it.textContent));
          new MutationObserver(look).observe(document.body, {subtree: true, childList: true});
          look();
        }"""
    )
    expect(page.locator(".steps li").first).to_have_text("den has joined", timeout=INSTALLED_MS)
    expect(card(page).locator(".word > summary")).to_have_text("ready", timeout=60_000)
    expect(page.locator(".steps [data-done]")).to_have_count(3)
    expect(card(page)).to_contain_text("studio")
    first, *others = page.evaluate("[...window.seen]")
    assert first == "Waiting for the line to be run …"
    assert any(step.startswith(("loading", "measuring")) for step in others), others


def start_a_book(page: Page, file: Path) -> None:
    file.write_text("Chapter 1\n\n" + "\n\n".join(PARAGRAPHS))
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Start").click(timeout=60_000)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def drain_and_let_work_again(page: Page, farm: Farm) -> None:
    """Of the two workers, one drains; the other one goes on."""
    order(page, "Drain: now")
    expect(word(page)).to_have_text("drained")
    expect(card(page)).not_to_contain_text("Speaks")
    before = takes_by(farm, "den"), takes_by(farm, "local")
    eventually(lambda: takes_by(farm, "local") > before[1])
    expect(word(page, "local")).to_have_text("working")
    assert takes_by(farm, "den") == before[0]
    page.get_by_role("button", name="Let den work").click()
    expect(word(page)).to_have_text("working")
    eventually(lambda: takes_by(farm, "den") > before[0])


def order(page: Page, what: str) -> None:
    card(page).get_by_label("What den should do").click()
    card(page).get_by_role("button", name=what).click()


def word(page: Page, name: str = "den") -> Locator:
    return card(page, name).locator(".word > summary")


def revoke_it(page: Page, farm: Farm, keys: Keys) -> None:
    """In the middle of a job; at once everything that it had is worth nothing."""
    order(page, "Revoke …")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Revoke den?")
    job = just_claimed(farm)
    assert keys.is_heard_by_the_broker()
    status, told = keys.post(f"/worker/v1/jobs/{job.id}/uploads", {"token": job.token, "sizes": {}})
    assert (status, told) == (200, {"uploads": {}})
    with page.expect_response("**/revoke") as revoked:
        dialog.get_by_role("button", name="Revoke").click()
    assert revoked.value.ok
    assert given_back(farm, job)
    assert set(keys.statuses(job).values()) == {403}
    eventually(lambda: not keys.is_heard_by_the_broker(), 5)
    expect(word(page)).to_have_text("revoked")


def just_claimed(farm: Farm) -> Job:
    """A job that the den has just begun, of some seconds."""
    seconds = func.extract("epoch", func.now() - Job.claimed_at)
    begun = select(Job).join(Worker, Worker.id == Job.worker_id)
    begun = begun.where(Worker.name == "den", Job.state == "running", seconds < 2)
    found: list[Job] = []

    def look() -> bool:
        with farm.begin() as session:
            found.extend(session.scalars(begun))
        return bool(found)

    eventually(look)
    return found[0]


def given_back(farm: Farm, job: Job) -> bool:
    """Whether others may speak what was left of the job, and nobody is blamed."""
    with farm.begin() as session:
        leased = select(Segment.id).where(Segment.job_id == job.id)
        tried = select(Segment.id).where(Segment.attempts > 0)
        free = session.scalars(leased).all() == session.scalars(tried).all() == []
        return free and session.get_one(Job, job.id).state == "recalled"


def takes_by(farm: Farm, name: str) -> int:
    made = select(func.count()).select_from(Take).join(Worker, Worker.id == Take.worker_id)
    with farm.begin() as session:
        return session.scalars(made.where(Worker.name == name)).one()


def segments(farm: Farm) -> int:
    with farm.begin() as session:
        return session.scalars(select(func.count()).where(Segment.attempts == 0)).one()


def is_finished(farm: Farm) -> bool:
    with farm.begin() as session:
        return session.scalars(select(Project.state)).one() == "finished"


def fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
