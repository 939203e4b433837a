"""EPUB 2 and 3 into chapters: the spine gives the order, the table of contents the titles."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from farm.errors import BadManuscript
from farm.manuscript.archives import Archive, open_checked
from farm.manuscript.blocks import Account
from farm.manuscript.bounds import bounded
from farm.manuscript.epub_package import Package, cover_path, read_package
from farm.manuscript.epub_sections import Leaf, cut, is_silent
from farm.manuscript.headings import Split, split_chapters
from farm.manuscript.html_text import CONTENTS, read_page
from farm.manuscript.languages import guess_language
from farm.manuscript.markup import parse_page
from farm.manuscript.naming import from_filename
from farm.manuscript.numbering import chapter_oddities
from farm.manuscript.parts import Chapter, Cover, Manuscript, visible
from farm.manuscript.sections import Section, compose, to_chapter
from farm.messages import Message

COVER_BYTES = 20 << 20

_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
_LANGUAGES = ("zh", "en", "ja", "ko")
_NOTES = {"zh": "注释", "ja": "注", "ko": "주석", "en": "Notes"}
_UNTITLED = {"zh": "前言", "ja": "前付", "ko": "머리말", "en": "Front matter"}
_HEADING_OF_A_CONTENTS_PAGE = 200
"""Characters that may stand in a navigation document beside its lists."""


def read_epub(path: Path, filename: str) -> Manuscript:
    """Read an EPUB 2 or 3; BadManuscript when it is damaged, protected, hostile or without words."""
    account = Account()
    oddities: list[Message] = []
    with open_checked(path, filename) as archive:
        package = read_package(archive)
        leaves = _leaves(archive, package, account, oddities)
        cover = _cover(archive, package, oddities)
    language = _language(package.language, leaves, oddities)
    sections = cut(package.contents, leaves, oddities)
    whole = [*_chapters(sections, package, language, account), *_notes(leaves, language, account)]
    if not whole:
        raise BadManuscript(
            "{name} has no text, only pictures or nothing at all. Choose a book with text in it.",
            name=filename,
        )
    chapters, cuts = bounded(whole, account)
    title, author = from_filename(filename)
    return Manuscript(
        title=package.title or title,
        author=package.author or author,
        language=language,
        chapters=chapters,
        characters=sum(leaf.page.characters for leaf in leaves),
        added=account.added,
        description=package.description,
        cover=cover,
        removed=account.removed,
        oddities=(*oddities, *chapter_oddities(whole), *cuts),
    )


def _leaves(archive: Archive, package: Package, account: Account, oddities: list[Message]) -> list[Leaf]:
    leaves, missing = [], []
    by_small_letters = {name.lower(): name for name in archive.names}
    for item in package.spine:
        member = by_small_letters.get(item.path.lower(), "")
        if not member or not item.is_text:
            missing.append(item.path)
            continue
        page = read_page(parse_page(archive.read(member), archive.name, member), account, archive.name)
        leaf = Leaf(item.path, item.linear, page)
        leaves.append(_without_contents(leaf, account) if item.path == package.nav else leaf)
    if missing:
        oddities.append(
            Message(
                "The book lists {n} files that are missing or are not text: {names}.",
                {"n": len(missing), "names": ", ".join(missing[:5])},
            )
        )
    return leaves


def _without_contents(leaf: Leaf, account: Account) -> Leaf:
    """The navigation document, unless it is also a page with text of its own."""
    words = "".join(block.text for block in leaf.page.blocks)
    if visible(words) > _HEADING_OF_A_CONTENTS_PAGE:
        return leaf
    account.drop(CONTENTS, words)
    return leaf.emptied()


def _chapters(
    sections: Sequence[Section], package: Package, language: str, account: Account
) -> list[Chapter]:
    if not any(section.listed for section in sections):
        return _chapters_by_words(sections, package, language, account)
    untitled = _UNTITLED[language]
    chapters = (to_chapter(section, account, book=package.title, untitled=untitled) for section in sections)
    return [chapter for chapter in chapters if chapter]


def _chapters_by_words(
    sections: Sequence[Section], package: Package, language: str, account: Account
) -> list[Chapter]:
    """With neither contents nor headings: by paragraphs that read like headings, else a chapter each file."""
    read = [section for section in sections if section.linear and not is_silent(section.blocks)]
    trial = Account()
    lines = compose((block for section in read for block in section.blocks), trial).splitlines()
    split = (
        split_chapters(lines, trial, title=package.title or "1", language=language) if lines else Split(())
    )
    if len(split.chapters) > 1 or len(read) == 1:
        account.merge(trial)
        rest = [section for section in sections if section not in read]
        return [*split.chapters, *_numbered(rest, account)]
    return _numbered(sections, account)


def _numbered(sections: Iterable[Section], account: Account) -> list[Chapter]:
    chapters: list[Chapter] = []
    for section in sections:
        if chapter := to_chapter(section, account, untitled=str(len(chapters) + 1)):
            chapters.append(chapter)
    return chapters


def _notes(leaves: Sequence[Leaf], language: str, account: Account) -> list[Chapter]:
    """All footnotes of the book, as one chapter that is not ticked."""
    blocks = [block for leaf in leaves for block in leaf.page.notes]
    notes = to_chapter(Section(blocks=blocks, linear=False), account, untitled=_NOTES[language])
    return [notes] if notes else []


def _language(declared: str, leaves: Sequence[Leaf], oddities: list[Message]) -> str:
    """What the text is written in: what is declared is often a default of the program that made the book."""
    guess = guess_language("\n".join(block.text for leaf in leaves for block in leaf.page.blocks))
    code = declared.replace("_", "-").partition("-")[0].lower()
    if guess == "zh" and code == "ja":
        return "ja"
    if guess == "en" and code and code not in (*_LANGUAGES, "und", "mul"):
        oddities.append(
            Message(
                "The book is in {language}, which is not supported: it is read as English.",
                {"language": declared},
            )
        )
    return guess


def _cover(archive: Archive, package: Package, oddities: list[Message]) -> Cover | None:
    path = cover_path(archive, package)
    if not path:
        return None
    try:
        content = archive.read(path, COVER_BYTES)
    except BadManuscript:  # a book can do without
        content = b""
    for magic, media_type in _PICTURES:
        if content.startswith(magic):
            return Cover(content, media_type)
    oddities.append(
        Message("The cover is missing, too large or not a JPEG or PNG picture. Choose another one.")
    )
    return None
