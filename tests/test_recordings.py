"""A recording is kept as it came, prepared as asked, used with leave alone, and removed without harm."""

import hashlib
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select

from farm import casts, projects, recordings, takes, uses
from farm.audio.cleaning import Preparation
from farm.casting import key_of
from farm.db import Begin
from farm.errors import Conflict, FarmError, NotFound, Rejected
from farm.storage import Store
from farm.sweep import sweep_orphans
from farm.tables import Project, Recording
from farm.voices import preset
from tests import builders, voicing
from tests.voicing import recorded

MOST = 2**22


def row(begin: Begin, recording_id: int) -> Recording:
    with begin() as session:
        return session.get_one(Recording, recording_id)


def given(store: Store, found: Recording) -> tuple[Any, int]:
    """What engines are given: samples and rate."""
    content = store.read(uses.object_of(found.voice), MOST)
    assert hashlib.sha256(content).hexdigest() == found.voice
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    return samples, rate


def cast(begin: Begin, engine: str = "simulated", state: str = "review", **roles: str) -> int:
    """A project with this cast."""
    with begin() as session:
        made = builders.project(session, state="review")
        made.engine, made.pin = engine, {}
        projects.edit(session, made.id, {"cast": roles})
        builders.chapter(session, made, [])
        made.state = state
        made.started_at = None if state == "review" else session.scalars(select(func.now())).one()
        return made.id


def voice_in(begin: Begin, project_id: int, role: str = "narrator") -> Any:
    with begin() as session:
        return session.get_one(Project, project_id).cast[role]


def test_what_was_sent_is_kept_as_it_came(begin: Begin, store: Store) -> None:
    sent = voicing.file().getvalue()
    found = row(begin, recorded(begin, store))
    assert store.read(found.object, MOST) == sent
    assert found.sha256 == hashlib.sha256(sent).hexdigest()
    assert (found.name, found.uploaded_by, found.filename) == ("Mother", "ann", "Mother.wav")
    assert (found.seconds, found.size) == (4.0, len(sent))


def test_an_engine_is_given_the_very_samples_when_nothing_is_asked_for(begin: Begin, store: Store) -> None:
    samples, rate = given(store, row(begin, recorded(begin, store)))
    sent, sent_rate = soundfile.read(voicing.file(), dtype="float32")
    assert rate == sent_rate
    assert np.array_equal(samples, sent)


def test_an_engine_is_given_fifteen_seconds_at_most(begin: Begin, store: Store) -> None:
    made = recordings.add(begin, store, voicing.file(20), "long.wav", name="Long", by="ann")
    found = row(begin, made)
    assert (found.seconds, found.voice_seconds) == (20.0, 15.0)
    assert len(given(store, found)[0]) == 15 * voicing.RATE


def test_trimming_is_done_on_request_and_undone(begin: Begin, store: Store) -> None:
    lengthened = voicing.file(4, around_s=5)
    made = recordings.add(
        begin, store, lengthened, "a.wav", name="A", by="ann", wanted=Preparation(trim=True)
    )
    found = row(begin, made)
    assert 3.9 < found.voice_seconds < 5
    assert found.preparation["trim"]
    assert 4.5 < found.preparation["start_s"] < 5.1
    recordings.prepare(begin, store, made, Preparation())
    undone = row(begin, made)
    assert undone.voice_seconds == 14.0
    assert np.array_equal(
        given(store, undone)[0], soundfile.read(voicing.file(4, around_s=5), dtype="float32")[0]
    )


def test_denoising_is_done_on_request_and_measured(begin: Begin, store: Store) -> None:
    clean, rate = soundfile.read(voicing.file(8))
    noisy, file = clean + 0.01 * np.random.default_rng(0).standard_normal(len(clean)), io.BytesIO()
    soundfile.write(file, noisy, rate, format="WAV", subtype="PCM_16")
    made = recordings.add(begin, store, file, "noisy.wav", name="Noisy", by="ann")
    before = row(begin, made)
    recordings.prepare(begin, store, made, Preparation(denoise=True))
    after = row(begin, made)
    assert after.voice != before.voice
    assert after.quality["sent"] == before.quality["sent"] == before.quality["given"]
    assert after.quality["given"]["snr_db"] > before.quality["given"]["snr_db"] + 8
    recordings.prepare(begin, store, made, Preparation())
    assert row(begin, made).voice == before.voice


