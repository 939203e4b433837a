"""Paragraphs out of lines that were broken to fit a page of fixed width."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from farm.errors import BadManuscript

MOST_LINES = 1_000_000
"""A long novel has 100 000."""

_LOOKED_AT = 4000
_NARROWEST, _WIDEST = 24, 160
"""Columns; shorter lines are lists or verse, longer ones are paragraphs, not lines of a page."""
_SLACK = 3
_ENDS = tuple('.!?。．！？…”’"」』）)：:】*—-')
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6]"
)
_JOINS_WITHOUT_SPACE = re.compile("[-—–\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60]")
_JOINS_WITHOUT_SPACE_BEFORE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60]")


def split_lines(text: str, name: str) -> list[str]:
    """The lines of a text; BadManuscript for more than MOST_LINES with something on them."""
    lines = text.splitlines()
    written = len(lines) - lines.count("")
    if written > MOST_LINES:
        raise BadManuscript(
            "{name} has {n} lines; {most} is the most. Split it into several files.",
            name=name,
            n=written,
            most=MOST_LINES,
        )
    return lines


def unwrap(lines: Sequence[str]) -> list[str]:
    """Stripped paragraphs, none empty; lines are joined only where the whole file is wrapped at one width.

    A line goes on if the next one's first word would not have fitted behind it: verse, headings and the last
    lines of paragraphs stay apart. A line that is indented more than the one before begins a paragraph.
    """
    width = _page_width(lines)
    if not width:
        return [stripped for line in lines if (stripped := line.strip())]
    return list(_joined(lines, width))


def _joined(lines: Sequence[str], width: int) -> Iterator[str]:
    pieces: list[str] = []
    for line, following in pairwise([*lines, ""]):
        if not line.strip():
            continue
        pieces.append(line.strip())
        if not _goes_on(line, following, width):
            yield join_lines(pieces)
            pieces = []
    if pieces:
        yield join_lines(pieces)


def _page_width(lines: Sequence[str]) -> int:
    """In columns; 0 when the lines are paragraphs: hardly any is full and ends inside a sentence."""
    start = max(0, (len(lines) - _LOOKED_AT) // 2)
    sample = lines[start : start + _LOOKED_AT]
    widths = sorted(_columns(line.rstrip()) for line in sample if line.strip())
    if len(widths) < 4:
        return 0
    width = widths[len(widths) * 95 // 100]
    if not _NARROWEST <= width <= _WIDEST:
        return 0
    going_on = [line for line, following in pairwise(sample) if _goes_on(line, following, width)]
    inside = sum(not line.rstrip().endswith(_ENDS) for line in going_on)
    return width if 3 * len(going_on) > len(widths) and 2 * inside > len(going_on) else 0


def _goes_on(line: str, following: str, width: int) -> bool:
    if not line.strip() or not following.strip() or _indent(following) > _indent(line):
        return False
    return _columns(line.rstrip()) + _columns(_first_word(following)) + _SLACK > width


def _first_word(line: str) -> str:
    word = line.split(maxsplit=1)[0]
    return word[:1] if _WIDE.match(word) else word


def _indent(line: str) -> int:
    return _columns(line[: len(line) - len(line.lstrip())])


def _columns(text: str) -> int:
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


def join_lines(pieces: Sequence[str]) -> str:
    """One line: with a space between words, without one after a hyphen or beside a Han character."""
    joined = list(pieces[:1])
    for before, piece in pairwise(pieces):
        tight = _JOINS_WITHOUT_SPACE.match(before[-1:]) or _JOINS_WITHOUT_SPACE_BEFORE.match(piece)
        joined.append(piece if tight else f" {piece}")
    return "".join(joined)
