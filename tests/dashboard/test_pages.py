"""The pages say what is, in both languages, and repeat what manuscripts say only as text."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.mofile import read_mo
from builders import chapter, project, worker
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.pages import figures
from dashboard.translations import catalogue
from farm import chapters, projects, users
from farm.db import Begin, beginner
from farm.messages import Message
from farm.tables import Segment

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def browser(app: Flask, begin: Begin) -> FlaskClient:
    """Somebody who is signed in."""
    with begin() as session:
        token = users.sign_in_token(session, users.owner(session))
    client = app.test_client()
    page = client.get(f"/sign-in/{token}").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    client.post(f"/sign-in/{token}", data={"csrf_token": found[1]})
    return client


def test_an_empty_farm_says_the_next_step(browser: FlaskClient) -> None:
    page = browser.get("/").text
    assert "three steps" in page
    assert 'href="/projects/new"' in page
    assert "Start one." in page  # a worker: the farm's word is “in trouble”


def test_each_state_has_its_page(browser: FlaskClient, begin: Begin) -> None:
    says = {
        "draft": "Read again",
        "importing": "Reading the manuscript",
        "review": 'id="start"',
        "running": "Pause",
        "paused": "Resume",
        "finished": "Downloads",
        "cancelled": "Resume",
    }
    for state, words in says.items():
        with begin() as session:
            made = project(session, title=f"A {state} book", state=state)
            made.failure = Message("The take is silent.").to_json() if state == "draft" else None
            chapter(session, made, ["a", "b"])
        page = browser.get(f"/projects/{made.id}")
        assert page.status_code == 200
        assert words in page.text, state
    listed = browser.get("/").text
    assert all(f"A {state} book" in listed for state in says)


def test_the_strip_is_as_wide_as_the_chapters_are_long(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session)
        short = chapter(session, book, ["a"])
        chapter(session, book, ["b", "c", "d"], position=1)
        worker(session)
        short.state, short.seconds = "done", 30.0
    page = browser.get("/").text
    widths = [float(width) for width in re.findall(r"--w:([\d.]+)", page)]
    assert widths[0] == 30
    assert 5 < widths[1] < 10  # three short sentences, not spoken yet
    assert re.search(r'aria-label="A book: \d+ % done', page)


def test_a_projects_history_is_told(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session)
        projects.pause(session, book.id)
    page = browser.get(f"/projects/{book.id}").text
    history = page[page.index('class="history"') :]
    assert "paused" in history[: history.index("</ol>")]


def test_a_long_list_is_paged(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        for at in range(52):
            project(session, title=f"Book {at}", state="review")
    first = browser.get("/").text
    assert first.count("data-project=") == 50
    older = re.search(r'href="(/\?after=\d+)"', first)
    assert older
    rest = browser.get(older[1]).text
    assert rest.count("data-project=") == 2
    assert "after=" not in rest.split("<main")[1]


def test_a_failed_segment_shows_why_and_how_to_go_on(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session)
        part = chapter(session, book, ["a", "b"])
        failed = chapters.segments(session, part.id)[0]
        failed.state, failed.failure = "failed", Message("The take is silent.").to_json()
        session.flush()
        chapters.recount(session, [part.id])
    for path in (f"/projects/{book.id}", f"/chapters/{part.id}"):
        page = browser.get(path).text
        assert "The take is silent." in page
        assert f"POST /api/v1/segments/{failed.id}/retry" in page


def test_a_chapter_of_many_segments_is_paged(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        part = chapter(session, project(session), [f"k{at}" for at in range(chapters.PAGE + 5)])
    first = browser.get(f"/chapters/{part.id}").text
    assert first.count('data-part="s') == chapters.PAGE
    following = re.search(r'data-more href="([^"]+)"', first)
    assert following
    rest = browser.get(following[1]).text
    assert rest.count('data-part="s') == 5
    assert "data-more" not in rest


@pytest.mark.parametrize("state", ["draft", "importing", "review", "running", "finished"])
def test_what_a_manuscript_says_is_text_everywhere(browser: FlaskClient, begin: Begin, state: str) -> None:
    with begin() as session:
        book = project(session, title=HOSTILE, state=state)
        book.author = book.narrator = book.description = book.lexicon = HOSTILE
        book.failure = Message("{name} is empty. Choose a file with text in it.", {"name": HOSTILE}).to_json()
        oddity = Message("“{title}” has {n} characters.", {"title": HOSTILE, "n": 3}).to_json()
        removed = {"reason": Message("Footnotes").to_json(), "characters": 3, "sample": HOSTILE}
        guess = {"name": "gb18030", "replaced": 1, "sample": HOSTILE}
        book.reading = {"characters": 9, "oddities": [oddity], "removed": [removed], "encoding": guess}
        part = chapter(session, book, ["a", "b"])
        part.title = part.volume = HOSTILE
        for segment in session.query(Segment):
            segment.display, segment.state, segment.role = HOSTILE, "failed", HOSTILE
            segment.failure = Message("{reason}", {"reason": HOSTILE}).to_json()
    for path in ("/", f"/projects/{book.id}", f"/chapters/{part.id}"):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


def test_no_page_runs_inline_scripts_or_strangers_files(browser: FlaskClient) -> None:
    answer = browser.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|https?://(?!www\.w3\.org)", answer.text)


def test_the_language_is_the_persons_else_the_farms_else_the_browsers(
    app: Flask, have: Belongings, browser: FlaskClient
) -> None:
    ask = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
    assert "新项目" in browser.get("/", headers=ask).text
    assert 'lang="zh-Hans"' in browser.get("/", headers=ask).text
    assert "New project" in browser.get("/").text
    browser.set_cookie("language", "en")
    assert "New project" in browser.get("/", headers=ask).text
    browser.set_cookie("language", "klingon")
    assert "New project" in browser.get("/").text
    ours = create_app(replace(have, settings=replace(have.settings, language="zh"))).test_client()
    assert "登录" in ours.get("/sign-in").text


def test_the_theme_is_in_the_page_before_it_is_drawn(browser: FlaskClient) -> None:
    assert "data-theme" not in browser.get("/").text.split("<body")[0]
    browser.set_cookie("theme", "dark")
    assert '<html lang="en" data-theme="dark">' in browser.get("/").text
    browser.set_cookie("theme", '"><script>')
    assert "data-theme" not in browser.get("/").text.split("<body")[0]


def test_what_is_missing_is_a_page_in_the_house_style(browser: FlaskClient) -> None:
    for path in ("/projects/99", "/chapters/99", "/nowhere", "/projects/99999999999999999999"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "Go to the projects" in answer.text


def test_a_database_that_is_away_is_said_in_a_sentence(
    app: Flask, browser: FlaskClient, have: Belongings
) -> None:
    gone = beginner("postgresql+psycopg://nobody@127.0.0.1:1/none")
    app.extensions["voicefarm"] = replace(have, begin=gone)
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text


def test_every_sentence_has_its_chinese_and_keeps_its_values() -> None:
    translated = {catalogue.key(message): message for message in catalogue.translated()}
    for message in catalogue.collected():
        if not message.id:
            continue
        known = translated.get(catalogue.key(message))
        assert known, f"run python -m dashboard.translations.catalogue, then translate: {message.id}"
        assert known.string, f"translate in messages.po: {message.id}"
        chinese = known.string if isinstance(known.string, str) else known.string[0]
        assert values(chinese) == values(catalogue.key(message)), chinese


def values(sentence: str) -> set[str]:
    """The {names} and %(names)s of a sentence."""
    named = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
    return named | set(re.findall(r"%\((\w+)\)s", sentence))


def test_what_is_shown_is_what_was_translated() -> None:
    with catalogue.PO.with_suffix(".mo").open("rb") as file:
        compiled = {catalogue.key(message): message.string for message in read_mo(file) if message.id}
    for message in catalogue.translated():
        if message.id and message.string:
            assert list(compiled[catalogue.key(message)]) == list(message.string)


@pytest.mark.parametrize(
    ("seconds", "clock", "roughly"),
    [(4.2, "4.2 s", "4 s"), (62, "1:02", "1 min"), (3723, "1:02:03", "1 h"), (7800, "2:10:00", "2 h 10 min"),
     (59_000, "16:23:20", "16 h"), (3599, "59:59", "1 h")],
)  # fmt: skip
def test_lengths_are_written_as_people_read_them(
    app: Flask, seconds: float, clock: str, roughly: str
) -> None:
    with app.test_request_context():
        assert figures.clock(seconds) == clock
        assert figures.roughly(seconds) == roughly


def test_what_is_not_finished_is_never_100_percent() -> None:
    assert figures.percent(0.9999) == "99 %"
    assert figures.percent(1.0) == "100 %"


def test_no_script_or_style_outgrows_its_page() -> None:
    static = Path(figures.__file__).parents[1] / "static"
    lengths = {path.name: len(path.read_text().splitlines()) for path in static.glob("*.*s")}
    assert lengths.pop("style.css") < 700
    assert max(lengths.values()) < 200, lengths


def test_a_review_offers_the_classes_with_what_they_change(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session, state="review")
        chapter(session, book, ["a", "b"])
        worker(session, "small", "12g", speed=5.0)
        worker(session, "big", "24g", speed=30.0)
    page = browser.get(f"/projects/{book.id}").text
    assert "Without them: segments of up to 130 characters, done in" in page
    assert "Without them: segments of up to 100 characters, done in" in page
    assert 'name="12g" checked' in page


def test_a_project_shows_its_limits_its_deadline_and_that_it_was_cut_shorter(
    browser: FlaskClient, begin: Begin
) -> None:
    with begin() as session:
        book = project(session)
        chapter(session, book, ["a", "b"])
        book.tags, book.most_workers = ["night"], 3
        book.shortened = Message("Shorter: {n}.", {"n": 100}).to_json()
        book.deadline = session.scalars(select(func.now() + timedelta(hours=5))).one()
    page = browser.get(f"/projects/{book.id}").text
    assert "Shorter: 100." in page
    assert 'value="night"' in page
    assert f'data-moment="{book.deadline.isoformat()}"' in page
    assert "Needs a worker with the simulated engine; you have none." in page


def test_the_header_says_why_the_farm_is_in_trouble(browser: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        chapter(session, project(session, title="One"), ["a"])
        chapter(session, project(session, title="Two"), ["b"])
        worker(session).engine = "another"
    header = browser.get("/").text.split("</header>")[0]
    assert "in trouble" in header
    for title in ("One", "Two"):
        assert f"{title}: Needs a worker with the simulated engine" in header
