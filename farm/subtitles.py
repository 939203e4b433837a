"""Subtitles from the times of a chapter's sentences: cues of short lines, as SRT or WebVTT."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from itertools import accumulate, pairwise

from farm.text.cuts import cut

COLUMNS = {"en": 42}
WIDE_COLUMNS = 40
"""Of a line; a Han character takes two."""
LINES = 2
SHORTEST_S = 1.0
"""A cue shown for less shares its neighbour's screen if there is room, or stays into the pause behind it."""
_JOINED_GAP_S = 0.3


@dataclass(frozen=True)
class Timed:
    """Display text (a sentence, or a whole segment) and when it is heard."""

    start_s: float
    end_s: float
    display: str


@dataclass(frozen=True)
class Cue:
    """One or two lines and when they are shown."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def cues(timed: Sequence[Timed], language: str) -> list[Cue]:
    """Cues in order, none overlapping the next; together they show all of the text but its white space.

    Lines hold 20 Han or 42 Latin characters; only a grapheme wider than that makes a longer one.
    """
    spread = [cue for each in timed for cue in _cues_of(each, language)]
    shared: list[Cue] = []
    for cue in _in_order(spread):
        if shared and _may_share(shared[-1], cue):
            shared[-1] = Cue(shared[-1].start_s, cue.end_s, shared[-1].lines + cue.lines)
        else:
            shared.append(cue)
    longer = [
        replace(cue, end_s=max(cue.end_s, min(cue.start_s + SHORTEST_S, following.start_s)))
        for cue, following in pairwise(shared)
    ]
    return longer + shared[-1:]


def srt(some: Sequence[Cue]) -> str:
    """SubRip text."""
    return "".join(
        f"{number}\n{_stamp(cue.start_s, ',')} --> {_stamp(cue.end_s, ',')}\n" + "\n".join(cue.lines) + "\n\n"
        for number, cue in enumerate(some, start=1)
    )


def vtt(some: Sequence[Cue]) -> str:
    """WebVTT text (https://www.w3.org/TR/webvtt1/)."""
    return "WEBVTT\n\n" + "".join(
        f"{_stamp(cue.start_s, '.')} --> {_stamp(cue.end_s, '.')}\n"
        + "\n".join(escape(line, quote=False) for line in cue.lines)
        + "\n\n"
        for cue in some
    )


def _cues_of(timed: Timed, language: str) -> Iterator[Cue]:
    """The cues of one text, which share its time by their width."""
    texts = _screens(" ".join(timed.display.split()), language)
    widths = [max(1.0, sum(map(_columns, lines))) for lines in texts]
    scale = max(0.0, timed.end_s - timed.start_s) / max(1.0, sum(widths))
    times = [timed.start_s + width * scale for width in accumulate(widths, initial=0.0)]
    for lines, (start, end) in zip(texts, pairwise(times), strict=True):
        yield Cue(start, end, lines)


def _screens(text: str, language: str) -> list[tuple[str, ...]]:
    """`text` as what is shown at once: a line of Han, or two of Latin."""
    columns = COLUMNS.get(language, WIDE_COLUMNS)
    screen = columns * LINES - 8 if language == "en" else columns
    found = []
    for part in _parts(text, screen):
        lines = _parts(part, columns)
        found += [tuple(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]
    return found


def _parts(text: str, columns: int) -> list[str]:
    return [part.spoken for part in cut(text, columns, str.strip, measure=_columns) if part.spoken]


def _columns(text: str) -> float:
    return float(sum(map(_column, text)))


@cache
def _column(character: str) -> int:
    if unicodedata.category(character)[0] == "M":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _in_order(some: Sequence[Cue]) -> Iterator[Cue]:
    """The cues, each beginning no earlier than the one before it ends."""
    last = 0.0
    for cue in some:
        start = max(cue.start_s, last)
        last = max(cue.end_s, start)
        yield replace(cue, start_s=start, end_s=last)


def _may_share(one: Cue, other: Cue) -> bool:
    brief = min(one.end_s - one.start_s, other.end_s - other.start_s) < SHORTEST_S
    near = other.start_s - one.end_s < _JOINED_GAP_S
    return brief and near and len(one.lines) + len(other.lines) <= LINES


def _stamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
