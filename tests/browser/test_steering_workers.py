"""What people do with workers in the dashboard: watch, steer, add, send away; by mouse, keys and phone."""

import re
from typing import Any

import crews
import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update
from visits import PHONE, Look, Scenes

from farm.db import now
from farm.tables import Worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crew(stage: Scenes) -> dict[str, int]:
    with stage.begin() as session:
        return crews.everyone(session)


def card(page: Page, worker_id: int) -> Locator:
    return page.locator(f"#w{worker_id}")


def change(stage: Scenes, worker_id: int, **columns: Any) -> None:
    """The worker reports something else, somewhere else."""
    with stage.begin() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(**columns))


def test_cards_change_in_place_and_what_is_open_stays_open(
    look: Look, stage: Scenes, crew: dict[str, int]
) -> None:
    page = look("/workers")
    page.evaluate("window.same = true")
    shown = card(page, crew["mumbling"])
    shown.get_by_text("Last failures").click()
    expect(shown.get_by_text("The take is silent.").first).to_be_visible()
    before = shown.bounding_box()
    facts = {**crews.RTX_3060, "vram_used_mib": 8192, "utilisation": 0.1, "celsius": 55}
    change(stage, crew["mumbling"], facts=facts)
    expect(shown).to_contain_text("8 of 12 GB")
    expect(shown.get_by_text("The take is silent.").first).to_be_visible()
    assert shown.bounding_box() == before
    assert page.evaluate("window.same") is True


def test_a_worker_that_joins_appears_and_one_that_is_forgotten_goes(
    look: Look, stage: Scenes, crew: dict[str, int]
) -> None:
    page = look("/workers")
    with stage.begin() as session:
        made = crews.worker(session, "surprise", "ready", "24g", {})
    expect(card(page, made)).to_contain_text("surprise")
    with stage.begin() as session:
        session.delete(session.get_one(Worker, made))
    expect(card(page, made)).to_have_count(0)


def test_a_worker_is_drained_and_let_work_again(look: Look, crew: dict[str, int]) -> None:
    page = look("/workers")
    shown = card(page, crew["big-4090"])
    expect(shown.locator(".word")).to_contain_text("working")
    shown.get_by_label("What big-4090 should do").click()
    shown.get_by_role("button", name="Drain: after this batch").click()
    expect(shown.locator(".word")).to_contain_text("draining")
    expect(shown.locator(".sheet.wishes")).to_be_hidden()
    shown.get_by_role("button", name="Let big-4090 work").click()
    expect(shown.locator(".word")).to_contain_text("working")


