"""The boxes of an MP4 file: the index moved to the front, with cover and tags that FFmpeg cannot write."""

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from farm.errors import Rejected

PARENTS = (b"trak", b"mdia", b"minf", b"stbl", b"udta")
OFFSETS = {b"stco": ">u4", b"co64": ">u8"}
"""Tables of where the chunks lie in the file (ISO/IEC 14496-12)."""
JPEG, PNG, UTF8 = 13, 14, 1
"""Well-known data types of iTunes metadata."""

Edit = Callable[[bytes, bytes], bytes]


def finish(raw: Path, out: Path, cover: bytes | None, tags: Mapping[str, str]) -> None:
    """Write `raw`, whose index (`moov`) comes last, to `out` with the index first, cover and tags in it."""
    entries = b"".join(_freeform(name, value) for name, value in tags.items())
    if cover is not None:
        entries += _box(b"covr", _data(image_type(cover), cover))
    with raw.open("rb") as source, out.open("wb") as target:
        boxes = list(_top(source))
        moov = next(_read(source, start, end) for kind, start, end in boxes if kind == b"moov")[8:]
        moov = _edited(moov, lambda kind, body: body + entries if kind == b"ilst" else body)
        shift = len(moov) + 8
        moov = _edited(moov, lambda kind, body: _shifted(kind, body, shift))
        for kind, start, end in boxes:
            if kind != b"moov":
                source.seek(start)
                _copy(source, target, end - start)
            if kind == b"ftyp":
                target.write(_box(b"moov", moov))


def image_type(image: bytes) -> int:
    """JPEG or PNG. Raises Rejected for anything else."""
    if image.startswith(b"\xff\xd8\xff"):
        return JPEG
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    raise Rejected("The cover is neither JPEG nor PNG. Choose another picture.")


def _top(source: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each outermost box."""
    size_of_file = source.seek(0, 2)
    start = 0
    while start < size_of_file:
        size, kind = struct.unpack(">I4s", _read(source, start, start + 8))
        if size == 1:
            (size,) = struct.unpack(">Q", _read(source, start + 8, start + 16))
        yield kind, start, start + size
        start += size


def _edited(body: bytes, edit: Edit) -> bytes:
    """The children in `body`, each through `edit`, deepest first, with their sizes made right."""
    children, at = [], 0
    while at < len(body):
        size, kind = struct.unpack_from(">I4s", body, at)
        child = body[at + 8 : at + size]
        if kind in PARENTS:
            child = _edited(child, edit)
        elif kind == b"meta":
            child = child[:4] + _edited(child[4:], edit)
        children.append(_box(kind, edit(kind, child)))
        at += size
    return b"".join(children)


def _shifted(kind: bytes, body: bytes, shift: int) -> bytes:
    if kind not in OFFSETS:
        return body
    offsets = np.frombuffer(body, OFFSETS[kind], offset=8).astype(np.uint64) + np.uint64(shift)
    if kind == b"stco" and offsets.max(initial=0) >= 1 << 32:
        raise Rejected("The book is larger than 4 GiB. Bind it in more parts, or at a lower bit rate.")
    return body[:8] + offsets.astype(OFFSETS[kind]).tobytes()


def _freeform(name: str, value: str) -> bytes:
    mean = _box(b"mean", b"\0\0\0\0com.apple.iTunes")
    return _box(b"----", mean + _box(b"name", b"\0\0\0\0" + name.encode()) + _data(UTF8, value.encode()))


def _data(kind: int, value: bytes) -> bytes:
    return _box(b"data", struct.pack(">II", kind, 0) + value)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _read(source: BinaryIO, start: int, end: int) -> bytes:
    source.seek(start)
    return source.read(end - start)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        part = source.read(min(count, 1 << 20))
        target.write(part)
        count -= len(part)
