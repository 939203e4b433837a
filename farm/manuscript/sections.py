"""Sections: stretches of paragraphs and headings that become chapters, and the title each is given."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile

from farm.manuscript.blocks import SCENE_BREAK, Account, Block, join_titles
from farm.manuscript.heading_rules import Level, chinese, english, korean, listed, numeral
from farm.manuscript.matter import matter_of
from farm.manuscript.parts import Chapter, ChapterKind, visible
from farm.messages import Message

VOLUME_TITLES = Message("Titles of volumes and of the book, kept beside the chapters' titles")
OTHER_WORDING = Message("Headings for which the table of contents has a fuller title")

_LEADING = 4
_TITLE_LENGTH = 200


@dataclass
class Section:
    """`title` is the one that the table of contents gives, or ""."""

    title: str = ""
    volume: str = ""
    blocks: list[Block] = field(default_factory=list)
    linear: bool = True
    is_volume: bool = False
    listed: bool = False
    """Whether the table of contents names it."""


def level_of(title: str) -> Level | None:
    """VOLUME for Part One, CHAPTER for 第三回 or 3. Loomings; None for a title without such a label."""
    head = chinese(title) or english(title) or korean(title) or listed(title) or numeral(title)
    return head.level if head else None


def _is_bare(title: str) -> bool:
    """Whether a title is a mere label, such as CHAPTER XIV or 14."""
    head = chinese(title) or english(title) or korean(title) or numeral(title)
    return head is not None and head.bare


def letters(text: str) -> str:
    """What two wordings of one title have in common: letters and digits, without case and width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def to_chapter(section: Section, account: Account, *, book: str = "", untitled: str = "") -> Chapter | None:
    """Give the section its title; None when it has no words, or only the title of a volume."""
    blocks = list(dropwhile(lambda block: block.level < 0, section.blocks))
    if not any(block.text for block in blocks):
        return None
    if section.is_volume and _says_only_its_title(blocks, section.title):
        account.drop(VOLUME_TITLES, "".join(block.text for block in blocks))
        return None
    volume = section.volume or (section.title if section.is_volume else "")
    blocks = _without_known_titles(blocks, (*section.volume.split(" · "), book), account)
    title, body = take_title(blocks, section.title, account)
    title = title or account.add(untitled)
    kind, included = matter_of(title, section.blocks)
    if not section.linear:
        kind, included = ChapterKind.BACK, False
    return Chapter(title, compose(body, account), volume, kind, included)


def compose(blocks: Iterable[Block], account: Account) -> str:
    """One line a paragraph; a scene break only between two paragraphs, and never two in a row."""
    lines: list[str] = []
    broken = False
    for block in blocks:
        if block.level >= 0:
            if broken and lines and SCENE_BREAK not in (lines[-1], block.text):
                lines.append(account.add(SCENE_BREAK))
            lines.append(block.text)
        broken = block.level < 0
    return "\n".join(lines)


def take_title(blocks: Sequence[Block], listed: str, account: Account) -> tuple[str, list[Block]]:
    """The title, and the blocks without those that make it.

    The source's own heading wins where it says what the table of contents says, or more.
    """
    taken = _as_listed(blocks, listed) if letters(listed) else (1 if _headings(blocks) else 0)
    if taken:
        taken += _subtitle(blocks, taken)
        return join_titles((block.text for block in blocks[:taken]), account), list(blocks[taken:])
    replaced = _replaced(blocks, listed)
    if replaced:
        account.drop(OTHER_WORDING, "".join(block.text for block in blocks[:replaced]))
        return account.add(listed), list(blocks[replaced:])
    if _is_bare(listed) and _headings(blocks):
        return join_titles((account.add(listed), blocks[0].text), account), list(blocks[1:])
    return account.add(listed), list(blocks)


def split_at_headings(blocks: Sequence[Block]) -> list[Section]:
    """Cut where headings of the chapters' level stand; headings above it are volumes, below it text."""
    top, chapters = _chapter_levels(blocks)
    sections = [Section()]
    volume = ""
    for index, block in enumerate(blocks):
        if block.level == top != chapters:
            is_volume = _has_below(blocks, index, chapters)
            volume = block.text if is_volume else ""
            sections.append(Section(block.text, blocks=[block], is_volume=is_volume, listed=True))
        elif block.level == chapters:
            sections.append(Section(block.text, volume, [block], listed=True))
        else:
            sections[-1].blocks.append(block)
    return [section for section in sections if section.blocks]


def _chapter_levels(blocks: Sequence[Block]) -> tuple[int, int]:
    """The highest level of heading, and the level of chapters: the same, or the next one below volumes."""
    counts = Counter(block.level for block in blocks if block.level > 0)
    levels = sorted(counts)
    if len(levels) < 2:
        return (levels or [1])[0], (levels or [1])[0]
    top = [block.text for block in blocks if block.level == levels[0]]
    if sum(level_of(title) is Level.CHAPTER for title in top) * 2 >= len(top):
        return levels[0], levels[0]
    return levels[0], levels[1]


def _has_below(blocks: Sequence[Block], index: int, level: int) -> bool:
    """Whether a heading of `level` comes before the next of the one at `index`."""
    here = blocks[index].level
    after = (block.level for block in blocks[index + 1 :] if block.level in (here, level))
    return next(after, here) == level


def _headings(blocks: Sequence[Block]) -> int:
    """How many blocks at the beginning are headings."""
    return next(
        (n for n, block in enumerate(blocks[:_LEADING]) if block.level <= 0), min(len(blocks), _LEADING)
    )


def _leads(blocks: Sequence[Block], most: int) -> Iterator[tuple[int, str]]:
    for n in range(1, min(len(blocks), most) + 1):
        yield n, letters("".join(block.text for block in blocks[:n]))


def _as_listed(blocks: Sequence[Block], listed: str) -> int:
    """How many leading blocks say what is listed: exactly, in any style, or as headings that say more."""
    wanted = letters(listed)
    exactly = (n for n, said in _leads(blocks, _LEADING) if said == wanted)
    more = (n for n, said in _leads(blocks, _headings(blocks)) if wanted in said)
    return next(exactly, 0) or next(more, 0)


def _replaced(blocks: Sequence[Block], listed: str) -> int:
    """How many leading headings say a part of what is listed."""
    wanted = letters(listed)
    return max((n for n, said in _leads(blocks, _headings(blocks)) if said and said in wanted), default=0)


def _subtitle(blocks: Sequence[Block], taken: int) -> int:
    """1 when the title is a mere number so far and a heading follows."""
    label = " ".join(block.text for block in blocks[:taken])
    follows = blocks[taken : taken + 1]
    return int(bool(follows) and follows[0].level > 0 and _is_bare(label))


def _says_only_its_title(blocks: Sequence[Block], title: str) -> bool:
    words = [block for block in blocks if block.text]
    short = sum(visible(block.text) for block in words) <= _TITLE_LENGTH
    same = letters("".join(block.text for block in words)) == letters(title)
    return same or (short and all(block.level > 0 for block in words))


def _without_known_titles(blocks: list[Block], known: Iterable[str], account: Account) -> list[Block]:
    """Drop leading headings that repeat the volume's or the book's title, if another heading follows."""
    wanted = {letters(title) for title in known} - {""}
    while _headings(blocks) > 1 and letters(blocks[0].text) in wanted:
        account.drop(VOLUME_TITLES, blocks[0].text)
        blocks = blocks[1:]
    return blocks