def test_every_wish_is_reached_by_keyboard_and_the_focus_comes_back(look: Look, crew: dict[str, int]) -> None:
    page = look("/workers")
    shown = card(page, crew["waiting-for-work"])
    shown.get_by_label("What waiting-for-work should do").focus()
    page.keyboard.press("Enter")
    expect(shown.get_by_role("button", name="Sleep: now")).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Sleep: now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(shown.locator(".word")).to_contain_text("asleep")
    expect(shown.get_by_label("What waiting-for-work should do")).to_be_focused()
    shown.get_by_label("What waiting-for-work should do").press("Enter")
    expect(shown.get_by_role("button", name="Sleep: now")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(shown.get_by_role("button", name="Sleep: now")).to_be_hidden()


def test_a_stranger_is_let_in_and_a_held_one_tried_again(look: Look, crew: dict[str, int]) -> None:
    page = look("/workers")
    card(page, crew["stranger"]).get_by_role("button", name="Let it in").click()
    expect(card(page, crew["stranger"]).locator(".word")).to_contain_text("ready")
    card(page, crew["mumbling"]).get_by_role("button", name="Try it again").click()
    expect(card(page, crew["mumbling"]).locator(".word")).to_contain_text("ready")
    expect(page.get_by_text("1 needs you")).to_be_visible()


def test_revoking_is_asked_for_first_and_ends_a_worker(look: Look, crew: dict[str, int]) -> None:
    page = look("/workers")
    shown = card(page, crew["closing"])
    for answer, word in (("Keep it", "draining"), ("Revoke", "revoked")):
        shown.get_by_label("What closing should do").click()
        shown.get_by_role("button", name="Revoke …").click()
        expect(page.get_by_role("dialog")).to_contain_text("cannot be undone")
        page.get_by_role("dialog").get_by_role("button", name=answer).click()
        expect(shown.locator(".word")).to_contain_text(word)
    shown.get_by_role("button", name="Forget it").click()
    expect(shown).to_have_count(0)


def test_a_line_is_made_copied_and_waited_upon(look: Look, stage: Scenes) -> None:
    page = look("/workers/new", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_text("farm up --listen")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("cellar")
    page.get_by_label("Tags").fill("night, studio")
    page.get_by_role("button", name="Make the line").click()
    line = page.get_by_label("The line to run")
    expect(line).to_have_value(re.compile(r"^curl -fsS \S+/join \| sh -s -- fj1\.\S+$"))
    expect(page.get_by_text("It works once, until")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == line.input_value()
    expect(page.get_by_text("Waiting for the line to be run")).to_be_visible()
    with stage.begin() as session:
        made = crews.worker(session, "cellar", "enrolled", "12g", {"step": "Checking the disk"})
    expect(page.get_by_text("cellar has joined")).to_be_visible()
    expect(page.locator(".steps [aria-current]")).to_have_text("Checking the disk")
    change(stage, made, state="ready", benchmark=5.8, last_seen=now)
    expect(page.locator(".steps [aria-current]")).to_have_count(0)
    expect(card(page, made)).to_contain_text("5.8×")
    expect(line).to_have_value(re.compile("^curl"))


def test_a_name_that_cannot_be_one_is_said_at_once(look: Look) -> None:
    page = look("/workers/new")
    page.get_by_label("Name", exact=True).fill("Big Machine")
    page.get_by_role("button", name="Make the line").click()
    assert page.locator("[name=name]:invalid").count() == 1
    expect(page.locator("#line")).to_be_hidden()


def test_a_line_that_still_works_is_revoked(look: Look) -> None:
    page = look("/workers/new")
    page.get_by_label("Name", exact=True).fill("unwanted")
    page.get_by_role("button", name="Make the line").click()
    row = page.locator(".tokens li").filter(has_text="unwanted")
    row.get_by_role("button").click()
    expect(row).to_have_count(0)


def test_hours_and_tags_are_kept_as_they_are_written(look: Look, crew: dict[str, int]) -> None:
    page = look(f"/workers/{crew['rented-h200']}", timezone_id="Europe/Berlin")
    page.get_by_label("Tags").fill("rented，fast")
    with page.expect_response("**/api/v1/workers/*") as saved:
        page.get_by_label("Tags").press("Tab")
    assert saved.value.ok
    page.locator("summary").filter(has_text="Hours").click()
    page.get_by_label("Always").uncheck()
    page.get_by_label("Add hours on Monday").click()
    with page.expect_response("**/api/v1/workers/*") as saved:
        page.get_by_role("button", name="Every day as Monday").click()
    assert saved.value.ok
    shown = card(page, crew["rented-h200"])
    expect(shown).to_contain_text("every day 22:00–07:00 (Europe/Berlin)")
    expect(shown).to_contain_text("fast")
    page.reload()
    expect(page.get_by_label("To Sunday")).to_have_value("07:00")
    expect(page.get_by_label("Tags")).to_have_value("fast, rented")


def test_a_project_is_kept_from_a_worker_and_allowed_again(
    look: Look, stage: Scenes, crew: dict[str, int]
) -> None:
    page = look(f"/projects/{stage.ids['running']}")
    part = page.locator(".keptfrom")
    if part.locator("details").get_attribute("open") is None:
        part.locator("summary").click()
    part.get_by_label("Keep it from").select_option("attic-3060-1")
    part.get_by_label("Why").fill("It whistles.")
    part.get_by_role("button", name="Keep away").click()
    expect(part.get_by_text("It whistles.")).to_be_visible()
    part.get_by_role("button", name="Allow attic-3060-1 again").click()
    expect(part.get_by_text("It whistles.")).to_have_count(0)


def test_what_a_worker_spoke_last_is_heard(look: Look, crew: dict[str, int]) -> None:
    page = look("/workers")
    card(page, crew["attic-3060-1"]).get_by_label("Play what attic-3060-1 spoke last").click()
    expect(page.locator("#player")).to_have_attribute("data-playing", "")


def test_the_pages_of_workers_fit_a_phone(look: Look, stage: Scenes, crew: dict[str, int]) -> None:
    page = look("/workers", PHONE, is_mobile=True, has_touch=True)
    expect(page.get_by_role("link", name="Workers", exact=True)).to_be_visible()
    for path in ("/workers", "/workers/new", f"/workers/{crew['gaming-pc']}"):
        page.goto(stage.address + path)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0, path


def test_everything_about_workers_has_a_name(look: Look, crew: dict[str, int]) -> None:
    for path in ("/workers", "/workers/new", f"/workers/{crew['gaming-pc']}"):
        page = look(path)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input, select, summary, textarea")]
              .filter((it) => it.checkVisibility() && it.tabIndex >= 0)
              .filter((it) => !(it.ariaLabel || it.textContent.trim() || it.labels?.[0]?.textContent.trim()))
              .map((it) => it.outerHTML)"""
        )
        assert nameless == []
