"""What a manuscript is once it has been read: chapters, and an account of everything that was left out."""

from dataclasses import dataclass
from enum import StrEnum

from farm.messages import Message


class ChapterKind(StrEnum):
    FRONT = "front"  # title page, dedication, preface: text before the first chapter
    CHAPTER = "chapter"
    BACK = "back"  # notes, colophon, licence


@dataclass(frozen=True)
class Chapter:
    """One chapter or lesson. In `text` a newline ends a paragraph; the line `* * *` is a scene break."""

    title: str
    text: str
    volume: str = ""
    kind: ChapterKind = ChapterKind.CHAPTER
    included: bool = True
    """Ticked on the review page to begin with."""


@dataclass(frozen=True)
class Removed:
    """Source text that is not in any chapter. `characters` counts what is not white space."""

    reason: Message
    characters: int
    sample: str
    """The first of it, at most 80 characters."""


@dataclass(frozen=True)
class EncodingGuess:
    """How the bytes of a text file were read."""

    name: str
    """utf-8, gb18030, big5hkscs, utf-16-le, utf-16-be"""
    replaced: int
    """Characters that could not be decoded and became U+FFFD."""
    sample: str
    """200 characters of the text as read."""


@dataclass(frozen=True)
class Cover:
    content: bytes
    media_type: str
    """image/jpeg or image/png"""


@dataclass(frozen=True)
class Manuscript:
    """What was read from a file.

    `characters` counts every character of the source's text that is not white space; it equals what the
    chapters keep (titles and texts) plus what `removed` lists. `added` counts characters of chapters that the
    source's text does not have (a title known from the table of contents only).
    """

    title: str
    author: str
    language: str
    """zh, en, ja, ko: what most of the text is written in."""
    chapters: tuple[Chapter, ...]
    characters: int
    added: int = 0
    description: str = ""
    cover: Cover | None = None
    removed: tuple[Removed, ...] = ()
    oddities: tuple[Message, ...] = ()
    encoding: EncodingGuess | None = None

    @property
    def kept(self) -> int:
        return sum(visible(chapter.title) + visible(chapter.text) for chapter in self.chapters)

    @property
    def accounted(self) -> bool:
        """Whether every character of the source is kept or listed as removed."""
        return self.characters + self.added == self.kept + sum(part.characters for part in self.removed)


def visible(text: str) -> int:
    """How many characters of `text` are not white space."""
    return sum(map(len, text.split()))
