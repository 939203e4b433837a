"""From a file to a book, in a real browser, through a whole farm."""

import base64
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from farms import Farm
from playwright.sync_api import Locator, Page, expect
from visits import address_of, link, sign_in

from farm.audio.probe import probe

pytestmark = pytest.mark.slow

A_BOOK_MS = 60_000  # for three short chapters, with the preview engine
NUMBERS = "一二三四五六七八九十"
CHINESE = [f"第{number}回" for number in [*NUMBERS, "十一", "十二"]]


@pytest.fixture
def visit(open_page: Callable[..., Page], whole_farm: Farm) -> Callable[..., Page]:
    """A new project's page on a farm that works."""

    def visited(locale: str) -> Page:
        page = open_page(locale=locale, accept_downloads=True)
        address = address_of(whole_farm)
        sign_in(page, link(whole_farm.begin, address))
        page.goto(f"{address}/projects/new")
        return page

    return visited


def test_a_book_is_uploaded_reviewed_spoken_heard_and_downloaded(
    visit: Callable[..., Page], data: Path, tmp_path: Path
) -> None:
    page = visit("en-GB")
    page.locator("input[type=file]").set_input_files(data / "moby-dick.epub")
    expect(page.get_by_label("Title", exact=True)).to_have_value("Moby-Dick", timeout=A_BOOK_MS)
    expect(page.get_by_label("Author")).to_have_value("Herman Melville")
    ticked = tick_the_shortest(page, 3)
    page.get_by_role("button", name="Start").click()
    shares = watch(page)
    assert len(shares) > 1, "the figures moved while the page stayed"
    expect(page.locator(".strip [data-state=done]")).to_have_count(3)
    hear(page)
    saved = save(page.locator(".releases .save").first, tmp_path / "book.m4b")
    assert [chapter.title for chapter in probe(saved).chapters] == ticked
    assert probe(one_mp3(page, tmp_path)).codec.startswith("mp3")


def tick_the_shortest(page: Page, n: int) -> list[str]:
    """Tick `n` short chapters; their titles in the book's order."""
    page.get_by_role("button", name="Tick none").click()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    rows = page.locator(".chapters li[data-id]")
    lengths = [float(rows.nth(at).get_attribute("data-seconds") or 0) for at in range(rows.count())]
    chosen = sorted(sorted(range(len(lengths)), key=lengths.__getitem__)[2 : n + 2])
    for at in chosen:
        with page.expect_response("**/chapters") as told:
            rows.nth(at).get_by_role("checkbox").check()
        assert told.value.ok
    return [rows.nth(at).locator(".rename").input_value() for at in chosen]


def watch(page: Page) -> set[str]:
    """Every share that the page showed until the book was finished, without being loaded again."""
    pause = page.get_by_role("button", name="Pause")
    expect(pause.or_(page.locator(".releases .save").first)).to_be_visible()
    page.evaluate(
        """() => {
          window.seen = new Set();
          const look = () => document.querySelectorAll(".share, .chapters [data-state]")
            .forEach((it) => window.seen.add(it.dataset.state ?? it.textContent));
          const changes = {subtree: true, childList: true, attributes: true};
          new MutationObserver(look).observe(document.body, changes);
          look();
        }"""
    )
    expect(page.locator(".releases .save").first).to_be_visible(timeout=A_BOOK_MS)
    return set(page.evaluate("[...window.seen]"))


def hear(page: Page) -> None:
    """Play the first chapter; the file comes in ranges."""
    with page.expect_response(re.compile(r"/files/m4a\?of=")) as asked:
        page.locator(".chapters .play").first.click()
    assert asked.value.status == 206
    expect(page.locator("[data-player=at]")).not_to_have_text("0:00")
    expect(page.locator("#player")).to_have_attribute("data-playing", "")


def save(file: Locator, where: Path) -> Path:
    with file.page.expect_download() as saving:
        file.click()
    saving.value.save_as(where)
    return where


