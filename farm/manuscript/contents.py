"""The printed table of contents of a text file: headings that say what comes, and head nothing themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from farm.manuscript.heading_rules import Head, Level
from farm.manuscript.parts import visible

CLOSE = 120
"""Characters between two headings below which they may stand in a table of contents."""
FEWEST = 5
_TIMES_LONGER = 4


@dataclass(frozen=True)
class _Entry:
    at: int
    head: Head
    key: tuple[str, str, object]
    below: int
    """Characters between this heading and the next."""


def printed_contents(paragraphs: Sequence[str], heads: Mapping[int, Head]) -> set[int]:
    """The indices of the paragraphs that make up printed tables of contents.

    One is a run of at least five headings close together, of which most come again later with more below them
    (a book of very short chapters is none) or which stands below a heading 目录 or CONTENTS. The heading that
    ends the run is the last entry if it continues the numbering and comes again, else the first chapter.
    """
    entries = _entries(paragraphs, heads)
    dropped: set[int] = set()
    for first, last in _runs(entries):
        if not _is_contents(entries, first, last):
            continue
        if _is_last_entry(entries, last):
            dropped.update(range(entries[first].at, entries[last].at + 1))
        else:
            dropped.update(range(entries[first].at, entries[last].at))
    return dropped


def _entries(paragraphs: Sequence[str], heads: Mapping[int, Head]) -> list[_Entry]:
    places = sorted(heads)
    entries, volume = [], ""
    for at, following in pairwise([*places, len(paragraphs)]):
        head = heads[at]
        key = (volume, head.series, head.number if head.number is not None else _name(head))
        if head.level is Level.VOLUME:
            volume, key = head.label, ("", *key[1:])
        below = sum(visible(line) for line in paragraphs[at + 1 : min(following, at + 1 + CLOSE)])
        entries.append(_Entry(at, head, key, below))
    return entries


def _name(head: Head) -> str:
    return "".join(head.title.split()).lower()


def _runs(entries: Sequence[_Entry]) -> list[tuple[int, int]]:
    """(first, last): entries first to last − 1 are close to their next; none comes twice in a run."""
    runs: list[tuple[int, int]] = []
    first, seen = 0, set[object]()
    for index, entry in enumerate(entries):
        again = entry.key in seen
        if again or entry.below >= CLOSE:
            runs.append((first, index))
            first, seen = (index, set()) if again and entry.below < CLOSE else (index + 1, set())
        seen.add(entry.key)
    return runs


def _is_contents(entries: Sequence[_Entry], first: int, last: int) -> bool:
    run = [entry for entry in entries[first:last] if not entry.head.contents]
    if len(run) < FEWEST:
        return False
    if any(entry.head.contents for entry in entries[first:last]):
        return True
    later: dict[object, int] = {}
    for entry in entries[last:]:
        later.setdefault(entry.key, entry.below)
    again = [entry for entry in run if entry.key in later]
    own, theirs = (sum(entry.below for entry in again), sum(later[entry.key] for entry in again))
    return 2 * len(again) >= len(run) and theirs > _TIMES_LONGER * own + CLOSE


def _is_last_entry(entries: Sequence[_Entry], last: int) -> bool:
    closing = entries[last]
    if all(closing.key != entry.key for entry in entries[last + 1 :]):
        return False
    numbers = [e.head.number for e in entries[:last] if e.head.series == closing.head.series]
    return closing.head.number is None or (bool(numbers) and closing.head.number == (numbers[-1] or 0) + 1)
