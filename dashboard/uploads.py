"""Uploads: streamed to the disk within a bound, named safely, hashed, put in the store."""

import hashlib
import re
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from flask import Request, current_app, request
from werkzeug.datastructures import FileStorage

from dashboard.belongings import Belongings, belongings
from farm import recordings as voices
from farm.audio.cleaning import Preparation
from farm.errors import Rejected
from farm.importing import COVERS
from farm.projects import Upload
from farm.settings import Settings
from farm.storage import Store
from farm.storage.disk import disk_errors
from farm.sweep import UPLOADS

MIB = 2**20
LARGEST_REQUEST = 2 * MIB  # of any that uploads no file
LARGEST_COVER = 10 * MIB
LONGEST_NAME = 255  # bytes
MOST_FILES = 500
RECORDINGS = "30 per minute"
_BESIDE = 256 * 1024  # bytes of a form that are not in its files
_COVERS = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}

View = TypeVar("View", bound=Callable[..., Any])


def takes(most: Callable[[Settings], int]) -> Callable[[View], View]:
    """Let a view's requests be as large as `most` of the settings, in bytes."""

    def mark(view: View) -> View:
        view.most_bytes = most  # type: ignore[attr-defined]
        return view

    return mark


def manuscripts(settings: Settings) -> int:
    return settings.upload_limit_mb * MIB + _BESIDE


def recordings(_settings: Settings) -> int:
    return voices.LARGEST + _BESIDE


def covers(_settings: Settings) -> int:
    return LARGEST_COVER


class BoundedRequest(Request):
    """A request that is bounded before anyone reads it, and whose files may meet a full disk."""

    @property  # type: ignore[misc]
    def max_content_length(self) -> int | None:  # type: ignore[override]
        view = current_app.view_functions.get(self.endpoint or "")
        most: Callable[[Settings], int] | None = getattr(view, "most_bytes", None)
        return most(belongings().settings) if most else LARGEST_REQUEST

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._spooled: list[IO[bytes]] = []

    def _load_form_data(self) -> None:
        with disk_errors(Path(tempfile.gettempdir())):
            super()._load_form_data()

    def _get_file_stream(self, *args: Any, **options: Any) -> IO[bytes]:
        stream = super()._get_file_stream(*args, **options)
        self._spooled.append(stream)
        return stream

    def close(self) -> None:
        """Close what was uploaded, also when it was refused half way; a full disk may say so once more."""
        for stream in self._spooled:
            with suppress(OSError):
                stream.close()


def keep(store: Store, files: Sequence[FileStorage]) -> list[Upload]:
    """Put uploaded manuscripts into the store. Raises Rejected for none, too many or an empty one."""
    if not files or len(files) > MOST_FILES:
        raise Rejected("Send from 1 to {most} files in the field “files”.", most=MOST_FILES)
    return [keep_one(store, file) for file in files]


def keep_one(store: Store, file: FileStorage) -> Upload:
    name = safe_name(file.filename or "")
    digest = hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]
    size = file.stream.tell()
    if not size:
        raise Rejected("{name} is empty. Choose a file with text in it.", name=name)
    file.stream.seek(0)
    stored = f"{UPLOADS}/{uuid.uuid4().hex}"
    store.put(stored, file.stream)  # type: ignore[arg-type]
    return Upload(name, stored, size, digest)


def keep_recording(
    have: Belongings,
    file: FileStorage | None,
    *,
    name: str,
    trim: bool,
    denoise: bool,
    consent: bool,
    by: str,
    sentence: str,
) -> int:
    """Add a recording of a voice; its id. `sentence`: what `consent` agrees to. Raises Rejected, Conflict."""
    if file is None or not file.filename:
        raise Rejected("Choose a sound file, or record one.")
    filename = safe_name(file.filename)
    return voices.add(
        have.begin,
        have.store,
        file.stream,  # type: ignore[arg-type]
        filename,
        name=name or Path(filename).stem[: voices.LONGEST_NAME],
        by=by,
        wanted=Preparation(trim, denoise),
        agreed=sentence if consent else None,
    )


def safe_name(given: str) -> str:
    """What a file is called: the last part of a path, nothing invisible, its ending kept, 255 bytes at most.

    >>> safe_name("../../etc/红楼梦\\u202e.txt"), safe_name("C:\\\\books\\\\a.epub"), safe_name("/..")
    ('红楼梦.txt', 'a.epub', 'manuscript')
    """
    base = re.split(r"[/\\]", given)[-1]
    plain = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs"}).strip()
    if not plain.strip("."):
        return "manuscript"
    stem, dot, ending = plain.rpartition(".")
    if not stem or len(ending) > 10:
        stem, dot, ending = plain, "", ""
    room = LONGEST_NAME - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


def keep_cover(store: Store, project_id: int) -> str:
    """Put the picture that the request's body is into the store; its object. Raises Rejected."""
    content = request.get_data(cache=False)
    ending = next((ending for magic, ending in _COVERS.items() if content.startswith(magic)), None)
    if ending is None:
        raise Rejected("A cover is a JPEG or PNG picture. Save it as one and choose it again.")
    stored = f"{COVERS}/{project_id}.{uuid.uuid4().hex}.{ending}"
    store.put(stored, content)
    return stored
