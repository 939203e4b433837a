"""Uploads: bounded, named safely, hashed, never half kept."""

import hashlib
import io
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from dashboard.uploads import LONGEST_NAME, safe_name
from farm import projects

NEW = "/api/v1/projects"
MIB = 2**20


def send(script: FlaskClient, *files: tuple[bytes, str], **fields: str) -> Any:
    body, kind = form(*files, **fields)
    return script.post(NEW, data=body, content_type=kind)


def form(*files: tuple[bytes, str], **fields: str) -> tuple[bytes, str]:
    """A form's body and content type."""
    values: Any = {"files": [FileStorage(io.BytesIO(content), name) for content, name in files], **fields}
    boundary, body = encode_multipart(values)
    return body, f"multipart/form-data; boundary={boundary}"


def stored(have: Belongings) -> list[str]:
    return [found.name for found in have.store.list("uploads/")]


def test_a_book_is_stored_hashed_and_read_at_once(script: FlaskClient, have: Belongings) -> None:
    content = "第一回 甄士隐\n".encode("gb18030") * 40_000  # more than is held in memory
    answer = send(script, (content, "红楼梦.txt"), encoding="gb18030")
    assert answer.status_code == 201, answer.json
    assert (answer.json["state"], answer.json["title"], answer.json["engine"]) == (
        "importing",
        "红楼梦",
        "preview",
    )
    with have.begin() as session:
        (source,) = projects.sources(session, answer.json["id"])
        assert projects.find(session, answer.json["id"]).owner_id is not None
    assert (source.filename, source.encoding, source.size) == ("红楼梦.txt", "gb18030", len(content))
    assert source.sha256 == hashlib.sha256(content).hexdigest()
    assert have.store.read(source.object, MIB) == content


def test_a_course_is_several_files_in_order(script: FlaskClient, have: Belongings) -> None:
    answer = send(script, (b"one", "1.md"), (b"two", "2.md"), kind="course")
    assert (answer.status_code, answer.json["kind"]) == (201, "course")
    with have.begin() as session:
        found = projects.sources(session, answer.json["id"])
    assert [(source.position, source.filename) for source in found] == [(0, "1.md"), (1, "2.md")]


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        ([], {}),
        ([(b"", "empty.txt")], {}),
        ([(b"x", "a.txt"), (b"", "empty.txt")], {"kind": "course"}),
        ([(b"x", "a.txt"), (b"y", "b.txt")], {"kind": "book"}),
        ([(b"x", "a.txt")], {"kind": "podcast"}),
        ([(b"x", "a.txt")], {"title": "not asked for"}),
        ([(b"x", "a.txt")], {"encoding": "utf\0"}),
        ([(b"x", "a.txt")], {"engine": "e" * 101}),
        ([(b"x", f"{n}.txt") for n in range(501)], {"kind": "course"}),
    ],
)
def test_what_cannot_become_a_project_leaves_none(
    script: FlaskClient, files: list[tuple[bytes, str]], fields: dict[str, str]
) -> None:
    answer = send(script, *files, **fields)
    assert answer.status_code == 422, answer.json
    assert answer.json["error"]
    assert script.get(NEW).json == []


def test_files_in_another_field_are_not_dropped_silently(script: FlaskClient) -> None:
    answer: Any = script.post(NEW, data={"files": (io.BytesIO(b"x"), "a"), "cover": (io.BytesIO(b"x"), "b")})
    assert (answer.status_code, "cover" in answer.json["error"]) == (422, True)


def test_too_large_a_file_is_refused_by_its_length_before_it_is_read(
    script: FlaskClient, have: Belongings
) -> None:
    kind = "multipart/form-data; boundary=b"
    answer: Any = script.post(NEW, content_type=kind, environ_overrides={"CONTENT_LENGTH": str(2**31)})
    assert answer.status_code == 413
    assert "larger than the 1 MiB" in answer.json["error"]
    answer = send(script, (bytes(2 * MIB), "a.txt"))
    assert (answer.status_code, stored(have)) == (413, [])


