"""Chapters of a size that everything downstream can hold."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from farm.manuscript.blocks import Account
from farm.manuscript.parts import Chapter
from farm.messages import Message

LONGEST_CHAPTER = 200_000
"""Characters, about ten hours of Chinese."""

_CLOSERS = "”’」』）)\"'"
_SENTENCE_END = re.compile(rf"[。！？!?…][{_CLOSERS}]*|\.[{_CLOSERS}]*(?=\s)")


def bounded(chapters: Iterable[Chapter], account: Account) -> tuple[tuple[Chapter, ...], tuple[Message, ...]]:
    """Split what is longer than LONGEST_CHAPTER into "Title (1)", "Title (2)" …, and say so."""
    kept: list[Chapter] = []
    oddities: list[Message] = []
    for chapter in chapters:
        if len(chapter.text) <= LONGEST_CHAPTER:
            kept.append(chapter)
            continue
        parts = list(_parts(chapter.text))
        titles = [f"{chapter.title} ({number})" for number in range(1, len(parts) + 1)]
        account.add("".join(titles).removeprefix(chapter.title))
        kept += [replace(chapter, title=title, text=text) for title, text in zip(titles, parts, strict=True)]
        values: dict[str, object] = {"title": chapter.title, "limit": LONGEST_CHAPTER, "n": len(parts)}
        oddities.append(
            Message("“{title}” is longer than {limit} characters and was cut into {n} parts.", values)
        )
    return tuple(kept), tuple(oddities)


def _parts(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = _cut(text, start)
        part = text[start:end].strip()
        if part:
            yield part
        start = end


def _cut(text: str, start: int) -> int:
    """Where the part from `start` ends: after a paragraph, else a sentence, else a word, else anywhere."""
    limit = start + LONGEST_CHAPTER
    if limit >= len(text):
        return len(text)
    middle = start + LONGEST_CHAPTER // 2
    paragraph = text.rfind("\n", middle, limit)
    if paragraph > 0:
        return paragraph
    sentences = [found.end() for found in _SENTENCE_END.finditer(text, middle, limit)]
    word = text.rfind(" ", middle, limit)
    return sentences[-1] if sentences else word if word > 0 else limit
