"""Which quotation marks and brackets of a paragraph belong together, whatever styles a manuscript mixes."""

import re
from collections import Counter
from dataclasses import dataclass

QUOTES = "“‘\"'`「『«„〝"
BRACKETS = "(（[【〔{《〈"
TITLE_BRACKETS = "《〈"

# A closing mark, and the opening marks it may close: typed books mix “ with " and ` with '.
CLOSES = {
    "”": '“"„',
    "’": "‘",
    "」": "「",
    "』": "『",
    "»": "«",
    "〞": "〝“",
    ")": "(（",
    "）": "（(",
    "]": "[",
    "】": "【",
    "〕": "〔",
    "}": "{",
    "》": "《",
    "〉": "〈",
}
CLOSERS = frozenset(CLOSES) | {'"', "'"}

_MARKS = re.compile("[" + re.escape(QUOTES + BRACKETS + "".join(CLOSES) + "＂＇") + "]")
_POSSESSION = re.compile(" [a-z]")
_STRAIGHT = {"＂": '"', "＇": "'"}


@dataclass(frozen=True, slots=True)
class Pair:
    """`paragraph[start:end]` is what the marks enclose, marks included."""

    start: int
    end: int
    mark: str
    closed: bool = True


def pairs(paragraph: str) -> list[Pair]:
    """The paragraph's quotations and brackets by start. Marks that fit nothing (an apostrophe) are left out.

    A quotation that is never closed runs to the end of the paragraph, as in English speech of several
    paragraphs; one whose opening mark was lost runs from the start.
    """
    found: list[Pair] = []
    waiting: list[tuple[int, str]] = []
    held: Counter[str] = Counter()
    for match in _MARKS.finditer(paragraph):
        at, mark = match.start(), _STRAIGHT.get(match[0], match[0])
        closes = _closes(paragraph, at, mark, held)
        if closes:
            _close(found, waiting, held, closes, at)
        elif mark in "”」』" and not found and not waiting:
            found.append(Pair(0, at + 1, mark))
        elif _opens(paragraph, at, mark):
            if mark in '“„"' and held[mark]:
                _give_up(found, waiting, held, mark, at)
            waiting.append((at, mark))
            held[mark] += 1
    found += [
        Pair(at, len(paragraph), mark, False) for at, mark in waiting if _may_stay_open(paragraph, at, mark)
    ]
    return sorted(found, key=lambda pair: (pair.start, -pair.end))


def outermost(some: list[Pair]) -> list[Pair]:
    """Those of `some` (sorted by start) that lie in no other one of them."""
    kept: list[Pair] = []
    for pair in some:
        if not kept or pair.start >= kept[-1].end:
            kept.append(pair)
    return kept


def _closes(paragraph: str, at: int, mark: str, held: Counter[str]) -> str:
    """The opening marks this one closes here, "" when it closes nothing."""
    if mark == '"':
        fits = '“"' if not _leans_right(paragraph, at) else ""
    elif mark == "'":
        fits = "`‘'" if not _is_apostrophe(paragraph, at) and not _leans_right(paragraph, at) else ""
    elif mark == "’":
        fits = "‘" if not _is_apostrophe(paragraph, at) else ""
    else:
        fits = CLOSES.get(mark, "")
    return fits if any(held[opening] for opening in fits) else ""


def _close(found: list[Pair], waiting: list[tuple[int, str]], held: Counter[str], fits: str, at: int) -> None:
    while True:
        start, mark = waiting.pop()
        held[mark] -= 1
        if mark in fits:
            found.append(Pair(start, at + 1, mark))
            return


def _give_up(
    found: list[Pair], waiting: list[tuple[int, str]], held: Counter[str], mark: str, at: int
) -> None:
    """A quotation opens where one of its kind is still open: the closing mark was forgotten."""
    _close(found, waiting, held, mark, at - 1)
    quotation = found.pop()
    if at - quotation.start > 1:
        found.append(Pair(quotation.start, at, mark, False))


def _opens(paragraph: str, at: int, mark: str) -> bool:
    before, after = paragraph[at - 1 : at], paragraph[at + 1 : at + 2]
    if mark == "'":
        return not before.isalnum() and after.isalpha()
    if mark == '"':
        return not before.isdigit() and bool(after) and not after.isspace()
    return mark in QUOTES or mark in BRACKETS


def _leans_right(paragraph: str, at: int) -> bool:
    """Whether a straight mark has a space before it and none behind it, as an opening one has in English."""
    before, after = paragraph[at - 1 : at] if at else " ", paragraph[at + 1 : at + 2] or " "
    return before.isspace() and not after.isspace()


def _is_apostrophe(paragraph: str, at: int) -> bool:
    if paragraph[at - 1 : at] == "s" and _POSSESSION.match(paragraph, at + 1):
        return True
    around = paragraph[at - 1 : at] if at else "", paragraph[at + 1 : at + 2]
    return all(one.isalpha() and one < "\u1100" for one in around if one) and all(around)


def _may_stay_open(paragraph: str, at: int, mark: str) -> bool:
    if mark in "'`‘":  # 'tis
        return at < 10 and not paragraph[:at].strip()
    return mark in QUOTES
