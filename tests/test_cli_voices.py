"""Voices from the command line: a file becomes one, is looked at, prepared, agreed to, and removed."""

from pathlib import Path

import pytest
from sqlalchemy import select

from farm import audit, oneshot, recordings
from farm.db import Begin
from farm.tables import Recording
from tests import builders, voicing
from tests.terminal import Terminal


@pytest.fixture
def mother(tmp_path: Path) -> Path:
    path = tmp_path / "mother.wav"
    path.write_bytes(voicing.file(4, around_s=2).getvalue())
    return path


def row(begin: Begin) -> Recording:
    with begin() as session:
        return session.scalars(select(Recording)).one()


def test_a_file_becomes_a_voice_once_the_right_to_it_is_said(
    farm: Terminal, begin: Begin, mother: Path
) -> None:
    told = farm(
        "voices", "add", str(mother), "--name", "Mother", "--trim", "--i-have-the-right", "--json"
    ).json
    assert (told["name"], told["preparation"]["trim"], told["grade"]) == ("Mother", True, "fair")
    assert told["given_seconds"] < 5
    found = row(begin)
    assert found.consent is not None
    assert found.consent["sentence"] == str(recordings.CONSENT)
    assert found.consent["by"].endswith("(command line)")
    with begin() as session:
        (entry,) = audit.listed(session)
    assert (entry.action, entry.target, entry.status) == ("voices.create", "Mother", 200)
    assert entry.values["i_have_the_right"] is True


def test_a_voice_is_called_as_its_file_and_waits_for_the_right(
    farm: Terminal, begin: Begin, mother: Path
) -> None:
    farm("voices", "add", str(mother))
    assert "mother" in (listed := farm("voices", "list").out)
    assert "nobody agreed" in listed
    assert "narrator-woman" in listed
    assert farm("voices", "agree", "mother").code == 2
    assert row(begin).consent is None
    assert "right      " in farm("voices", "agree", "mother", "--i-have-the-right").out
    assert row(begin).consent is not None


def test_it_is_prepared_and_that_is_undone(farm: Terminal, mother: Path) -> None:
    farm("voices", "add", str(mother))
    plain = farm("voices", "show", "mother", "--json").json
    assert farm("voices", "denoise", "mother", "--json").json["preparation"]["denoise"] is True
    both = farm("voices", "trim", "mother", "--json").json
    assert (both["preparation"]["trim"], both["preparation"]["denoise"]) == (True, True)
    farm("voices", "trim", "mother", "--undo")
    assert farm("voices", "denoise", "mother", "--undo", "--json").json["voice"] == plain["voice"]
    assert "engines hear 8.0 s of it" in farm("voices", "show", "mother").out


def test_it_is_renamed_removed_and_brought_back(farm: Terminal, mother: Path) -> None:
    farm("voices", "add", str(mother))
    farm("voices", "rename", "mother", "奶奶")
    assert farm("voices", "remove", "奶奶").code == 0
    assert farm("voices", "list", "--json").json["recordings"] == []
    farm("voices", "restore", "奶奶")
    assert [voice["name"] for voice in farm("voices", "list", "--json").json["recordings"]] == ["奶奶"]


def test_what_cannot_be_is_one_sentence_and_in_the_audit(
    farm: Terminal, begin: Begin, tmp_path: Path
) -> None:
    text = tmp_path / "book.txt"
    text.write_text("Once upon a time.")
    refused = farm("voices", "add", str(text))
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "book.txt is no sound file that is known here" in refused.err
    assert "There is no recording called nobody" in farm("voices", "trim", "nobody").err
    with begin() as session:
        assert [(entry.action, entry.status) for entry in audit.listed(session)] == [
            ("voices.prepare", 404),
            ("voices.create", 422),
        ]


def test_a_name_that_steers_a_terminal_is_no_name(farm: Terminal, mother: Path) -> None:
    assert "Give the voice a name" in farm("voices", "add", str(mother), "--name", "a\x1b[2J").err


def test_where_it_speaks_is_told(farm: Terminal, begin: Begin, mother: Path) -> None:
    farm("voices", "add", str(mother))
    with begin() as session:
        builders.project(session, title="红楼梦").cast = {"narrator": {"recording": row(begin).voice}}
    assert "speaks in  1 红楼梦" in farm("voices", "show", "mother").out


def test_a_voice_that_is_not_there_stops_a_book_before_it_is_read(
    farm: Terminal, tmp_path: Path, begin: Begin
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("Chapter 1\n\nOnce upon a time.")
    refused = farm("render", str(book), "-o", str(tmp_path / "book.m4b"), "--voice", "nobody")
    assert (refused.code, "There is no voice called nobody" in refused.err) == (1, True)


def test_the_same_name_for_another_recording_is_another_book() -> None:
    cast = {"cast": {"narrator": "Mother"}}
    asked = [
        oneshot.Request((Path("a"),), changes=cast, voices={"narrator": voice})
        for voice in ({"recording": "5e"}, {"recording": "a1"}, {"variant": "m3"}, {"variant": "f1"})
    ]
    keys = [request.key(["0"]) for request in asked]
    assert len(set(keys[:3])) == 3
    assert keys[2] == keys[3] == oneshot.Request((Path("a"),), changes=cast).key(["0"])