def one_mp3(page: Page, folder: Path) -> Path:
    """Ask for the first chapter's MP3; it is there as soon as it is made, in the menu that stays open."""
    page.locator(".chapters .menu summary").first.click()
    page.get_by_role("button", name="Make an MP3").click()
    made = page.get_by_role("link", name="MP3", exact=True)
    expect(made).to_be_visible(timeout=A_BOOK_MS)
    return save(made, folder / "chapter.mp3")


def test_a_chinese_text_is_dropped_and_its_encoding_and_chapters_are_found(
    visit: Callable[..., Page], data: Path
) -> None:
    page = visit("zh-CN")
    drop(page, data / "hongloumeng-1-12.gb18030.txt")
    titles = page.locator(".chapters .rename")
    expect(titles).to_have_count(12, timeout=A_BOOK_MS)
    found = [titles.nth(at).input_value() for at in range(12)]
    assert [title.split()[0] for title in found] == CHINESE
    assert found[0] == "第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀"
    expect(page.get_by_role("heading", name="编码：gb18030")).to_be_visible()
    expect(page.get_by_text("每个字符都能识别。")).to_be_visible()
    page.get_by_label("编码").select_option("big5hkscs")
    page.get_by_role("button", name="重新读取").click()
    expect(
        page.get_by_text("按 big5hkscs 读取").or_(page.get_by_role("heading", name="编码：big5hkscs"))
    ).to_be_visible()
    page.get_by_role("button", name="删除…").click()
    page.get_by_role("dialog").get_by_role("button", name="删除").click()
    page.wait_for_url("**/")
    expect(page.get_by_text("红楼梦")).to_have_count(0)


def drop(page: Page, file: Path) -> None:
    """Drop a file on the page, as from the desktop."""
    content = base64.b64encode(file.read_bytes()).decode()
    page.locator("#drop").evaluate(
        """(target, [name, content]) => {
          const dropped = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          dropped.items.add(new File([bytes], name));
          const how = {dataTransfer: dropped, bubbles: true, cancelable: true};
          target.dispatchEvent(new DragEvent("drop", how));
        }""",
        [file.name, content],
    )


def test_a_file_that_is_no_book_is_refused_with_the_remedy(
    visit: Callable[..., Page], tmp_path: Path
) -> None:
    picture = tmp_path / "cover.txt"
    picture.write_bytes(bytes(range(256)) * 64)
    page = visit("en-GB")
    page.locator("input[type=file]").set_input_files(picture)
    expect(page.get_by_text("cover.txt is not text")).to_be_visible(timeout=A_BOOK_MS)
    expect(page.get_by_role("button", name="Read again")).to_be_visible()


def test_three_chinese_chapters_become_a_book(visit: Callable[..., Page], data: Path, tmp_path: Path) -> None:
    page = visit("en-GB")
    page.locator("input[type=file]").set_input_files(data / "hongloumeng-1-12.gb18030.txt")
    expect(page.locator(".chapters .rename")).to_have_count(12, timeout=A_BOOK_MS)
    ticked = tick_the_shortest(page, 3)
    page.get_by_role("button", name="Start").click()
    watch(page)
    saved = save(page.locator(".releases .save").first, tmp_path / "book.m4b")
    assert [chapter.title for chapter in probe(saved).chapters] == ticked


def test_a_course_of_two_lessons_is_saved_as_a_zip(visit: Callable[..., Page], tmp_path: Path) -> None:
    lessons = {"第2讲 平方.txt": "三的平方是九。", "第10讲 立方.txt": "二的立方是八。"}
    for name, words in lessons.items():
        (tmp_path / name).write_text(words)
    page = visit("en-GB")
    page.get_by_text("Course").click()
    page.locator("input[type=file]").set_input_files([tmp_path / name for name in lessons])
    expect(page.locator(".chapters .rename")).to_have_count(2, timeout=A_BOOK_MS)
    page.get_by_role("button", name="Start").click()
    watch(page)
    saved = save(page.locator(".releases .save").first, tmp_path / "course.zip")
    names = zipfile.ZipFile(saved).namelist()
    assert [Path(name).suffix for name in names] == [".mp3", ".srt", ".vtt"] * 2
    assert "平方" in names[0]
    assert "三的平方是九。" in zipfile.ZipFile(saved).read(names[1]).decode()
