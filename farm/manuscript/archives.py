"""Zip archives from strangers: checked before anything is read, and read within bounds."""

import lzma
import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self
from urllib.parse import unquote, urlsplit

from farm.errors import BadManuscript

MEMBERS = 20_000
MEMBER_BYTES = 64 << 20
"""The largest member that is read; larger ones (a film) may lie in an archive unread."""
TOTAL_BYTES = 2 << 30
"""What all members together may unpack to."""
BOMB_BYTES = 64 << 20
BOMB_RATIO = 150
"""Text seldom packs better than 10 : 1; deflate cannot do better than 1032 : 1."""

_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_DAMAGE = (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)
_EAST_ASIAN = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]")


class Archive:
    """A checked zip archive; `names` are its files, in the archive's order, always with forward slashes."""

    def __init__(self, zipped: zipfile.ZipFile, name: str) -> None:
        self.name = name
        self._zipped = zipped
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in zipped.infolist():
            self._admit(info)
        self._check_size()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zipped.close()

    def read(self, member: str, limit: int = MEMBER_BYTES) -> bytes:
        """Unpack one member; BadManuscript when it is missing, damaged or larger than `limit` bytes."""
        info = self._members.get(member)
        if info is None:
            raise BadManuscript(
                "{name} lacks {member}, which it refers to. Save or download it again.",
                name=self.name,
                member=member,
            )
        with _damage_named(self.name), self._zipped.open(info) as stream:
            content = stream.read(limit + 1)
        if len(content) > limit:
            raise BadManuscript(
                "{member} in {name} is larger than {limit_mb} MB. Split it into smaller files.",
                name=self.name,
                member=member,
                limit_mb=limit >> 20,
            )
        return content

    def _admit(self, info: zipfile.ZipInfo) -> None:
        member = _true_name(info).replace("\\", "/")
        if not member:
            raise BadManuscript("{name} is damaged: a file in it has no name. Save it again.", name=self.name)
        path = PurePosixPath(member)
        if path.is_absolute() or ".." in path.parts or member[1:2] == ":" or "\0" in member:
            raise BadManuscript(
                "{name} contains a file that points outside the archive ({member}). Pack it again.",
                name=self.name,
                member=member,
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise BadManuscript(
                "{name} contains a symbolic link ({member}). Pack the file itself.",
                name=self.name,
                member=member,
            )
        if member.endswith("/"):
            return
        if info.flag_bits & _ENCRYPTED:
            raise BadManuscript("{name} is locked with a password. Pack it without one.", name=self.name)
        if member in self._members:
            raise BadManuscript(
                "{name} contains {member} twice. Pack it again.", name=self.name, member=member
            )
        self._members[member] = info

    def _check_size(self) -> None:
        if len(self._members) > MEMBERS:
            raise BadManuscript(
                "{name} contains {n} files; {most} is the most that is read. Split it.",
                name=self.name,
                n=len(self._members),
                most=MEMBERS,
            )
        unpacked = sum(info.file_size for info in self._members.values())
        packed = sum(info.compress_size for info in self._members.values())
        if unpacked > TOTAL_BYTES or (unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed):
            raise BadManuscript(
                "{name} would unpack from {packed_mb} MB to {unpacked_mb} MB, which no manuscript needs. "
                "Choose another file.",
                name=self.name,
                packed_mb=packed >> 20,
                unpacked_mb=unpacked >> 20,
            )


def open_checked(source: Path | IO[bytes], name: str) -> Archive:
    """Open a zip archive whose names, sizes and compression are harmless; BadManuscript otherwise.

    `name` is what people call the file. Its directory can lie about sizes: `Archive.read` is bounded too.
    """
    with _damage_named(name):
        zipped = zipfile.ZipFile(source)
    try:
        return Archive(zipped, name)
    except BadManuscript:
        zipped.close()
        raise


def resolve(base: str, href: str) -> tuple[str, str]:
    """The archive path and the fragment that `href` in a file of folder `base` leads to."""
    try:
        parts = urlsplit(href.strip())
    except ValueError:  # such as http://[
        return "", ""
    if parts.scheme or parts.netloc:
        return "", ""
    path = posixpath.normpath(posixpath.join(base, unquote(parts.path))) if parts.path else ""
    return path.lstrip("/"), unquote(parts.fragment)


@contextmanager
def _damage_named(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as e:
        raise BadManuscript("{name} is damaged or incomplete. Download or save it again.", name=name) from e
    except (NotImplementedError, RuntimeError) as e:
        raise BadManuscript(
            "{name} is packed in a way that cannot be read. Pack it as a plain zip.", name=name
        ) from e


def _true_name(info: zipfile.ZipInfo) -> str:
    """The member's name in its own encoding: zips made in China seldom say that theirs is GBK."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:  # newer Pythons read the true name from an extra field
        return info.filename
    return _decoded(raw, "utf-8") or _decoded(raw, "gb18030") or info.filename


def _decoded(raw: bytes, encoding: str) -> str | None:
    """`raw` in that encoding, if that makes sense: East Asian, unless it is UTF-8."""
    try:
        name = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    foreign = [character for character in name if not character.isascii()]
    sensible = encoding == "utf-8" or all(_EAST_ASIAN.match(character) for character in foreign)
    return name if sensible else None
