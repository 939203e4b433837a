"""How roles and passages are to be spoken, asked for in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import select
from visits import PHONE, Look, Scenes

from farm import takes
from farm.tables import Chapter, Project, Segment, Take

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def with_emotions(stage: Scenes) -> None:
    """The projects' engine follows the whole of a direction."""
    with stage.begin() as session:
        for project in session.scalars(select(Project)):
            project.engine = "indextts2"


def slide(slider: Locator, value: str) -> None:
    slider.evaluate(
        "(it, value) => { it.value = value; for (const name of ['input', 'change'])"
        " it.dispatchEvent(new Event(name, { bubbles: true })); }",
        value,
    )


def kept(stage: Scenes) -> Any:
    with stage.begin() as session:
        project = session.get_one(Project, stage.ids["review"])
        return project.directions, project.preset


@pytest.mark.parametrize("size", [None, PHONE])
def test_a_role_is_directed_with_sliders_and_hears_what_may_be_wrong(
    look: Look, stage: Scenes, size: Any
) -> None:
    page = look(f"/projects/{stage.ids['review']}", **({"size": size} if size else {}))
    role = page.locator("[data-role=dialogue]")
    expect(role.locator("[data-directed-says]")).to_be_hidden()
    role.locator("summary").click()
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        slide(role.get_by_label("sad"), "0.4")
    expect(role.locator(".slider", has_text="sad").locator("output")).to_have_text("0.40")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        role.get_by_label("In words").fill("高兴又悲伤")
        role.get_by_label("In words").blur()
    expect(role.locator("[data-warnings] li")).to_have_count(1)
    expect(role.locator("[data-directed-says]")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_label("How carefully").select_option("draft")
    assert kept(stage) == ({"dialogue": {"emotion": {"sad": 0.4}, "words": "高兴又悲伤"}}, "draft")
    page.reload()
    expect(page.locator("[data-role=dialogue]").get_by_label("In words")).to_have_value("高兴又悲伤")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.locator("[data-role=dialogue] summary").click()
        slide(page.locator("[data-role=dialogue]").get_by_label("sad"), "0")
    page.get_by_label("How carefully").select_option("exact")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.locator("[data-role=dialogue]").get_by_label("In words").fill("")
        page.locator("[data-role=dialogue]").get_by_label("In words").blur()
    expect(page.locator("[data-role=dialogue] [data-warnings] li")).to_have_count(0)
    assert kept(stage)[0] == {}


def test_a_passage_is_directed_and_goes_back_to_its_roles_way(look: Look, stage: Scenes) -> None:
    with stage.begin() as session:
        mine = Chapter.project_id == stage.ids["finished"]
        chapter = session.scalars(select(Chapter).where(mine, Chapter.state == "done").limit(1)).one()
        first = Segment.chapter_id == chapter.id
        row = session.scalars(select(Segment).where(first).order_by(Segment.position).limit(1)).one()
        take, project = session.get_one(Take, row.take_key), session.get_one(Project, row.project_id)
        take.key = row.take_key = takes.recipe_of(project, row.spoken, row.language, row.role).key
        segment = row.id
    page = look(f"/chapters/{chapter.id}")
    passage = page.locator(f"#s{segment}")
    passage.hover()
    passage.get_by_role("button", name="Direct").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Pace")).to_have_value("1")
    slide(dialog.get_by_label("Pace"), "0.9")
    dialog.get_by_label("Lasts exactly, seconds").fill("30")
    dialog.get_by_role("button", name="Speak it so").click()
    expect(page.locator("#notices")).to_contain_text("% as long")
    expect(passage).to_have_attribute("data-state", "ready")
    passage.get_by_role("button", name="Direct").click()
    expect(dialog.get_by_label("Lasts exactly, seconds")).to_have_value("30")
    dialog.get_by_role("button", name="As its role").click()
    expect(passage).to_have_attribute("data-state", "done")
    with stage.begin() as session:
        assert session.get_one(Segment, segment).direction is None
