"""Markdown files: bytes to a manuscript, with chapters at the headings of the first and second level."""

import re
from collections.abc import Sequence
from dataclasses import replace

from farm.errors import BadManuscript
from farm.manuscript.blocks import Account, Block
from farm.manuscript.bounds import bounded
from farm.manuscript.encodings import decode
from farm.manuscript.headings import front_title, split_chapters
from farm.manuscript.junk import without_invisible
from farm.manuscript.languages import guess_language
from farm.manuscript.markdown_text import read_blocks
from farm.manuscript.naming import OWN_TITLE, from_filename
from farm.manuscript.numbering import chapter_oddities
from farm.manuscript.parts import Chapter, ChapterKind, Manuscript, Removed, visible
from farm.manuscript.sections import split_at_headings, to_chapter
from farm.manuscript.wrapping import split_lines
from farm.messages import Message

PROPERTIES = Message("Properties of the document (front matter)")
MARKS = Message("Markdown's marks: of headings, emphasis, lists, quotes and links, with the links' addresses")

_DEEPEST_CHAPTER = 2
_PROPERTIES = re.compile(r"\A---[ \t]*\n(?P<fields>(?:[^\n]*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_FIELD = re.compile(
    r"^(title|author|description)[ \t]*:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE | re.IGNORECASE
)


def read_markdown(content: bytes, filename: str, encoding: str | None = None) -> Manuscript:
    """Read a Markdown file. `encoding` overrides the guess.

    Raises BadManuscript for a file that is empty or not text, Rejected for an unknown encoding.
    """
    source, guess = decode(content, encoding, name=filename)
    account = Account()
    lines = split_lines(without_invisible(source, account), filename)
    text, fields = _without_properties("\n".join(lines), account)
    blocks, marks = read_blocks(text, filename, account)
    title, blocks = _without_book_title(blocks, account)
    if not any(block.text for block in blocks):
        raise BadManuscript("{name} has no text to read aloud. Choose another file.", name=filename)
    named, author = from_filename(filename)
    title = fields.get("title") or title or named
    language = guess_language("\n".join(block.text for block in blocks))
    whole, oddities = _chapters(blocks, account, title, language)
    chapters, cuts = bounded(whole, account)
    manuscript = Manuscript(
        title,
        fields.get("author") or author,
        language,
        chapters,
        visible(source),
        added=account.added,
        description=fields.get("description", ""),
        removed=account.removed,
        oddities=(*oddities, *chapter_oddities(whole), *cuts),
        encoding=guess,
    )
    return _with_marks(manuscript, marks)


def _without_properties(text: str, account: Account) -> tuple[str, dict[str, str]]:
    """The text below the YAML front matter, and the fields of it that are known."""
    found = _PROPERTIES.match(text)
    if not found or ":" not in found["fields"]:
        return text, {}
    account.drop(PROPERTIES, found[0])
    return text[found.end() :], {field[1].lower(): field[2] for field in _FIELD.finditer(found["fields"])}


def _without_book_title(blocks: list[Block], account: Account) -> tuple[str, list[Block]]:
    """The only heading of the first level names the book; it is no chapter if there are some below it."""
    first = [block for block in blocks if block.level == 1]
    if len(first) != 1:
        return "", blocks
    if all(block.level != _DEEPEST_CHAPTER for block in blocks):
        return first[0].text, blocks
    account.drop(OWN_TITLE, first[0].text)
    return first[0].text, [block for block in blocks if block.level != 1]


def _chapters(
    blocks: Sequence[Block], account: Account, title: str, language: str
) -> tuple[Sequence[Chapter], tuple[Message, ...]]:
    """By headings; by the words of the paragraphs where there are none of the first two levels."""
    if not any(0 < block.level <= _DEEPEST_CHAPTER for block in blocks):
        lines = [block.text for block in blocks if block.text]
        split = split_chapters(lines, account, title=title, language=language)
        return split.chapters, split.oddities
    shallow = [replace(block, level=0) if block.level > _DEEPEST_CHAPTER else block for block in blocks]
    front = front_title(language)
    made = [to_chapter(section, account, untitled=front) for section in split_at_headings(shallow)]
    chapters = [chapter for chapter in made if chapter]
    if chapters[0].title == front:
        chapters[0] = replace(chapters[0], kind=ChapterKind.FRONT)
    return chapters, ()


def _with_marks(manuscript: Manuscript, sample: str) -> Manuscript:
    """Marks are what nothing else accounts for: the parser does not give them back."""
    named = sum(part.characters for part in manuscript.removed)
    marks = manuscript.characters + manuscript.added - manuscript.kept - named
    removed = (*manuscript.removed, Removed(MARKS, marks, sample[:80])) if marks else manuscript.removed
    return replace(manuscript, removed=removed)