def test_a_file_without_a_length_is_refused_when_it_has_grown_too_large(
    script: FlaskClient, have: Belongings
) -> None:
    body, kind = form((b"x" * 4 * MIB, "a.txt"))
    read = Counting(io.BytesIO(body))
    chunked = {"wsgi.input": read, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer: Any = script.post(NEW, content_type=kind, environ_overrides=chunked)
    assert answer.status_code == 413
    assert read.count < 2 * MIB
    assert stored(have) == []


class Counting(io.RawIOBase):
    """How much was read of a stream."""

    def __init__(self, source: Any) -> None:
        self.source, self.count = source, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.source.read(len(buffer))
        buffer[: len(part)] = part
        self.count += len(part)
        return len(part)


def test_a_form_that_is_broken_off_or_none_is_refused(script: FlaskClient, have: Belongings) -> None:
    broken = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf of'
    for body, kind in (
        (broken, "multipart/form-data; boundary=b"),
        (broken, "multipart/form-data"),
        (b"x", "text/plain"),
        (b'{"files": ["x"]}', "application/json"),
    ):
        answer: Any = script.post(NEW, data=body, content_type=kind)
        assert answer.status_code in (400, 422), (body, kind)
        assert answer.json["error"]
    assert stored(have) == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[None]:
    """Temporary files go where nothing can be written: the kernel's own full device."""
    usual = tempfile.TemporaryFile

    def full(*_: Any, **__: Any) -> Any:
        return open("/dev/full", "wb+", buffering=0)

    patch = pytest.MonkeyPatch()
    patch.setattr(tempfile, "TemporaryFile", full)
    yield
    patch.undo()
    assert tempfile.TemporaryFile is usual


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_said_and_can_be_tried_again(script: FlaskClient) -> None:
    answer = send(script, (bytes(900_000), "a.txt"))
    assert answer.status_code == 503
    assert "full" in answer.json["error"]
    assert script.get(NEW).json == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\book.epub", "book.epub"),
        ("a\x00b\x1b[31m.txt", "ab[31m.txt"),
        ("\u202etxt.exe", "txt.exe"),
        ("..", "manuscript"),
        ("/", "manuscript"),
        ("  ", "manuscript"),
        ("字" * 200 + ".epub", "字" * 83 + ".epub"),
        ("." * 300, "manuscript"),
    ],
)
def test_only_what_is_harmless_of_a_name_is_kept(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@given(st.text())
def test_any_name_becomes_one_that_any_system_can_write(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST_NAME
    assert not set(safe) & set("/\\")
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in safe)
    assert safe_name(safe) == safe


def test_a_hostile_name_travels_through_the_whole_form(script: FlaskClient, have: Belongings) -> None:
    answer = send(script, (b"x", "../../x/\u202eevil\x07.txt"))
    assert answer.status_code == 201
    with have.begin() as session:
        (source,) = projects.sources(session, answer.json["id"])
    assert source.filename == "evil.txt"
    assert source.object.startswith("uploads/")


def test_uploads_are_limited_by_the_minute_and_say_so(script: FlaskClient) -> None:
    statuses = [script.post(NEW).status_code for _ in range(61)]
    assert statuses == [422] * 60 + [429]
    assert script.post(NEW).json["error"]  # type: ignore[index]
    assert script.get(NEW).status_code == 200


def test_a_project_asks_for_the_farms_engine_whatever_its_options(have: Belongings, token: str) -> None:
    app = create_app(replace(have, settings=replace(have.settings, engine="simulated:speed=9,batch=2")))
    script = app.test_client()
    script.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    made = send(script, (b"A lamp.", "lamp.txt"))
    app.extensions[NAME].broadcaster.stop()
    assert made.json["engine"] == "simulated"
