"""Archives from strangers: names, sizes and links are checked, reading is bounded."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from farm.errors import BadManuscript
from farm.manuscript import archives
from farm.manuscript.archives import open_checked
from tests.manuscript.making import write_zip


def refusal(source: Path | io.BytesIO) -> str:
    with pytest.raises(BadManuscript) as caught:
        open_checked(source, "a.zip")
    return str(caught.value)


def with_name(path: Path, written: str, wanted: bytes) -> Path:
    """A zip whose member is called `wanted`, without the flag that says UTF-8."""
    content = write_zip(path, {written: "x"}).read_bytes()
    assert len(written) == len(wanted)
    path.write_bytes(content.replace(written.encode(), wanted))
    return path


def test_members_are_read_by_name(tmp_path: Path) -> None:
    with open_checked(write_zip(tmp_path / "a.zip", {"b/c.txt": "text", "empty/": ""}), "a.zip") as archive:
        assert archive.names == ("b/c.txt",)
        assert archive.read("b/c.txt") == b"text"
        with pytest.raises(BadManuscript, match=r"lacks d\.txt"):
            archive.read("d.txt")


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/passwd", "C:\\x.txt", "..\\up.txt"])
def test_names_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    assert "outside the archive" in refusal(write_zip(tmp_path / "a.zip", {name: "x"}))


def test_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    assert "symbolic link" in refusal(tmp_path / "a.zip")


def test_doubled_names_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"one.txt": "1", "two.txt": "2"})
    path.write_bytes(path.read_bytes().replace(b"two.txt", b"one.txt"))
    assert "twice" in refusal(path)


def test_locked_members_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"one.txt": "1"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert "password" in refusal(path)


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"zeros.txt": b"\0" * (80 << 20)})
    assert path.stat().st_size < 100_000
    assert "80 MB" in refusal(path)


def test_a_member_larger_than_it_says_is_not_unpacked_beyond_that(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"lies.txt": b"\0" * (1 << 20)})
    content = path.read_bytes().replace(struct.pack("<L", 1 << 20), struct.pack("<L", 10))
    path.write_bytes(content)
    with open_checked(path, "a.zip") as archive, pytest.raises(BadManuscript, match="damaged"):
        archive.read("lies.txt")


def test_a_member_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"large.txt": b"ab" * (1 << 20)})
    with open_checked(path, "a.zip") as archive, pytest.raises(BadManuscript, match="larger than 1 MB"):
        archive.read("large.txt", 1 << 20)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MEMBERS", 3)
    assert "4 files" in refusal(write_zip(tmp_path / "a.zip", {f"{n}.txt": "x" for n in range(4)}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_damaged(content: bytes) -> None:
    assert "damaged or incomplete" in refusal(io.BytesIO(content))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "a.zip", {"one.txt": "1" * 500, "two.txt": "2" * 500}).read_bytes()
    for length in range(1, len(whole), 7):
        assert "damaged" in refusal(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    ("name", "encoding"), [("第1讲.txt", "gbk"), ("第1讲.txt", "utf-8"), ("第１講義.txt", "gb18030")]
)
def test_names_without_the_utf_8_flag_are_read_in_their_encoding(
    tmp_path: Path, name: str, encoding: str
) -> None:
    raw = name.encode(encoding)
    path = with_name(tmp_path / "a.zip", "x" * len(raw), raw)
    with open_checked(path, "a.zip") as archive:
        assert archive.names == (name,)
        assert archive.read(name) == b"x"


def test_a_western_name_stays_as_it_is(tmp_path: Path) -> None:
    path = with_name(tmp_path / "a.zip", "caf?.txt", "café.txt".encode("cp437"))
    with open_checked(path, "a.zip") as archive:
        assert archive.names == ("café.txt",)


def test_a_file_without_a_name_is_damage(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x": b"text"})
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    with pytest.raises(BadManuscript, match="no name"):
        open_checked(path, "a.zip")
