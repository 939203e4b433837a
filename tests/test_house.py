"""House work on a real database and store: import, plan, master, publish, and what becomes of failures."""

import json
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from farm import chapters, claiming, house, jobs, oneshot, projects, publish, states, takes
from farm.audio.flac import write_flac
from farm.audio.probe import probe
from farm.db import Begin, now
from farm.dispatch import Plan, tick
from farm.engine import Audio
from farm.errors import Conflict
from farm.jobs import Times
from farm.storage import Store
from farm.storage.opening import open_store
from farm.sweep import sweep_orphans
from farm.tables import Chapter, Job, Project, Release, Segment, Take
from farm.up import free_port
from tests import builders

PLAN = Plan(Times(), batch_s=30, house_depth=4)
STORY = "Chapter 1\n\nIt rained. The bridge held.\n\nChapter 2\n\nThe sun came out again over the river.\n"


def work_off(begin: Begin, store: Store) -> None:
    """Do every house job there is, and the jobs these write, as the clock and the house would."""
    while doorbells := ring(begin, "house"):
        for job_id, token in doorbells:
            house.run(begin, store, Times(), job_id, token)


def ring(begin: Begin, queue: str) -> list[tuple[int, str]]:
    rung: list[tuple[str, int, str]] = []
    tick(begin, lambda queue, job, token: rung.append((queue, job, token)), PLAN)
    return [(job, token) for to, job, token in rung if to == queue]


def uploaded(begin: Begin, store: Store, tmp_path: Path, text: str = STORY, kind: str = "book") -> int:
    path = tmp_path / "story.txt"
    path.write_text(text)
    with begin() as session:
        upload = oneshot.put(store, path, oneshot.digest(path))
        return projects.create(session, [upload], kind=kind).id


def speak_everything(begin: Begin, store: Store) -> None:
    """Put a tone in the place of every segment that is ready, as an accepted render would."""
    time = np.arange(33075) / 22050
    tone = Audio((0.2 * np.sin(2 * np.pi * 200 * time)).astype(np.float32), 22050)
    with begin() as session:
        ready = list(session.scalars(select(Segment).where(Segment.state == "ready")))
        for segment in ready:
            name = takes.object_name(segment.take_key or "", 0)
            path = Path(str(store.root)) / name  # type: ignore[attr-defined]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_flac(path, tone)
            size = path.stat().st_size
            if session.get(Take, segment.take_key) is None:
                session.add(Take(key=segment.take_key, object=name, size=size, seconds=1.5, seed=0))
                session.flush()
        touched = {segment.chapter_id for segment in ready}
        chapters.lock(session, touched)
        chapters.add(session, chapters.adopt(session, Segment.chapter_id.in_(touched)), [])


def sleeping_worker(session: Session) -> None:
    """A worker that can speak the project but takes no work now: the tests speak in its place."""
    builders.worker(session, engine="preview").last_seen = func.now() - timedelta(hours=1)
    session.flush()


def started(begin: Begin, store: Store, tmp_path: Path, **changes: object) -> int:
    project_id = uploaded(begin, store, tmp_path)
    work_off(begin, store)
    with begin() as session:
        sleeping_worker(session)
        projects.edit(session, project_id, changes)
        projects.start(session, project_id)
    work_off(begin, store)
    return project_id


def state_of(begin: Begin, project_id: int) -> str:
    with begin() as session:
        return session.get_one(Project, project_id).state


def test_a_text_becomes_a_bound_book_with_its_chapters(begin: Begin, store: Store, tmp_path: Path) -> None:
    project_id = started(begin, store, tmp_path, author="A. Writer", narrator="A. Voice")
    speak_everything(begin, store)
    work_off(begin, store)
    assert state_of(begin, project_id) == "finished"
    with begin() as session:
        releases = {release.format: release for release in publish.of_project(session, project_id)}
    book = tmp_path / "book.m4b"
    store.fetch(releases["m4b"].object, book)
    seen = probe(book)
    assert [mark.title for mark in seen.chapters] == ["Chapter 1", "Chapter 2"]
    assert (seen.tags["artist"], seen.tags["composer"]) == ("A. Writer", "A. Voice")
    report = json.loads(store.read(releases["report"].object, 10**6))
    assert [chapter["segments"] for chapter in report["chapters"]] == [2, 2]
    assert all(-19.5 <= chapter["loudness"]["lufs"] <= -18.5 for chapter in report["chapters"])


