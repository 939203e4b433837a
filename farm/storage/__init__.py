"""The port of object storage: whole objects under plain names, in a folder or in S3."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Protocol, Self, TypeVar
from urllib.parse import quote

from farm.errors import NotFound, Rejected, ServiceDown, Transient

CHUNK = 64 * 1024  # bytes held in memory for one streamed object

_SEGMENT = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,254}")
_LONGEST_NAME = 512  # bytes; a segment is a file's name, which ends at 255

_MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".aac": "audio/aac",
    ".aiff": "audio/aiff",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".webm": "audio/webm",
    ".vtt": "text/vtt",
    ".srt": "application/x-subrip",
    ".json": "application/json",
    ".zip": "application/zip",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """An object as its store lists it. `size` in bytes; `modified` is aware, in UTC."""

    name: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Upload:
    """Leave to write one object of an exact size, once handed out good without any key. Travels as JSON."""

    method: str
    url: str
    headers: Mapping[str, str]


class Body:
    """The bytes of an object or a range of it: iterate, then close. A body that ends early is Transient."""

    def __init__(self, length: int, read: Callable[[int], bytes], close: Callable[[], object]) -> None:
        self.length = length
        self._left = length
        self._read = read
        self._close = close

    def read(self, most: int = CHUNK) -> bytes:
        """At most `most` bytes; empty at the end."""
        if self._left == 0:
            return b""
        chunk = self._read(min(most, self._left))
        if not chunk:
            raise Transient("The storage sent {missing} bytes too few. Try again.", missing=self._left)
        self._left -= len(chunk)
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Store(Protocol):
    """Objects are whole or absent, and replaced atomically. A name outside the rule of `checked` is Rejected;
    a store that does not answer is ServiceDown, one that is busy or full Transient."""

    def put(self, name: str, source: Path | bytes | BinaryIO, content_type: str | None = None) -> None:
        """Write the object. Readers see the old or the new, whole; a source that raises leaves the old.

        A stream is read from where it stands to its end, and may be closed after that.
        """
        ...

    def read(self, name: str, limit: int) -> bytes:
        """The whole of a small object. Raises NotFound, and Rejected when it has more than `limit` bytes."""
        ...

    def open(self, name: str, start: int = 0, end: int | None = None) -> Body:
        """Bytes `start` up to and without `end` (cut at the object's end), as they were when opened.

        Raises NotFound, and Rejected when `start` lies behind the object's end.
        """
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Copy to a local file, which appears whole or not at all. Raises NotFound."""
        ...

    def head(self, name: str) -> Stored:
        """Raises NotFound."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete what is there of `names`."""
        ...

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Every object whose name starts with these characters, in no order; deleting meanwhile is fine."""
        ...

    def upload_url(self, name: str, size: int, expires_s: int) -> Upload:
        """Leave to write `size` bytes under `name`, for whoever holds it."""
        ...

    def download_url(self, name: str, expires_s: int, download_as: str | None = None) -> str:
        """An address that anyone may read `name` from; with `download_as`, a browser saves it so named."""
        ...

    def check(self) -> None:
        """Write, read, list and delete one small object. Raises ServiceDown with the remedy."""
        ...


def is_name(name: str) -> bool:
    """Whether `name` is a relative path of letters, digits and ._=- , with no hidden or empty segment."""
    return len(name) <= _LONGEST_NAME and all(_SEGMENT.fullmatch(part) for part in name.split("/"))


def checked(name: str) -> str:
    """`name` itself, when it may name an object. Raises Rejected otherwise."""
    if not is_name(name):
        raise Rejected(
            "“{name}” cannot name an object: use letters, digits and . _ = - in parts joined by /, "
            "no part beginning with a dot, at most 512 characters.",
            name=name[:80],
        )
    return name


def media_type(name: str) -> str:
    """The content type of an object, by the end of its name."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def whole(name: str, body: Body, limit: int) -> bytes:
    """All of `body`, closed. Raises Rejected when it has more than `limit` bytes."""
    with body:
        if body.length > limit:
            raise Rejected(
                "{name} has {size} bytes, more than the {limit} that are read at once.",
                name=name,
                size=body.length,
                limit=limit,
            )
        return b"".join(body)


def behind_its_end(name: str, size: int, start: int) -> Rejected:
    """What `open` raises for such a start."""
    return Rejected("{name} ends at byte {size}, before byte {start}.", name=name, size=size, start=start)


def attachment(file_name: str) -> str:
    """The Content-Disposition by which a browser saves a file under any name (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def round_trip(store: Store) -> None:
    """Write, read, list and delete one small object, as every store's `check`."""
    name, content = f"check/{uuid.uuid4().hex}", uuid.uuid4().bytes
    store.put(name, content)
    try:
        same = store.read(name, limit=CHUNK) == content and [found.name for found in store.list(name)] == [
            name
        ]
    except NotFound:
        same = False
    finally:
        store.delete([name])
    if not same:
        raise ServiceDown(
            "The storage forgot or changed an object that was just written. "
            "Check that FARM_STORE_URL names one store, not a cache in front of it."
        )
