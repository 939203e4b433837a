"""The one door: by content and ending, within bounds, and never a stack trace for a bad file."""

from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import farm.manuscript
from farm.errors import BadManuscript, Rejected
from farm.manuscript import read
from tests.manuscript.making import page, write_epub, write_zip

DATA = Path(__file__).parents[1] / "data"


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusal(path: Path, filename: str) -> str:
    with pytest.raises(BadManuscript) as caught:
        read(path, filename)
    assert filename in str(caught.value)
    return str(caught.value)


def test_each_kind_is_read(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    document.add_paragraph("Word.")
    document.save(str(tmp_path / "a.docx"))
    epub = write_epub(tmp_path / "a.epub", {"a.xhtml": page("<h1>One</h1><p>Book.</p>")})
    markdown = made(tmp_path / "a.md", b"# One\n\nMarks.\n")
    assert read(tmp_path / "a.docx", "a.docx").chapters[0].text == "Word."
    assert read(epub, "a.epub").chapters[0].text == "Book."
    assert read(markdown, "a.md").chapters[0].text == "Marks."


def test_a_chinese_novel_has_its_chapters() -> None:
    book = read(DATA / "hongloumeng-1-12.gb18030.txt", "hongloumeng-1-12.gb18030.txt")
    assert len(book.chapters) == 12
    assert book.encoding is not None
    assert book.encoding.name == "gb18030"
    assert book.accounted


def test_a_book_under_a_wrong_ending_is_read_for_what_it_is(tmp_path: Path) -> None:
    epub = write_epub(tmp_path / "a", {"a.xhtml": page("<h1>One</h1><p>Book.</p>")})
    for name in ("a.txt", "a.docx", "a.zip", "a"):
        assert read(epub, name).chapters[0].text == "Book."


def test_the_encoding_can_be_chosen(tmp_path: Path) -> None:
    path = made(tmp_path / "a.txt", "第一章\n話說當日。".encode("big5hkscs"))
    assert read(path, "a.txt", encoding="big5hkscs").chapters[0].text == "話說當日。"
    with pytest.raises(Rejected):
        read(path, "a.txt", encoding="no such")


@pytest.mark.parametrize(
    ("filename", "content", "said"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "PDF"),
        ("a.txt", b"%PDF-1.7 ...", "PDF"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "Word"),
        ("a.doc", b"plain", "Word"),
        ("a.azw3", b"x" * 60 + b"BOOKMOBI", "Kindle"),
        ("a.mobi", b"x", "Kindle"),
        ("a.txt", b"Rar!\x1a\x07", "RAR"),
        ("a.rtf", b"{\\rtf1 x}", "RTF"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "JPEG"),
        ("a.exe", b"words", "kind that cannot be read"),
        ("noending", b"words", "kind that cannot be read"),
        ("a.epub", b"words", "damaged"),
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t ", "empty"),
        ("a.txt", bytes(range(256)) * 40, "not text"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, filename: str, content: bytes, said: str
) -> None:
    assert said in refusal(made(tmp_path / "file", content), filename)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a", {"one.txt": "x"})
    assert "course" in refusal(path, "a.txt")
    assert "course" in refusal(path, "a.zip")


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    assert "2048 MB" in refusal(path, "huge.txt")
    with path.open("r+b") as file:
        file.write(b"words ")
        file.truncate(farm.manuscript.TEXT_BYTES + 1)
    assert "64 MB is the most" in refusal(path, "huge.txt")


def test_a_book_of_too_many_chapters_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farm.manuscript, "MOST_CHAPTERS", 5)
    path = write_epub(tmp_path / "a.epub", {"a.xhtml": page("<h1>One</h1><p>x</p>" * 6)})
    assert "6 chapters" in refusal(path, "a.epub")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5000), st.binary(min_size=1, max_size=40), st.sampled_from(["a.epub", "a.docx", "a.txt"])
)
def test_damage_anywhere_is_a_refusal_or_a_book(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes, filename: str
) -> None:
    small = write_epub(
        tmp_path_factory.mktemp("any") / "file", {"a.xhtml": page("<h1>One</h1><p>Some words.</p>" * 20)}
    )
    content = small.read_bytes()
    place = at % len(content)
    small.write_bytes(content[:place] + damage + content[place + len(damage) :])
    try:
        assert read(small, filename).accounted
    except BadManuscript as e:
        assert filename in str(e)  # noqa: PT017


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.md", "a.epub", "a.docx", "a.zip"]))
def test_any_bytes_are_a_refusal_or_a_book(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, filename: str
) -> None:
    path = made(tmp_path_factory.mktemp("any") / "file", content)
    try:
        assert read(path, filename).accounted
    except BadManuscript as e:
        assert filename in str(e)  # noqa: PT017
