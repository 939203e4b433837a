"""A person makes a voice of a recording, in a real browser, and a whole farm speaks with it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from farms import Farm, farm_up
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select
from visits import PHONE, Look, Scenes, address_of, link, sign_in

from farm.audio.probe import probe
from farm.tables import Project, Recording, Take
from tests import voicing

pytestmark = pytest.mark.slow

A_TEXT = "第一章 雨\n\n雨停了。他沿着河慢慢往回走，桥头的灯还亮着。\n\n第二章 灯\n\n没有一个人说话。\n"
SPOKEN_MS = 60_000


@pytest.fixture(scope="module")
def cloning_farm() -> Iterator[Farm]:
    """A farm whose engine speaks with recordings."""
    with TemporaryDirectory(prefix="voicefarm-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with farm_up(Path(folder) / "home", FARM_ENGINE="simulated:speed=500") as farm:
            yield farm


def add(page: Page, file: Path, name: str) -> Locator:
    """Send a file; its card."""
    page.get_by_role("link", name="Voices").click()
    expect(page.get_by_role("button", name="Record")).to_be_visible()  # the scripts run
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator("[data-chosen]")).to_have_text(file.name)
    page.locator("#voice [name=name]").fill(name)
    page.get_by_role("button", name="Add the voice").click()
    card = page.locator(".voices > li").filter(has=page.locator(f"input[value='{name}']"))
    expect(card).to_be_visible()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    return card


def agree(card: Locator) -> None:
    card.get_by_role("checkbox", name=re.compile("allowed me")).check()
    expect(card.get_by_text("said on")).to_be_visible()


def test_a_recording_is_sent_looked_at_agreed_to_cast_and_spoken_with(
    open_page: Callable[..., Page], cloning_farm: Farm, data: Path, tmp_path: Path
) -> None:
    page = open_page()
    sign_in(page, link(cloning_farm.begin, address_of(cloning_farm)))
    card = add(page, data / "indextts2" / "spk_24k.wav", "Grandmother")
    expect(card.locator(".grade")).to_have_text("poor")
    expect(card).to_contain_text("It lasts 2.3 s; from 6 to 15 s hold a voice best.")
    expect(card).to_contain_text("Until somebody says so, no role can be cast with it.")
    agree(card)
    text = tmp_path / "雨.txt"
    text.write_text(A_TEXT)
    page.goto(f"{address_of(cloning_farm)}/projects/new")
    page.locator("input[type=file]").set_input_files(text)
    expect(page.locator("[data-count]")).to_have_text("2 of 2")  # the scripts run
    narrator = page.locator("select[name=narrator]")
    with page.expect_response("**/api/v1/projects/*") as cast:
        narrator.select_option(label="Grandmother")
    assert cast.value.ok
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".strip [data-state=done]")).to_have_count(2, timeout=SPOKEN_MS)
    with cloning_farm.begin() as session:
        voice = session.scalars(select(Recording.voice)).one()
        assert session.scalars(select(Project)).one().cast["narrator"] == {"recording": voice}
        assert session.scalars(select(Take)).first() is not None
    page.get_by_role("link", name="Voices").click()
    expect(card).to_contain_text("Speaks in 雨")
    assert list((cloning_farm.home / "voices" / "local").glob("*.wav"))


def test_a_card_is_prepared_heard_renamed_removed_and_brought_back(
    look: Look, stage: Scenes, data: Path
) -> None:
    page = look("/voices")
    card = add(page, data / "indextts2" / "emo_44k.wav", "Bob")
    before = card.locator(".measures").inner_text()
    with page.expect_response("**/prepare"):
        card.get_by_role("checkbox", name="Denoise").check()
    expect(card.locator(".measures")).not_to_have_text(before)
    with page.expect_response("**/audio?of=*") as heard:
        card.get_by_role("button", name=re.compile("As engines hear it")).click()
    assert heard.value.ok
    expect(page.locator("#player")).to_be_visible()
    card.get_by_label("Name of the voice").fill("Robert")
    with page.expect_response("**/api/v1/voices/*") as named:
        card.get_by_label("Name of the voice").press("Tab")
    assert named.value.ok
    page.reload()
    card = page.locator(".voices > li").filter(has=page.locator("input[value='Robert']"))
    expect(card.get_by_role("checkbox", name="Denoise")).to_be_checked()
    card.locator("summary").click()
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)
    page.get_by_text("1 removed recording").click()
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator("input[value='Robert']")).to_be_visible()


def test_what_a_microphone_hears_becomes_a_voice(look: Look) -> None:
    page = look("/voices", permissions=["microphone"])
    page.get_by_role("button", name="Record").click()
    expect(page.locator(".level")).to_have_attribute("style", re.compile(r"--share: ?(0\.[3-9]|1)"))
    expect(page.locator("[data-left]")).to_have_text("12 s")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".recorder audio")).to_be_visible()
    expect(page.locator("[data-chosen]")).to_have_text(re.compile(r"recording-.*\.webm"))
    page.locator("#voice [name=name]").fill("Microphone")
    page.get_by_role("checkbox", name=re.compile("allowed me")).last.check()
    page.get_by_role("button", name="Add the voice").click()
    card = page.locator(".voices > li").filter(has=page.locator("input[value='Microphone']"))
    expect(card).to_contain_text("said on")


def test_a_microphone_that_is_refused_is_said_so(look: Look) -> None:
    page = look("/voices", permissions=[])
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')); }")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("[data-hint]")).to_contain_text("does not let this page hear the microphone")


def test_the_voices_page_fits_a_phone(look: Look) -> None:
    page = look("/voices", PHONE, is_mobile=True, has_touch=True)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0


def test_a_sentence_is_heard_with_a_voice_before_a_book_is(
    open_page: Callable[..., Page], cloning_farm: Farm, tmp_path: Path
) -> None:
    page = open_page()
    sign_in(page, link(cloning_farm.begin, address_of(cloning_farm)))
    (tmp_path / "aunt.wav").write_bytes(voicing.file().getvalue())
    card = add(page, tmp_path / "aunt.wav", "Aunt")
    agree(card)
    card.get_by_label("A sentence to hear").fill("The rain was over.")
    with page.expect_response("**/sample/audio?*", timeout=SPOKEN_MS) as heard:
        card.get_by_role("button", name="Speak it").click()
    assert heard.value.ok
    expect(page.locator("[data-player=book]")).to_have_text("The rain was over.")
    page.get_by_role("link", name="Projects").click()
    expect(page.get_by_text("Aunt", exact=True)).to_have_count(0)
    cloning_farm.run("voices", "say", "Aunt", "And the rain began again.", "-o", str(tmp_path / "said.m4a"))
    assert probe(tmp_path / "said.m4a").duration_s > 1
