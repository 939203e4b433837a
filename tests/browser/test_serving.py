"""Who may serve a project, and until when: chosen on its pages."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete
from visits import LAPTOP, PHONE, Look, Scenes

from farm.tables import Project, Worker
from tests import builders

pytestmark = pytest.mark.slow


@pytest.fixture
def cards(stage: Scenes) -> Iterator[None]:
    """A 12 GB and a 24 GB worker of an engine to which cards matter, and the review is for it."""
    with stage.begin() as session:
        session.get_one(Project, stage.ids["review"]).engine = builders.ENGINE
        for name, gpu_class, speed in (("small", "12g", 5.0), ("big", "24g", 30.0)):
            builders.worker(session, name, gpu_class, speed=speed)
    yield
    with stage.begin() as session:
        session.execute(delete(Worker).where(Worker.name.in_(["small", "big"])))
        reviewed = session.get_one(Project, stage.ids["review"])
        reviewed.classes, reviewed.engine = [], "preview"


def test_excluding_a_class_says_what_it_changes(look: Look, stage: Scenes, cards: None) -> None:
    page = look(f"/projects/{stage.ids['review']}")
    row = page.locator("[data-classes] li").filter(has_text="12 GB")
    expect(row).to_contain_text("Without them: segments of up to 130 characters, done in")
    with page.expect_response(re.compile(r"/api/v1/projects/\d+$")):
        row.get_by_role("checkbox").uncheck()
    expect(row).to_contain_text("With them: segments of up to 100 characters, done in")
    expect(page.locator("[data-farm]")).to_contain_text("on this farm")
    page.reload()
    expect(row.get_by_role("checkbox")).not_to_be_checked()


def test_a_deadline_is_set_in_the_readers_time_and_told_against_the_forecast(
    look: Look, stage: Scenes
) -> None:
    page = look(f"/projects/{stage.ids['running']}", timezone_id="Asia/Shanghai")
    page.get_by_text("Deadline and workers").click()
    page.get_by_label("Done by").fill("2100-01-01T08:00")
    page.get_by_label("Done by").blur()
    expect(page.locator("[data-live=deadline]")).to_contain_text("before the deadline")
    with stage.begin() as session:
        deadline = session.get_one(Project, stage.ids["running"]).deadline
        assert deadline is not None
        assert deadline.utcoffset() is not None
        assert deadline.astimezone().timestamp() == 4102444800
        session.get_one(Project, stage.ids["running"]).deadline = deadline - timedelta(days=100 * 365)
    page.reload()
    expect(page.locator(".why")).to_contain_text("after its deadline")
    page.get_by_text("Deadline and workers").click()
    page.get_by_label("Done by").fill("")
    page.get_by_label("Done by").blur()
    expect(page.locator("[data-live=deadline]")).to_have_text("")


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_tags_and_a_limit_are_kept(look: Look, stage: Scenes, size: dict[str, int]) -> None:
    page = look(f"/projects/{stage.ids['paused']}", size)
    page.get_by_text("Deadline and workers").click()
    page.get_by_label("Only workers with these tags").fill("night, studio")
    page.get_by_label("Workers at once, at most").fill("3")
    page.get_by_label("Workers at once, at most").blur()
    page.wait_for_load_state("networkidle")
    page.reload()
    page.get_by_text("Deadline and workers").click()
    expect(page.get_by_label("Only workers with these tags")).to_have_value("night, studio")
    expect(page.get_by_label("Workers at once, at most")).to_have_value("3")