def test_the_same_preparation_makes_the_same_bytes(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    first = row(begin, made).voice
    recordings.prepare(begin, store, made, Preparation())
    assert row(begin, made).voice == first
    assert row(begin, made).earlier == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\0b", "a\x1bb", "narrator", "Old-Man", "recording:7"])
def test_a_name_that_could_be_mistaken_is_refused(begin: Begin, store: Store, name: str) -> None:
    with pytest.raises(Rejected, match="name"):
        recordings.add(begin, store, voicing.file(), "a.wav", name=name, by="ann")
    assert list(store.list("")) == []


def test_a_name_and_a_file_are_there_once(begin: Begin, store: Store) -> None:
    recorded(begin, store)
    with pytest.raises(Conflict, match="a voice called Mother already"):
        recordings.add(begin, store, voicing.file(seed=1), "b.wav", name=" Mother ", by="bob")
    with pytest.raises(Conflict, match="here already, as Mother"):
        recordings.add(begin, store, voicing.file(), "b.wav", name="Other", by="bob")
    other = recorded(begin, store, "Other", seed=1)
    with begin() as session, pytest.raises(Conflict):
        recordings.rename(session, other, "Mother")


def test_what_is_no_voice_or_too_large_or_too_short_is_refused_and_leaves_nothing(
    begin: Begin, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (io.BytesIO(b"hello"), voicing.file(0.5)):
        with pytest.raises(Rejected):
            recordings.add(begin, store, content, "a.wav", name="A", by="ann")
    monkeypatch.setattr(recordings, "LARGEST", 1000)
    with pytest.raises(Rejected, match="are the most"):
        recordings.add(begin, store, voicing.file(), "a.wav", name="A", by="ann")
    assert list(store.list("")) == []
    with begin() as session:
        assert recordings.listed(session) == []


def test_a_role_is_cast_with_a_recording_by_its_number_or_its_name(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    voice = {"recording": row(begin, made).voice}
    book = cast(begin, narrator=key_of(made), dialogue="Mother", title="woman")
    assert voice_in(begin, book) == voice_in(begin, book, "dialogue") == voice
    assert voice_in(begin, book, "title") == preset("woman").to_json()
    with begin() as session:
        keys = casts.keys(session, session.get_one(Project, book).cast)
    assert keys == {"narrator": key_of(made), "dialogue": key_of(made), "title": "woman"}


def test_a_take_is_named_by_what_the_engine_is_given(begin: Begin, store: Store) -> None:
    def key(book: int) -> str:
        with begin() as session:
            return takes.recipe_of(session.get_one(Project, book), "Hello.", "en", "narrator").key

    mother, other = recorded(begin, store), recorded(begin, store, "Other", seed=1)
    first, second = cast(begin, narrator=key_of(mother)), cast(begin, narrator=key_of(other))
    assert key(first) != key(second)
    assert key(first) == key(cast(begin, narrator="Mother"))
    with begin() as session:
        recordings.rename(session, mother, "Grandmother")
    assert key(first) == key(cast(begin, narrator="Grandmother"))


@pytest.mark.parametrize(
    "wanted", ["recording:99", "recording:x", "recording:", "Nobody", "recording:9999999999"]
)
def test_a_voice_that_is_not_there_is_refused(begin: Begin, wanted: str) -> None:
    with pytest.raises(Rejected):
        cast(begin, narrator=wanted)


def test_nobody_is_cast_with_a_recording_before_its_speaker_has_agreed(begin: Begin, store: Store) -> None:
    made = recorded(begin, store, agreed="")
    assert row(begin, made).consent is None
    with pytest.raises(Rejected, match="Mother is not to be used yet"):
        cast(begin, narrator=key_of(made))
    with begin() as session:
        recordings.agree(session, made, by="bob", sentence="She did.")
    consent = row(begin, made).consent
    assert consent is not None
    assert (consent["by"], consent["sentence"]) == ("bob", "She did.")
    assert datetime.fromisoformat(consent["at"]).tzinfo is not None
    cast(begin, narrator=key_of(made))


def test_an_engine_that_cannot_clone_is_refused_a_recording_with_the_way_out(
    begin: Begin, store: Store
) -> None:
    made = recorded(begin, store)
    says = "preview speaks with preset voices only, and narrator is cast with a recording.*IndexTTS-2"
    with pytest.raises(Rejected, match=says):
        cast(begin, "preview", narrator=key_of(made))


def test_an_engine_that_needs_a_recording_is_refused_a_preset(begin: Begin, store: Store) -> None:
    says = "IndexTTS-2 speaks as a recording does, and narrator is cast with a preset voice"
    with pytest.raises(Rejected, match=says):
        cast(begin, "indextts2", narrator="narrator")
    with begin() as session:
        made = projects.create(session, [projects.Upload("a.txt", "a", 1, "0")], engine="indextts2")
        made.state = "review"
        builders.chapter(session, made, [])
        with pytest.raises(Rejected, match=says):
            projects.start(session, made.id)
    cast(begin, "indextts2", narrator=key_of(recorded(begin, store)))


def test_projects_that_have_not_begun_follow_a_new_preparation_and_the_others_do_not(
    begin: Begin, store: Store
) -> None:
    lengthened = voicing.file(around_s=1)
    agreed = {"name": "Mother", "by": "ann", "agreed": voicing.AGREED}
    made = recordings.add(begin, store, lengthened, "a.wav", **agreed)  # type: ignore[arg-type]
    old = row(begin, made).voice
    new_book, old_book = cast(begin, narrator="Mother"), cast(begin, state="running", narrator="Mother")
    recordings.prepare(begin, store, made, Preparation(trim=True, denoise=True))
    new = row(begin, made).voice
    assert new != old
    assert voice_in(begin, new_book) == {"recording": new}
    assert voice_in(begin, old_book) == {"recording": old}
    with begin() as session:
        assert casts.keys(session, session.get_one(Project, old_book).cast) == {"narrator": key_of(made)}
        assert {use.project for use in uses.of_recordings(session)[made]} == {new_book, old_book}
    sweep_orphans(begin, store, after_s=0)
    assert store.head(uses.object_of(old)).size
    assert store.head(uses.object_of(new)).size


@pytest.mark.parametrize("state", ["review", "running", "paused"])
def test_a_recording_that_a_project_needs_is_not_removed(begin: Begin, store: Store, state: str) -> None:
    made = recorded(begin, store)
    cast(begin, state=state, narrator="Mother")
    with begin() as session, pytest.raises(Conflict, match="Mother speaks in A book"):
        recordings.remove(session, made)


def test_a_removed_recording_is_kept_until_no_project_has_it(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    found, book = row(begin, made), cast(begin, state="finished", narrator="Mother")
    with begin() as session:
        recordings.remove(session, made)
        assert recordings.listed(session) == []
    sweep_orphans(begin, store, after_s=0)
    assert store.head(uses.object_of(found.voice)).size
    with begin() as session:
        projects.delete(session, book)
    sweep_orphans(begin, store, after_s=0)
    assert list(store.list("")) == []
    with begin() as session:
        assert session.scalars(select(Recording)).all() == []


def test_a_removal_is_undone_unless_the_name_was_taken_since(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    with begin() as session:
        recordings.remove(session, made)
    with begin() as session:
        recordings.restore(session, made)
        assert [found.id for found in recordings.listed(session)] == [made]
        recordings.remove(session, made)
    recorded(begin, store, seed=1)
    with begin() as session, pytest.raises(Conflict):
        recordings.restore(session, made)


def test_what_was_removed_is_not_to_be_had(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    with begin() as session:
        recordings.remove(session, made)
    steps: list[Callable[[Any], object]] = [
        lambda session: recordings.find(session, made),
        lambda session: recordings.named(session, "Mother"),
        lambda session: recordings.rename(session, made, "B"),
        lambda session: recordings.agree(session, made, by="bob", sentence="x"),
        lambda session: recordings.remove(session, made),
        lambda session: casts.voice_of(session, key_of(made)),
    ]
    for step in steps:
        with begin() as session, pytest.raises(FarmError):
            step(session)
    with pytest.raises(NotFound):
        recordings.prepare(begin, store, made, Preparation())


def test_a_project_whose_recording_was_removed_does_not_start(begin: Begin, store: Store) -> None:
    made = recorded(begin, store)
    book = cast(begin, state="cancelled", narrator="Mother")
    with begin() as session:
        recordings.remove(session, made)
    with begin() as session:
        session.get_one(Project, book).state = "review"
        with pytest.raises(Rejected, match="A recording that speaks in A book was removed"):
            projects.start(session, book)


def test_the_sweep_leaves_what_is_in_use(begin: Begin, store: Store) -> None:
    recorded(begin, store)
    before = {found.name for found in store.list("")}
    store.put("recordings/astray.wav", b"x")
    store.put(uses.object_of("a" * 64), b"x")
    sweep_orphans(begin, store, after_s=0)
    assert {found.name for found in store.list("")} == before
