"""Voices over the API: sent, measured, agreed to, cast, prepared, heard, named and removed."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from dashboard.belongings import Belongings
from farm import recordings
from farm.tables import Audit
from farm.voices import PRESETS
from tests import builders, voicing
from tests.voicing import recorded

VOICES = "/api/v1/voices"


def send(script: FlaskClient, content: Any = None, filename: str = "Mother.wav", **fields: str) -> Any:
    sent = FileStorage(content or voicing.file(), filename)
    return script.post(VOICES, data={"file": sent, **fields}, content_type="multipart/form-data")


def of_recording(script: FlaskClient, recording_id: int) -> Any:
    return script.get(f"{VOICES}/{recording_id}").json


def review(have: Belongings, engine: str = "simulated") -> int:
    with have.begin() as session:
        made = builders.project(session, state="review")
        made.engine = engine
        return made.id


def test_a_recording_is_sent_measured_and_agreed_to_at_once(script: FlaskClient) -> None:
    answer = send(script, name="Mother", consent="true", trim="true")
    assert answer.status_code == 201, answer.json
    assert (answer.json["name"], answer.json["uploaded_by"]) == ("Mother", "owner")
    assert answer.json["preparation"]["trim"] is True
    assert answer.json["consent"]["sentence"] == str(recordings.CONSENT)
    assert answer.json["consent"]["by"] == "owner"
    assert answer.json["quality"]["sent"]["seconds"] == 4.0
    assert (answer.json["grade"], len(answer.json["advice"])) == ("fair", 1)
    assert "from 6 to 15 s" in answer.json["advice"][0]["text"]


def test_a_voice_is_called_as_its_file_unless_it_is_given_a_name(script: FlaskClient) -> None:
    assert send(script, filename="../../奶奶.wav").json["name"] == "奶奶"


def test_what_is_sent_in_another_language_is_agreed_to_in_it(script: FlaskClient) -> None:
    script.environ_base["HTTP_ACCEPT_LANGUAGE"] = "zh-CN"
    assert "说话人" in send(script, consent="true").json["consent"]["sentence"]


@pytest.mark.parametrize(
    ("content", "fields", "status"),
    [
        (b"hello", {}, 422),
        (b"", {}, 422),
        (b"#EXTM3U\nfile:///etc/passwd", {}, 422),
        (None, {"name": "narrator"}, 422),
        (None, {"name": "x" * 81}, 422),
        (None, {"name": "a\0b"}, 422),
        (None, {"consent": "perhaps"}, 422),
        (None, {"more": "x"}, 422),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_leaves_nothing(
    script: FlaskClient, have: Belongings, content: bytes | None, fields: dict[str, str], status: int
) -> None:
    answer = send(script, None if content is None else io.BytesIO(content), **fields)
    assert (answer.status_code, bool(answer.json["error"])) == (status, True)
    assert list(have.store.list("")) == []
    assert script.post(VOICES, data={}, content_type="multipart/form-data").status_code == 422


def test_what_is_too_large_is_turned_away_before_it_is_read(
    script: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "LARGEST", 1000)
    assert send(script, io.BytesIO(bytes(300_000))).status_code == 413


def test_the_same_name_or_file_is_a_conflict(script: FlaskClient) -> None:
    assert send(script).status_code == 201
    assert send(script, name="Other").status_code == 409
    assert send(script, voicing.file(seed=1)).status_code == 409


def test_presets_and_recordings_are_listed_by_what_a_cast_names_them(
    script: FlaskClient, have: Belongings
) -> None:
    made = recorded(have.begin, have.store)
    voices: Any = script.get(VOICES).json
    assert [voice["name"] for voice in voices] == [f"recording:{made}", *(voice.name for voice in PRESETS)]
    assert [voice["kind"] for voice in voices] == ["recording", *["preset"] * len(PRESETS)]


def test_a_role_is_cast_once_somebody_has_agreed(script: FlaskClient, have: Belongings) -> None:
    made, book = recorded(have.begin, have.store, agreed=""), review(have)
    wanted = {"cast": {"narrator": f"recording:{made}"}}
    refused = script.patch(f"/api/v1/projects/{book}", json=wanted)
    assert (refused.status_code, "Mother is not to be used yet" in refused.json["error"]) == (422, True)  # type: ignore[index]
    assert script.post(f"{VOICES}/{made}/consent", json={"agree": False}).status_code == 422
    assert script.post(f"{VOICES}/{made}/consent", json={"agree": True}).status_code == 200
    cast: Any = script.patch(f"/api/v1/projects/{book}", json=wanted)
    assert cast.json["cast"] == {"narrator": f"recording:{made}"}
    assert of_recording(script, made)["used_by"] == [
        {"project": book, "title": "A book", "state": "review", "roles": ["narrator"]}
    ]


def test_the_preview_engine_refuses_a_recording_with_the_way_out(
    script: FlaskClient, have: Belongings
) -> None:
    made, book = recorded(have.begin, have.store), review(have, "preview")
    answer: Any = script.patch(f"/api/v1/projects/{book}", json={"cast": {"narrator": f"recording:{made}"}})
    assert answer.status_code == 422
    assert "The engine preview speaks with preset voices only" in answer.json["error"]


def heard(script: FlaskClient, path: str) -> bytes:
    with script.get(path) as answer:
        assert answer.status_code == 200
        return answer.data


def test_it_is_prepared_and_what_was_sent_is_still_there(script: FlaskClient) -> None:
    made = send(script, voicing.file(4, around_s=2)).json["id"]
    address = f"{VOICES}/{made}"
    plain = heard(script, f"{address}/audio")
    answer: Any = script.post(f"{address}/prepare", json={"trim": True, "denoise": True})
    assert answer.json["given_seconds"] < 5
    assert heard(script, f"{address}/audio") != plain
    assert heard(script, f"{address}/original") == voicing.file(4, around_s=2).read()
    script.post(f"{address}/prepare", json={"trim": False, "denoise": False})
    assert heard(script, f"{address}/audio") == plain


def test_what_was_sent_is_saved_under_its_own_name(script: FlaskClient) -> None:
    made = send(script, filename="奶奶.wav").json["id"]
    with script.get(f"{VOICES}/{made}/original?download=1") as original:
        assert "%E5%A5%B6%E5%A5%B6.wav" in original.headers["Content-Disposition"]
        assert original.mimetype == "audio/wav"


def test_it_is_heard_in_part_and_kept_by_a_browser_as_long_as_it_is_the_same(
    script: FlaskClient, have: Belongings
) -> None:
    made = recorded(have.begin, have.store)
    address = f"{VOICES}/{made}/audio"
    with script.get(address, headers={"Range": "bytes=0-3"}) as part:
        assert (part.status_code, part.data, part.mimetype) == (206, b"RIFF", "audio/wav")
    known = of_recording(script, made)["voice"][:16]
    with script.get(f"{address}?of={known}") as answer, script.get(f"{address}?of=other") as other:
        assert "max-age" in answer.headers["Cache-Control"]
        assert "no-cache" in other.headers["Cache-Control"]


def test_it_is_renamed_removed_and_brought_back(script: FlaskClient, have: Belongings) -> None:
    made = recorded(have.begin, have.store)
    assert script.patch(f"{VOICES}/{made}", json={"name": "奶奶"}).json["name"] == "奶奶"  # type: ignore[index]
    assert script.delete(f"{VOICES}/{made}").json["removed_at"]  # type: ignore[index]
    for step in ("", "/audio", "/original"):
        assert script.get(f"{VOICES}/{made}{step}").status_code == 404
    assert script.post(f"{VOICES}/{made}/restore").json["removed_at"] is None  # type: ignore[index]
    assert heard(script, f"{VOICES}/{made}/audio")


def test_what_a_project_speaks_with_is_not_removed(script: FlaskClient, have: Belongings) -> None:
    made, book = recorded(have.begin, have.store), review(have)
    script.patch(f"/api/v1/projects/{book}", json={"cast": {"narrator": "Mother"}})
    refused: Any = script.delete(f"{VOICES}/{made}")
    assert (refused.status_code, "Mother speaks in A book" in refused.json["error"]) == (409, True)


def test_whatever_is_done_to_a_voice_is_in_the_audit(script: FlaskClient, have: Belongings) -> None:
    made = send(script).json["id"]
    script.post(f"{VOICES}/{made}/consent", json={"agree": True})
    script.post(f"{VOICES}/{made}/prepare", json={"trim": True, "denoise": False})
    script.patch(f"{VOICES}/{made}", json={"name": "B"})
    script.delete(f"{VOICES}/{made}")
    with have.begin() as session:
        rows = session.scalars(select(Audit).order_by(Audit.id)).all()
    steps = ["create", "consent", "prepare", "edit", "remove"]
    assert [row.action for row in rows] == [f"voices.{step}" for step in steps]
    assert {row.target for row in rows[1:]} == {f"voice {made}"}
    assert rows[0].values["file"] == ["Mother.wav"]
