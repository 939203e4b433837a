"""What people do in the dashboard between upload and download."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import scenes
from playwright.sync_api import Page, expect
from visits import LAPTOP, PHONE, Look, Scenes, sign_in

from farm import chapters, states
from farm.tables import Chapter, Project

pytestmark = pytest.mark.slow


def test_a_sign_in_link_works_once(open_page: Callable[..., Page], stage: Scenes, errors: list[str]) -> None:
    link = stage.link
    sign_in(open_page(), link)
    late = open_page()
    late.goto(link)
    with late.expect_response("**/sign-in/**") as refused:
        late.get_by_role("main").get_by_role("button").click()
    assert refused.value.status == 403
    expect(late.get_by_role("alert")).to_contain_text("was used or has expired")
    assert "403" in errors.pop()


def test_no_page_scrolls_sideways_on_a_phone(look: Look, stage: Scenes) -> None:
    page = look(size=PHONE, is_mobile=True, has_touch=True)
    projects = [f"/projects/{stage.ids[name]}" for name in scenes.NAMES]
    parts = [f"/chapters/{stage.ids[name]}" for name in ("chapter", "held")]
    for path in ["/", "/projects/new", "/account", *projects, *parts]:
        page.goto(stage.address + path)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0, path


def test_the_language_is_switched_and_kept(look: Look) -> None:
    page = look()
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("link", name="新项目")).to_be_visible()
    page.get_by_role("link", name="新项目").click()
    expect(page.get_by_role("heading", name="新项目")).to_be_visible()
    page.wait_for_load_state()  # Chromium drops a click on a page that it has not painted yet
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="New project")).to_be_visible()


def test_a_new_project_is_spoken_by_the_engine_that_was_chosen(look: Look, tmp_path: Path) -> None:
    page = look("/projects/new")
    expect(page.get_by_role("radio", name="Preview")).to_be_checked()
    engine = page.get_by_role("radio", name="IndexTTS-2")
    expect(page.locator("label").filter(has=engine)).to_contain_text("No worker has it yet.")
    engine.check()
    text = tmp_path / "雨.txt"
    text.write_text("雨下了一整夜。")
    page.locator("input[type=file]").set_input_files(text)
    page.wait_for_url(re.compile(r"/projects/\d+$"))
    made = page.request.get(page.url.replace("/projects/", "/api/v1/projects/"))
    assert made.json()["engine"] == "indextts2"


def test_light_and_dark_follow_the_device_until_a_person_chooses(look: Look) -> None:
    page = look(color_scheme="dark")
    assert background(page) == "rgb(22, 21, 19)"
    page.get_by_role("button", name="Light or dark").click()
    assert background(page) == "rgb(250, 248, 244)"
    page.reload()
    assert background(page) == "rgb(250, 248, 244)"


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_hostile_title_is_only_text(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['hostile']}")
    expect(page.get_by_label("Title", exact=True)).to_have_value(scenes.HOSTILE)
    expect(page).to_have_title(f"{scenes.HOSTILE} · Voicefarm")
    page.goto(stage.address)
    expect(page.get_by_text(scenes.HOSTILE).first).to_be_visible()


def test_a_failed_passage_says_why_and_is_tried_again(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['running']}")
    failures = page.locator(".held li")
    expect(failures).to_have_count(2)
    expect(failures.first).to_contain_text("The take is silent.")
    failures.first.get_by_role("button", name="Try again").click()
    expect(failures).to_have_count(1)
    page.goto(f"{stage.address}/chapters/{stage.ids['held']}")
    last = page.locator(".segments li[data-state=failed]")
    last.click()
    page.keyboard.press("r")
    expect(last).to_have_count(0)


def test_passages_are_walked_heard_and_searched_by_keyboard(look: Look, stage: Scenes) -> None:
    page = look(f"/chapters/{stage.ids['chapter']}")
    current = page.locator(".segments [aria-current]")
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(current).to_have_id(row(page, place))
    page.keyboard.press(" ")
    expect(page.locator("[data-heard]")).to_have_id(row(page, 1))
    expect(page.locator("#player")).to_have_attribute("data-playing", "")
    page.keyboard.press(" ")
    expect(page.locator("#player")).not_to_have_attribute("data-playing", "")
    page.keyboard.press("/")
    page.keyboard.type("贾雨村")
    expect(page.locator(".segments li:visible")).not_to_have_count(page.locator(".segments li").count())
    expect(page.locator("mark").first).to_have_text("贾雨村")
    page.keyboard.press("Escape")
    expect(current).to_be_focused()


def row(page: Page, place: int) -> str:
    return page.locator(".segments li").nth(place).get_attribute("id") or ""


def test_what_is_heard_goes_on_when_a_link_is_followed(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['finished']}")
    page.get_by_role("button", name=re.compile("^Play ")).first.click()
    expect(page.locator("[data-player=at]")).to_have_text(re.compile("0:0[1-9]"))
    page.get_by_role("link", name="Projects").click()
    expect(page.locator("#player")).to_have_attribute("data-playing", "")
    expect(page.locator("[data-player=at]")).to_have_text(re.compile("0:0[2-9]"))


def test_figures_move_without_loading_the_page_again(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['paused']}")
    page.evaluate("window.same = true")
    share = page.locator("[data-live=share]")
    expect(share).to_have_text("0 %")
    with page.expect_request("**/stream?project=*"):
        pass
    speak_a_chapter(stage, "paused")
    expect(share).not_to_have_text("0 %")
    assert page.evaluate("window.same") is True


def test_figures_move_when_streams_are_refused(look: Look, stage: Scenes, errors: list[str]) -> None:
    page = look()
    page.route(
        "**/api/v1/stream*", lambda route: route.fulfill(status=200, content_type="text/plain", body="no")
    )
    page.goto(f"{stage.address}/projects/{stage.ids['paused']}")
    share = page.locator("[data-live=share]")
    before = share.inner_text()
    speak_a_chapter(stage, "paused")
    expect(share).not_to_have_text(before)
    assert "EventSource" in errors.pop()


def speak_a_chapter(stage: Scenes, name: str) -> None:
    """One more chapter of a project is spoken, somewhere else."""
    with stage.begin() as session:
        project = session.get_one(Project, stage.ids[name])
        waiting = [part for part in scenes.ticked(session, project) if part.state == "draft"]
        chapter = max(waiting, key=lambda part: part.characters)
        chapter = session.get_one(Chapter, chapter.id)
        for segment in scenes.plan(session, project, chapter):
            segment.state = "done"
        session.flush()
        chapters.recount(session, [chapter.id])
        states.changed(session, project.id)


def test_a_project_is_paused_and_resumed(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['running']}")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused. Press resume to go on")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_review_is_kept_as_it_is_written(look: Look, stage: Scenes) -> None:
    page = look(f"/projects/{stage.ids['review']}")
    write(page, "Author", "曹雪芹 著")
    write(page, "Title of chapter 2", "第二回")
    with page.expect_response("**/api/v1/projects/*") as cast:
        page.get_by_label("Dialogue").select_option("woman")
    assert cast.value.ok
    before = page.locator("[data-audio]").inner_text()
    with page.expect_response("**/chapters"):
        page.locator(".chapters [type=checkbox]").nth(3).uncheck()
    expect(page.locator("[data-audio]")).not_to_have_text(before)
    page.reload()
    expect(page.get_by_label("Author")).to_have_value("曹雪芹 著")
    expect(page.get_by_label("Title of chapter 2")).to_have_value("第二回")
    expect(page.get_by_label("Dialogue")).to_have_value("woman")
    expect(page.locator(".chapters [type=checkbox]").nth(3)).not_to_be_checked()


def write(page: Page, label: str, words: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(words)
    with page.expect_response("**/api/v1/**") as saved:
        field.press("Tab")
    assert saved.value.ok


def test_everything_on_a_page_is_reached_by_tab_with_a_name(look: Look, stage: Scenes) -> None:
    for path in ("/", f"/projects/{stage.ids['running']}", f"/projects/{stage.ids['epub']}"):
        page = look(path, LAPTOP)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input, select, summary, textarea")]
              .filter((it) => it.checkVisibility() && it.tabIndex >= 0)
              .filter((it) => !(it.ariaLabel || it.textContent.trim() || it.labels?.[0]?.textContent.trim()))
              .map((it) => it.outerHTML)"""
        )
        assert nameless == []
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_a_passage_is_rendered_again_by_a_key_and_its_take_is_heard_meanwhile(
    look: Look, stage: Scenes
) -> None:
    page = look(f"/chapters/{stage.ids['chapter']}")
    second = page.locator(".segments li").nth(1)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(second).to_have_attribute("data-state", "done")
    page.keyboard.press("r")
    expect(second).to_have_attribute("data-state", "ready")
    expect(second).to_contain_text("waiting")
    with page.expect_response("**/segments/*/audio?*") as heard:
        page.keyboard.press(" ")
    assert heard.value.ok
    expect(second).to_have_attribute("data-heard", "")
    expect(page.locator("#player")).to_have_attribute("data-playing", "")


def test_a_chapter_is_rendered_again_once_that_is_confirmed(look: Look, stage: Scenes) -> None:
    page = look(f"/chapters/{stage.ids['chapter']}")
    done = page.locator(".segments li[data-state=done]")
    page.get_by_role("button", name="Render again …").click()
    page.get_by_role("button", name="Keep it").click()
    expect(done).not_to_have_count(0)
    page.get_by_role("button", name="Render again …").click()
    page.get_by_role("dialog").get_by_role("button", name="Render again").click()
    expect(done).to_have_count(0)
    expect(page.locator(".segments .play:enabled")).to_have_count(page.locator(".segments li").count())