def test_subtitles_say_what_the_manuscript_says_in_order(begin: Begin, store: Store, tmp_path: Path) -> None:
    started(begin, store, tmp_path)
    speak_everything(begin, store)
    work_off(begin, store)
    with begin() as session:
        first = session.scalars(select(Chapter).order_by(Chapter.position)).first()
        assert first is not None
        srt = store.read(first.files["srt"], 10**6).decode()
    said = [line for line in srt.splitlines() if line and not line.isdigit() and "-->" not in line]
    assert " ".join(said) == "Chapter 1 It rained. The bridge held."


def test_a_course_is_a_zip_of_numbered_lessons(begin: Begin, store: Store, tmp_path: Path) -> None:
    lessons = []
    for name, text in {
        "第10讲 end.txt": "The end of it all.",
        "第2讲 begin.txt": "How it began, long ago.",
    }.items():
        (tmp_path / name).write_text(text)
        lessons.append(oneshot.put(store, tmp_path / name, oneshot.digest(tmp_path / name)))
    with begin() as session:
        sleeping_worker(session)
        project_id = projects.create(session, lessons, kind="course").id
    work_off(begin, store)
    with begin() as session:
        projects.start(session, project_id)
    work_off(begin, store)
    speak_everything(begin, store)
    work_off(begin, store)
    with begin() as session:
        (bound,) = [r for r in publish.of_project(session, project_id) if r.format == "zip"]
    store.fetch(bound.object, tmp_path / "course.zip")
    names = zipfile.ZipFile(tmp_path / "course.zip").namelist()
    assert [name.rsplit(".")[-1] for name in names] == ["mp3", "srt", "vtt"] * 2
    assert "begin" in names[0]
    assert "end" in names[3]


def test_a_refused_file_goes_back_to_draft_with_the_reason(
    begin: Begin, store: Store, tmp_path: Path
) -> None:
    project_id = uploaded(begin, store, tmp_path, text="")
    work_off(begin, store)
    with begin() as session:
        project = session.get_one(Project, project_id)
        assert project.state == "draft"
        assert project.failure is not None
        assert "story.txt" in str(project.failure)


def test_a_lost_house_process_is_replaced_four_times_and_then_it_shows(
    begin: Begin, store: Store, tmp_path: Path
) -> None:
    project_id = uploaded(begin, store, tmp_path)
    for _ in range(jobs.MOST_ATTEMPTS):
        with begin() as session:
            for job in session.scalars(select(Job).where(Job.state == "queued")):
                job.not_before = func.now()
        ((job_id, token),) = ring(begin, "house")
        with begin() as session:
            assert jobs.claim(session, job_id, token, Times())
            session.get_one(Job, job_id).lease_until = func.now()
        ring(begin, "nothing")
    assert state_of(begin, project_id) == "draft"
    with begin() as session:
        projects.retry(session, project_id)
    work_off(begin, store)
    assert state_of(begin, project_id) == "review"


def test_mp3_is_made_on_demand_and_once(begin: Begin, store: Store, tmp_path: Path) -> None:
    started(begin, store, tmp_path)
    with begin() as session, pytest.raises(Conflict, match="not mastered"):
        publish.request_mp3(session, 1)
    speak_everything(begin, store)
    work_off(begin, store)
    with begin() as session:
        assert publish.request_mp3(session, 1) is None
        assert publish.request_mp3(session, 1) is None
    work_off(begin, store)
    with begin() as session:
        made = publish.request_mp3(session, 1)
        assert made is not None
        assert (
            session.scalars(select(func.count()).select_from(Release).where(Release.format == "mp3")).one()
            == 1
        )
    store.fetch(made.object, tmp_path / "one.mp3")
    assert probe(tmp_path / "one.mp3").codec.startswith("mp3")


