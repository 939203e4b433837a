"""The pages about workers say what is, lead to the first one, and repeat what machines say only as text."""

import re
from dataclasses import replace
from typing import Any

import crews
import pytest
from builders import chapter, project
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from dashboard.pages.weeks import week
from dashboard.pages.workers import is_alone
from farm.db import Begin
from farm.engine import OFFERED
from farm.tables import Mishap, Segment, Take, Worker

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"


def test_a_farm_without_workers_leads_to_the_first(script: FlaskClient) -> None:
    page = script.get("/workers").text
    assert "Adding one is one line" in page
    assert 'href="/workers/new"' in page
    form = script.get("/workers/new").text
    assert 'name="name" value="worker-1"' in form
    assert re.findall(r'<option value="(\w+)"[^>]*>\1<', form.split("gpu_class")[0]) == sorted(OFFERED)


def test_each_worker_has_a_card_with_its_word_speed_and_place(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        project(session, title="红楼梦")
        crews.everyone(session)
    page = script.get("/workers").text
    assert re.findall(r'data-item="w\d+" data-word="(\w+)"', page)[:3] == ["error", "held", "waiting"]
    for said in ("5.6×", "measured 5.9×", "5.6 of 12 GB", "71 °C", "164 W", "studio", "192.168.1.", "红楼梦"):
        assert said in page, said
    assert "Its time: language model 41 % · mel 39 % · vocoder 16 % · latents 4 %" in page
    assert "13 workers" in page
    assert "5 working" in page
    assert "3 need you" in page
    assert "Mon–Fri 22:00–07:00, Sat–Sun 00:00–24:00 (Europe/Berlin)" in page
    assert "older than the farm" in page
    assert "Measuring: 4 of 12" in page


def test_what_a_worker_spoke_last_can_be_heard(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        part = chapter(session, project(session), ["a"])
        (spoken,) = session.query(Segment).filter_by(chapter_id=part.id)
        spoken.state = "done"
        session.add(Take(key="a", object="takes/a", size=1, seconds=1.0, seed=0))
        segment_id = spoken.id
        crews.worker(session, "w", "ready", "12g", {}, last_take="a")
    assert f'data-play="/api/v1/segments/{segment_id}/audio"' in script.get("/workers").text


def test_a_workers_own_page_has_its_failures_and_its_settings(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        made = project(session, title="A kept book")
        ids = crews.everyone(session)
    page = script.get(f"/workers/{ids['mumbling']}").text
    assert page.count("The take is silent.") >= 5
    assert 'name="tags"' in page
    assert f'name="projects" value="{made.id}"' in page
    assert "A kept book" in script.get(f"/workers/{ids['broken-fan']}").text
    assert script.get("/workers/999").status_code == 404


def test_what_machines_say_is_only_text(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session, title=HOSTILE)
        worker = crews.worker(
            session, "w", "ready", "12g", {"gpu": HOSTILE, "step": HOSTILE, "host": HOSTILE}
        )
        session.query(Worker).update({"tags": [HOSTILE], "engine": HOSTILE, "version": HOSTILE})
        mishap = {"display": HOSTILE, "kind": HOSTILE, "reason": HOSTILE}
        session.add(Mishap(worker_id=worker, project_id=book.id, segment_id=1, **mishap))
    for path in ("/workers", f"/workers/{worker}", "/workers/new", f"/projects/{book.id}"):
        page = script.get(path).text
        assert "<script>alert" not in page
        assert "onerror=alert(2)>" not in page.replace("onerror=alert(2)&gt;", "")
    awaited = script.get("/workers/new", query_string={"name": HOSTILE, "since": HOSTILE})
    assert awaited.status_code == 200
    assert "<script>alert" not in awaited.text


def test_odd_facts_leave_no_page_broken(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        worker = crews.worker(session, "w", "ready", "12g", {})
        odd = {"vram_total_mib": 0, "vram_used_mib": 5, "utilisation": 1e8, "speed_now": [], "voices": "many"}
        session.query(Worker).update({"facts": odd, "profile": {"batch": "x"}, "benchmark": 0.0})
    for path in ("/workers", f"/workers/{worker}"):
        assert script.get(path).status_code == 200


def test_a_farm_that_only_this_machine_reaches_says_so_with_the_remedy(
    app: Flask, have: Belongings, script: FlaskClient, token: str
) -> None:
    assert "farm up --listen" in script.get("/workers/new").text
    config = replace(have.settings, public_url="https://farm.example")
    assert not is_alone(config)
    open_app = create_app(replace(have, settings=config))
    page = open_app.test_client().get("/workers/new", headers={"Authorization": f"Bearer {token}"}).text
    assert "farm up --listen" not in page
    open_app.extensions[NAME].broadcaster.stop()


def test_who_adds_a_worker_sees_those_that_joined_by_that_line(script: FlaskClient, begin: Begin) -> None:
    made: Any = script.post("/api/v1/join-tokens", json={"name": "attic", "most_uses": 5}).json
    asked = {"name": "attic", "since": made["created_at"]}
    assert "Waiting for the line to be run" in script.get("/workers/new", query_string=asked).text
    with begin() as session:
        crews.worker(session, "attic-2", "enrolled", "12g", {"step": "Checking the disk"})
        crews.worker(session, "another", "ready", "12g", {})
    page = script.get("/workers/new", query_string=asked).text
    assert "attic-2 has joined" in page
    assert "Checking the disk" in page
    assert "another has joined" not in page


def test_the_lines_that_still_work_are_listed(script: FlaskClient) -> None:
    script.post("/api/v1/join-tokens", json={"name": "cloud", "most_uses": 20})
    page = script.get("/workers/new").text
    assert "used 0 of 20" in page
    assert 'data-call="DELETE /api/v1/join-tokens/' in page


def test_a_projects_page_says_who_it_is_kept_from(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        book = project(session)
        chapter(session, book, ["a"])
        ids = crews.everyone(session)
    page = script.get(f"/projects/{book.id}").text
    assert "Three different passages in a row failed here" in page
    assert f'data-call="DELETE /api/v1/projects/{book.id}/blocks/{ids["broken-fan"]}"' in page


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({}, "always"),
        ({"sat": [["00:00", "24:00"]]}, "Sat 00:00–24:00 (UTC)"),
        ({"mon": [["22:00", "07:00"], ["12:00", "13:00"]]}, "Mon 22:00–07:00, 12:00–13:00 (UTC)"),
        (
            {day: [["01:00", "02:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
            "every day 01:00–02:00 (UTC)",
        ),
        (
            {"mon": [["1:00", "2:00"]], "tue": [["1:00", "2:00"]], "thu": [["1:00", "2:00"]]},
            "Mon–Tue 1:00–2:00, Thu 1:00–2:00 (UTC)",
        ),
    ],
)
def test_hours_are_said_as_short_as_can_be(app: Flask, hours: dict[str, Any], words: str) -> None:
    with app.test_request_context():
        assert week({"zone": "UTC", "hours": hours} if hours else {}) == words


def test_the_pages_are_in_chinese_too(script: FlaskClient, begin: Begin) -> None:
    with begin() as session:
        ids = crews.everyone(session)
    for path in ("/workers", f"/workers/{ids['gaming-pc']}", "/workers/new"):
        page = script.get(path, headers={"Accept-Language": "zh-CN"}).text
        assert 'lang="zh-Hans"' in page
        assert "周" in script.get("/workers", headers={"Accept-Language": "zh-CN"}).text
