"""A file from a person into a manuscript: chapters, and an account of everything that is in none."""

from pathlib import Path

from farm.errors import BadManuscript
from farm.manuscript.archives import open_checked
from farm.manuscript.docx import read_docx
from farm.manuscript.epub import read_epub
from farm.manuscript.headings import MOST_CHAPTERS
from farm.manuscript.kinds import HEAD_BYTES, ending, is_zip, kind_of_archive, refuse_foreign
from farm.manuscript.markdown import read_markdown
from farm.manuscript.parts import Manuscript
from farm.manuscript.txt import read_txt

FILE_BYTES = 200 << 20
"""The largest manuscript that is opened, pictures and all."""
TEXT_BYTES = 64 << 20
"""The largest plain text; a novel of a million Chinese characters has 3 MB."""


def read(path: Path, filename: str, *, encoding: str | None = None) -> Manuscript:
    """Read one manuscript that people call `filename`: by what it is and, for text, by its ending.

    `encoding` overrides the guess for plain text. Raises BadManuscript, with the remedy, for what is empty,
    too large, not text, damaged, protected, hostile or of a kind that is not read; Rejected for an unknown
    encoding.
    """
    check_size(path, filename, FILE_BYTES)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    refuse_foreign(filename, head)
    manuscript = _read_zip(path, filename) if is_zip(head) else _read_text(path, filename, encoding)
    if len(manuscript.chapters) > MOST_CHAPTERS:
        raise BadManuscript(
            "{name} has {n} chapters; {most} is the most. Split it into several books.",
            name=filename,
            n=len(manuscript.chapters),
            most=MOST_CHAPTERS,
        )
    return manuscript


def check_size(path: Path, filename: str, limit: int) -> None:
    """BadManuscript for an empty file and for one of more than `limit` bytes, before any of it is read."""
    size = path.stat().st_size
    if not size:
        raise BadManuscript("{name} is empty. Choose a file with text in it.", name=filename)
    if size > limit:
        raise BadManuscript(
            "{name} has {size_mb} MB; {limit_mb} MB is the most. Split it, or take out its pictures.",
            name=filename,
            size_mb=-(-size >> 20),
            limit_mb=limit >> 20,
        )


def _read_zip(path: Path, filename: str) -> Manuscript:
    """EPUB and DOCX are zip archives; which of them one is, its contents tell."""
    with open_checked(path, filename) as archive:
        kind = kind_of_archive(filename, archive.names)
    if kind == ".docx":
        return read_docx(path, filename)
    if kind == ".epub":
        return read_epub(path, filename)
    raise BadManuscript(
        "{name} is a zip archive, not a book. Choose a file out of it, or make it a course project.",
        name=filename,
    )


def _read_text(path: Path, filename: str, encoding: str | None) -> Manuscript:
    if ending(filename) in (".epub", ".docx"):
        raise BadManuscript("{name} is damaged or incomplete. Download or save it again.", name=filename)
    check_size(path, filename, TEXT_BYTES)
    read_content = read_markdown if ending(filename) in (".md", ".markdown") else read_txt
    return read_content(path.read_bytes(), filename, encoding)