def test_audio_that_the_store_lost_is_spoken_again(begin: Begin, store: Store, tmp_path: Path) -> None:
    project_id = started(begin, store, tmp_path)
    speak_everything(begin, store)
    with begin() as session:
        gone = session.scalars(select(Take.object).limit(1)).one()
    store.delete([gone])
    work_off(begin, store)
    assert state_of(begin, project_id) == "running"
    speak_everything(begin, store)
    work_off(begin, store)
    assert state_of(begin, project_id) == "finished"


def test_a_store_that_is_away_for_long_costs_no_chapter(
    begin: Begin, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "farm")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    nobody = f"http://127.0.0.1:{free_port('127.0.0.1', 0, 'port')}"
    away = open_store(f"s3://books?endpoint={nobody}", secret=b"", public_url=nobody)
    project_id = started(begin, store, tmp_path)
    speak_everything(begin, store)
    for _ in range(jobs.MOST_ATTEMPTS + 1):
        for job_id, token in ring(begin, "house"):
            house.run(begin, away, Times(), job_id, token)
        with begin() as session:
            waiting = Job.state == "queued"
            assert set(session.scalars(select(Job.attempt).where(waiting))) == {1}
            session.execute(update(Job).where(waiting).values(not_before=now))
    work_off(begin, store)
    assert state_of(begin, project_id) == "finished"


def test_planning_again_renders_nothing_that_did_not_change(
    begin: Begin, store: Store, tmp_path: Path
) -> None:
    started(begin, store, tmp_path)
    speak_everything(begin, store)
    path = tmp_path / "second.txt"
    path.write_text(STORY.replace("held", "fell"))
    with begin() as session:
        second = projects.create(session, [oneshot.put(store, path, oneshot.digest(path))]).id
    work_off(begin, store)
    with begin() as session:
        projects.start(session, second)
    work_off(begin, store)
    with begin() as session:
        ready = session.scalars(select(Segment.display).where(Segment.state == "ready")).all()
    assert ready == ["It rained. The bridge fell."]


def test_what_a_deleted_project_leaves_behind_is_swept(begin: Begin, store: Store, tmp_path: Path) -> None:
    project_id = started(begin, store, tmp_path)
    speak_everything(begin, store)
    work_off(begin, store)
    sweep_orphans(begin, store, after_s=0)
    assert list(store.list())
    with begin() as session:
        projects.delete(session, project_id)
    sweep_orphans(begin, store, after_s=0)
    assert list(store.list()) == []


def test_pause_takes_back_what_is_in_hand_and_resume_goes_on(
    begin: Begin, store: Store, tmp_path: Path
) -> None:
    project_id = started(begin, store, tmp_path)
    with begin() as session:
        worker = builders.worker(session, engine="preview")
    (job_id, token), *_ = ring(begin, "render.cpu")
    with begin() as session:
        assert isinstance(claiming.claim(session, worker, job_id, token, Times(), 30), Job)
        projects.pause(session, project_id)
        assert session.scalars(select(Segment.state).distinct()).all() == ["ready"]
    with begin() as session:
        projects.resume(session, project_id)
    assert ring(begin, "render.cpu")


def test_a_cancelled_project_resumes_with_the_house_work_it_lacks(
    begin: Begin, store: Store, tmp_path: Path
) -> None:
    project_id = uploaded(begin, store, tmp_path)
    work_off(begin, store)
    with begin() as session:
        sleeping_worker(session)
        projects.start(session, project_id)
        projects.cancel(session, project_id)
        assert session.scalars(select(Job).where(Job.state.in_(jobs.OPEN))).all() == []
        projects.resume(session, project_id)
    work_off(begin, store)
    speak_everything(begin, store)
    work_off(begin, store)
    assert state_of(begin, project_id) == "finished"


def test_a_chapter_without_a_word_does_not_stop_the_book(begin: Begin, store: Store, tmp_path: Path) -> None:
    project_id = started(begin, store, tmp_path)
    with begin() as session:
        wordless = session.scalars(select(Chapter).order_by(Chapter.id)).first()
        assert wordless is not None
        wordless.text = wordless.title = ""
        projects.cancel(session, project_id)
        states.move(session, Chapter, Chapter.id == wordless.id, "planned", "draft")
        projects.resume(session, project_id)
    work_off(begin, store)
    speak_everything(begin, store)
    work_off(begin, store)
    assert state_of(begin, project_id) == "finished"
