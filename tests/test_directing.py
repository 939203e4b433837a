"""Roles and segments are directed, and presets chosen: what takes are named by, and what workers are told."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from farm import casting, casts, chapters, claiming, projects, recordings, retakes, takes, uses
from farm.audio.cleaning import Preparation
from farm.casting import key_of
from farm.db import Begin
from farm.errors import Conflict, NotFound, Rejected
from farm.planning import settings_of
from farm.storage import Store
from farm.tables import Chapter, Job, Project, Segment, SegmentState, Take
from tests import builders, voicing
from tests.voicing import recorded

SAD = {"emotion": {"sad": 0.5}}


@pytest.fixture
def reviewed(begin: Begin) -> int:
    """A project in review that nobody started."""
    with begin() as session:
        made = builders.project(session, state="review")
        made.pin = {}
        builders.chapter(session, made, []).state = "draft"
        return made.id


@pytest.fixture
def spoken(begin: Begin) -> int:
    """A chapter of two segments that were spoken and are being mastered."""
    with begin() as session:
        project = builders.project(session)
        chapter = builders.chapter(session, project, ["a", "b"])
        for segment in session.scalars(select(Segment).order_by(Segment.id)):
            segment.take_key = key_in(project, segment)
            session.add(Take(key=segment.take_key, object=segment.take_key, size=1, seconds=2.0, seed=0))
        session.flush()
        chapters.adopt(session, Segment.chapter_id == chapter.id)
        chapters.recount(session, [chapter.id])
        return chapter.id


def key_in(project: Project, segment: Segment, direction: dict[str, Any] | None = None) -> str:
    said = segment.spoken, segment.language, segment.role, segment.take_number
    return takes.recipe_of(project, *said, direction).key


def seen(begin: Begin) -> tuple[Chapter, list[Segment]]:
    with begin() as session:
        ordered = select(Segment).order_by(Segment.position)
        return session.scalars(select(Chapter)).one(), list(session.scalars(ordered))


def edited(begin: Begin, project_id: int, **changes: Any) -> Project:
    with begin() as session:
        projects.edit(session, project_id, changes)
    with begin() as session:
        return session.get_one(Project, project_id)


def test_what_is_not_directed_names_the_takes_it_always_did() -> None:
    project = Project(
        engine="indextts2",
        pin={"fingerprint": "f1", "precision": "fp16"},
        cast={"narrator": {"recording": "a1"}},
        directions={},
        seed=7,
    )
    old = "207c271e4014a8124e5d9aaf7bb5659621394c8b49d93c355dfc7aad00a4377d"
    assert takes.recipe_of(project, "你好。", "zh", "dialogue").key == old
    project.directions = {"dialogue": SAD}
    assert takes.recipe_of(project, "你好。", "zh", "narrator").key == old
    assert takes.recipe_of(project, "你好。", "zh", "dialogue").key != old
    assert takes.recipe_of(project, "你好。", "zh", "dialogue", direction={}).key == old
    project.pin = {**project.pin, "preset": "draft"}
    assert takes.recipe_of(project, "你好。", "zh", "narrator").key != old


def test_the_start_fixes_the_preset_of_engines_that_have_some(begin: Begin, reviewed: int) -> None:
    with begin() as session:
        session.get_one(Project, reviewed).engine = "indextts2"
        session.get_one(Project, reviewed).cast = {"narrator": {"recording": "a1"}}
        builders.worker(session, engine="indextts2")
    with begin() as session, pytest.raises(Rejected, match="no preset best"):
        projects.edit(session, reviewed, {"preset": "best"})
    assert edited(begin, reviewed, preset="draft").pin == {}
    assert started(begin, reviewed).pin == {"fingerprint": "f1", "precision": "fp32", "preset": "draft"}
    with begin() as session, pytest.raises(Conflict, match="its preset is fixed"):
        projects.edit(session, reviewed, {"preset": "exact"})


def started(begin: Begin, project_id: int) -> Project:
    """As its start leaves it; its voices are not looked at here."""
    with begin() as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(casts, "check", lambda *_: None)
        projects.start(session, project_id)
        return session.get_one(Project, project_id)


def test_without_a_choice_the_default_is_fixed_and_other_engines_have_none(
    begin: Begin, reviewed: int
) -> None:
    with begin() as session:
        builders.worker(session)
    with begin() as session, pytest.raises(Rejected, match="The engine simulated has no preset draft"):
        projects.edit(session, reviewed, {"preset": "draft"})
    assert started(begin, reviewed).pin == builders.PIN
    with begin() as session:
        other = builders.project(session, state="review")
        other.engine, other.pin = "indextts2", {}
        builders.chapter(session, other, []).state = "draft"
        builders.worker(session, "w2", engine="indextts2")
    assert started(begin, other.id).pin["preset"] == "exact"


def test_roles_are_directed_until_the_start_and_only_what_differs_is_kept(
    begin: Begin, reviewed: int
) -> None:
    wanted = {"narrator": {"pace": 1.0, "words": ""}, "dialogue": {"pace": 1.2, "seconds": None}, "x": None}
    found = edited(begin, reviewed, directions=wanted)
    assert found.directions == {"narrator": {}, "dialogue": {"pace": 1.2}}
    for wrong in (
        {"x": {"pace": 3}},
        {"x": {"seconds": 4}},
        {"x": {"like": "deep"}},
        {"x": {"like": "Nobody"}},
    ):
        with begin() as session, pytest.raises(Rejected):
            projects.edit(session, reviewed, {"directions": wrong})


def test_dialogue_that_is_directed_is_split_from_the_narration(begin: Begin, reviewed: int) -> None:
    def apart(directions: dict[str, Any]) -> bool:
        return settings_of(edited(begin, reviewed, directions=directions)).dialogue_apart

    assert [apart({}), apart({"narrator": SAD}), apart({"dialogue": SAD})] == [False, False, True]


def test_an_emotion_is_taken_from_a_recording_that_may_be_used(
    begin: Begin, store: Store, reviewed: int
) -> None:
    mother, mute = recorded(begin, store), recorded(begin, store, "Mute", seed=1, agreed="")
    with begin() as session, pytest.raises(Rejected, match="not to be used yet"):
        projects.edit(session, reviewed, {"directions": {"title": {"like": key_of(mute)}}})
    found = edited(begin, reviewed, directions={"title": {"like": "Mother", "strength": 0.6}})
    with begin() as session:
        voice = recordings.find(session, mother).voice
        told = casts.roles_told(session, found.directions)
        (use,) = uses.of_recordings(session)[mother]
    assert found.directions == {"title": {"like": {"recording": voice}, "strength": 0.6}}
    assert told == {"title": {"like": key_of(mother), "strength": 0.6}}
    assert use.roles == ("title",)
    with begin() as session, pytest.raises(Conflict, match="speaks in A book"):
        recordings.remove(session, mother)


def test_a_recording_that_is_prepared_anew_is_the_one_whose_emotion_is_taken(
    begin: Begin, store: Store, reviewed: int
) -> None:
    mother = recordings.add(
        begin, store, voicing.file(around_s=1.0), "a.wav", name="Mother", by="ann", agreed=voicing.AGREED
    )
    before = edited(begin, reviewed, directions={"title": {"like": "Mother"}}).directions
    recordings.prepare(begin, store, mother, Preparation(trim=True, denoise=False))
    with begin() as session:
        now = session.get_one(Project, reviewed).directions
        assert now == {"title": {"like": {"recording": recordings.find(session, mother).voice}}} != before


def test_a_recording_of_one_segment_is_used_kept_and_sent_to_workers(
    begin: Begin, store: Store, spoken: int
) -> None:
    mother = recorded(begin, store)
    with begin() as session:
        direction = casts.directed(session, builders.ENGINE, {"like": "Mother"})
        segment = retakes.direct(session, 2, direction)
        job = Job(kind="render", state="queued", token="t", queue="render.cpu", project_id=segment.project_id)
        session.add(job)
        session.flush()
        segment.state, segment.job_id = "leased", job.id
        session.flush()
        sha256 = recordings.find(session, mother).voice
        work = claiming.work(session, job)
    assert work["recordings"] == [sha256]
    assert [given["direction"] for given in work["segments"]] == [{"like": {"recording": sha256}}]
    with begin() as session:
        assert [use.roles for use in uses.of_recordings(session)[mother]] == [("narrator",)]
        session.execute(recordings.delete(recordings.Recording))
        name = uses.object_of(sha256)
        assert uses.wanted_voices(session, [name, "other"]) == {name}


def test_a_directed_segment_gets_a_new_take_and_the_earlier_one_is_heard_until_then(
    begin: Begin, spoken: int
) -> None:
    _, (_, before) = seen(begin)
    with begin() as session:
        retakes.direct(session, before.id, SAD)
    chapter, (other, segment) = seen(begin)
    assert (chapter.state, other.state, segment.state) == ("rendering", "done", "ready")
    assert (segment.direction, segment.earlier_key) == (SAD, before.take_key)
    with begin() as session:
        assert segment.take_key == key_in(session.scalars(select(Project)).one(), segment, SAD)


def test_a_direction_that_is_taken_back_finds_the_take_that_was_there(begin: Begin, spoken: int) -> None:
    _, (_, before) = seen(begin)
    for direction in (SAD, None):
        with begin() as session:
            retakes.direct(session, before.id, direction)
    chapter, (_, segment) = seen(begin)
    assert (chapter.state, segment.state) == ("mastering", "done")
    assert (segment.take_key, segment.direction) == (before.take_key, None)


def test_the_same_direction_again_changes_nothing(begin: Begin, spoken: int) -> None:
    with begin() as session:
        retakes.direct(session, 2, {})
    chapter, (_, segment) = seen(begin)
    assert (chapter.state, segment.state, segment.direction) == ("mastering", "done", {})


def test_a_segment_that_waits_is_directed_at_once_and_one_that_is_spoken_is_not(
    begin: Begin, spoken: int
) -> None:
    with begin() as session:
        retakes.direct(session, 2, SAD)
        retakes.direct(session, 2, {"pace": 1.1})
    _, (_, segment) = seen(begin)
    assert (segment.state, segment.direction, segment.take_number) == ("ready", {"pace": 1.1}, 0)
    with begin() as session:
        session.get_one(Segment, 2).state = "leased"
    with begin() as session, pytest.raises(Conflict, match="being spoken just now"):
        retakes.direct(session, 2, SAD)
    with begin() as session, pytest.raises(NotFound):
        retakes.direct(session, 99, SAD)


def test_a_failed_segment_is_tried_as_it_is_directed_now(begin: Begin, spoken: int) -> None:
    fail(begin, SAD)
    with begin() as session:
        retakes.direct(session, 2, {"pace": 1.1})
    chapter, (_, segment) = seen(begin)
    assert (chapter.state, segment.state, segment.failure) == ("rendering", "ready", None)


def fail(begin: Begin, direction: dict[str, Any]) -> None:
    """The second segment, as it is directed."""
    with begin() as session:
        segment = retakes.direct(session, 2, direction)
        segment.state = SegmentState.FAILED
        session.flush()
        chapters.recount(session, [segment.chapter_id])


def test_a_direction_that_cannot_be_spoken_leaves_the_earlier_take_and_the_earlier_direction(
    begin: Begin, spoken: int
) -> None:
    _, (_, before) = seen(begin)
    fail(begin, SAD)
    with begin() as session:
        chapters.waive(session, spoken)
    chapter, (_, segment) = seen(begin)
    assert (chapter.state, segment.state, segment.take_key) == ("mastering", "done", before.take_key)
    assert (segment.direction, segment.take_number) == (None, 0)


def test_a_directed_segment_that_is_rendered_again_keeps_its_direction(begin: Begin, spoken: int) -> None:
    with begin() as session:
        segment = retakes.direct(session, 2, SAD)
        session.add(Take(key=segment.take_key, object="x", size=1, seconds=2.0, seed=0))
        session.flush()
        chapters.adopt(session, Segment.id == 2)
    with begin() as session:
        retakes.of_segment(session, 2)
    _, (_, segment) = seen(begin)
    assert (segment.direction, segment.take_number) == (SAD, 1)


def test_where_nobody_is_cast_or_directed_the_narrators_way_holds() -> None:
    cast = {"narrator": {"recording": "a1"}, "title": {"recording": "b2"}}
    directions = {"narrator": SAD, "dialogue": {"pace": 1.1}, "cry": {"like": {"recording": "c3"}}}
    ways = [casting.direction_for(cast, directions, role) for role in ("narrator", "x", "dialogue", "title")]
    assert ways == [SAD, SAD, {"pace": 1.1}, {}]
    assert casting.recordings_in(cast, directions) == {"a1", "b2", "c3"}
    assert json.loads(json.dumps(ways)) == ways
