"""Cutting an EPUB's files into sections where its table of contents, or else its headings, says so."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from farm.manuscript.blocks import Block
from farm.manuscript.epub_package import Entry
from farm.manuscript.heading_rules import Level
from farm.manuscript.html_text import Page
from farm.manuscript.matter import matter_of
from farm.manuscript.sections import Section, letters, level_of, split_at_headings
from farm.messages import Message

_FEWEST = 2
"""A table of contents that leads to one place only says nothing about chapters."""


@dataclass(frozen=True)
class Leaf:
    """One file of the spine as read."""

    path: str
    linear: bool
    page: Page

    def emptied(self) -> "Leaf":
        return replace(self, page=replace(self.page, blocks=()))


@dataclass(frozen=True)
class _Line:
    """A line of the contents that begins a chapter or a volume."""

    entry: Entry
    volume: str
    is_volume: bool

    def section(self, blocks: Sequence[Block], *, linear: bool) -> Section:
        return Section(self.entry.title, self.volume, list(blocks), linear, self.is_volume, listed=True)


def cut(contents: Sequence[Entry], leaves: Sequence[Leaf], oddities: list[Message]) -> list[Section]:
    """Cut at the lines of the contents; at headings when the contents lead to fewer than two chapters."""
    lines = list(_flattened(contents, ""))
    starts = {
        leaf.path: _starts(leaf.page, [line for line in lines if line.entry.path == leaf.path])
        for leaf in leaves
    }
    found = {id(line) for places in starts.values() for _, line in places}
    lost = [line for line in lines if id(line) not in found and line.entry.path]
    if sum(not line.is_volume for places in starts.values() for _, line in places) < _FEWEST:
        return _at_headings(leaves)
    if lost:
        oddities.append(
            Message(
                "{n} lines of the table of contents lead nowhere, such as “{title}”.",
                {"n": len(lost), "title": lost[0].entry.title},
            )
        )
    sections: list[Section] = []
    for leaf in leaves:
        _add(sections, leaf, starts[leaf.path])
    return sections


def _flattened(entries: Iterable[Entry], volume: str) -> Iterator[_Line]:
    """The lines that begin chapters, with their volume; lines below a chapter are its inner headings."""
    for entry in entries:
        is_volume = _is_volume(entry)
        yield _Line(entry, volume, is_volume)
        if is_volume:
            yield from _flattened(entry.below, " · ".join(filter(None, (volume, entry.title))))


def _is_volume(entry: Entry) -> bool:
    """A line with others below it, unless it is called a chapter or they lie in its own file."""
    if not entry.below:
        return level_of(entry.title) is Level.VOLUME
    level = level_of(entry.title)
    if level is not None or not entry.path:
        return level is Level.VOLUME or not entry.path
    elsewhere = sum(below.path != entry.path for below in entry.below)
    return 2 * elsewhere >= len(entry.below)


def _starts(page: Page, lines: Iterable[_Line]) -> list[tuple[int, _Line]]:
    """Before which block each line's section begins; of several chapters at one place the first."""
    places: dict[tuple[int, bool], _Line] = {}
    for line in lines:
        at = page.anchors.get(line.entry.fragment) if line.entry.fragment else 0
        if at is not None:
            places.setdefault((_at_heading(page.blocks, at, line.entry.title), not line.is_volume), line)
    return [(at, places[at, is_chapter]) for at, is_chapter in sorted(places)]


def _at_heading(blocks: Sequence[Block], at: int, title: str) -> int:
    """The place, moved by one where the id stands just before or behind the heading it means."""
    wanted = letters(title)
    for near in (at, at + 1, at - 1):
        if 0 <= near < len(blocks) and blocks[near].level > 0 and letters(blocks[near].text) == wanted:
            return near
    return at


def _add(sections: list[Section], leaf: Leaf, starts: Sequence[tuple[int, _Line]]) -> None:
    blocks = leaf.page.blocks
    places = [at for at, _ in starts] or [len(blocks)]
    if starts and all(block.level for block in blocks[: places[0]]):
        places[0] = 0
    if before := blocks[: places[0]]:
        if _goes_on(sections, leaf):
            sections[-1].blocks.extend(before)
        else:
            sections.append(Section(blocks=list(before), linear=leaf.linear))
    for (_, line), begin, end in zip(starts, places, [*places[1:], len(blocks)], strict=False):
        sections.append(line.section(blocks[begin:end], linear=leaf.linear))


def _goes_on(sections: Sequence[Section], leaf: Leaf) -> bool:
    """Whether a file without a line of its own belongs to the section before it."""
    if not sections or not leaf.linear or not sections[-1].linear or is_silent(leaf.page.blocks):
        return False
    before = sections[-1]
    has_heading = bool(leaf.page.blocks) and leaf.page.blocks[0].level > 0
    return not is_silent(before.blocks, before.title) and (before.listed or not has_heading)


def is_silent(blocks: Sequence[Block], title: str = "") -> bool:
    """Whether a page is not read aloud, such as a title page."""
    heading = blocks[0].text if blocks and blocks[0].level > 0 else ""
    return not matter_of(title or heading, blocks)[1]


def _at_headings(leaves: Sequence[Leaf]) -> list[Section]:
    """Sections by the headings of the whole book; pages that are not read aloud stay apart.

    Without any heading each file is a section.
    """
    if not any(block.level > 0 for leaf in leaves for block in leaf.page.blocks):
        return [Section(blocks=list(leaf.page.blocks), linear=leaf.linear) for leaf in leaves]
    sections: list[Section] = []
    running: list[Block] = []
    for leaf in leaves:
        if leaf.linear and not is_silent(leaf.page.blocks):
            running.extend(leaf.page.blocks)
            continue
        sections += [*split_at_headings(running), Section(blocks=list(leaf.page.blocks), linear=leaf.linear)]
        running = []
    return [*sections, *split_at_headings(running)]
