"""Which paragraphs of a whole file are its headings, and of which level."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from farm.manuscript.heading_rules import FALLBACKS, LONGEST, Head, Level, Rule, parse, run_on
from farm.manuscript.parts import visible

Heads = dict[int, Head]
"""Headings by the index of their paragraph, in order."""

_FEWEST = 3
_LEAST_BETWEEN = 300
_FALLBACK_IS_CLEARER = 3
_LONGEST_NAME, _LONGEST_HAN_NAME = 80, 25
_SENTENCE_ENDS = tuple('.!?。！？…”"」』：；:;,，、—')
_SPEECH = tuple("“\"「『‘'—–-*")
_HAN = re.compile("[\u3040-\u9fff\uac00-\ud7a3]")


def find_heads(paragraphs: Sequence[str]) -> Heads:
    """Headings by rule; by FALLBACKS where the rules find next to nothing and those fit."""
    heads = _by_rules(paragraphs)
    numbered = sum(head.number is not None for head in heads.values())
    for rule in FALLBACKS:
        found = _by(rule, paragraphs)
        if len(found) >= _FALLBACK_IS_CLEARER * max(numbered, 1) and _plausible(paragraphs, found):
            named = {at: head for at, head in heads.items() if head.number is None}
            return dict(sorted((found | named).items()))
    return _settled(heads)


def names_below(paragraphs: Sequence[str], heads: Mapping[int, Head]) -> frozenset[int]:
    """The paragraphs that name the bare heading above them ("CHAPTER 1" / "Loomings").

    Decided for the whole file: most of the bare headings must be followed by a name, or none is.
    """
    bare = [
        at for at, head in heads.items() if head.bare and at + 1 < len(paragraphs) and _free(heads, at + 1)
    ]
    named = [at + 1 for at in bare if _is_name(paragraphs, heads, at + 1)]
    return frozenset(named if 5 * len(named) >= 3 * len(bare) else ())


def _by_rules(paragraphs: Sequence[str]) -> Heads:
    heads: Heads = {}
    last = 0
    for at, line in enumerate(paragraphs):
        if len(line) > LONGEST:
            continue
        head = parse(line) or _continuing(line, last)
        if head:
            heads[at] = head
            last = head.number or last if head.series == "第#章" else last
    return heads


def _continuing(line: str, last: int) -> Head | None:
    head = run_on(line)
    return head if head and head.number in (1, last + 1) else None


def _by(rule: Rule, paragraphs: Sequence[str]) -> Heads:
    found = ((at, rule(line)) for at, line in enumerate(paragraphs) if len(line) <= LONGEST)
    return {at: head for at, head in found if head}


def _plausible(paragraphs: Sequence[str], heads: Mapping[int, Head]) -> bool:
    """At least three, far apart (but for a table of contents), counting up; page numbers part sentences."""
    places = [*heads, len(paragraphs)]
    far = sum(_text_between(paragraphs, at, after) >= _LEAST_BETWEEN for at, after in pairwise(places))
    if len(heads) < _FEWEST or 5 * far < 2 * len(heads):
        return False
    numbers = [head.number for head in heads.values() if head.number is not None]
    if not numbers:
        return True
    steps = sum(after == before + 1 for before, after in pairwise(numbers))
    ended = sum(at == 0 or paragraphs[at - 1].endswith(_SENTENCE_ENDS) or at - 1 in heads for at in heads)
    return numbers[0] <= 1 and 5 * steps >= 4 * (len(numbers) - 1) and 5 * ended >= 4 * len(heads)


def _text_between(paragraphs: Sequence[str], at: int, after: int) -> int:
    return sum(map(visible, paragraphs[at + 1 : min(after, at + 1 + _LEAST_BETWEEN)]))


def _settled(heads: Heads) -> Heads:
    """Volumes are volumes only above chapters; sections below chapters are text."""
    counts = Counter(head.level for head in heads.values() if head.number is not None)
    if 2 * counts[Level.CHAPTER] >= max(counts[Level.VOLUME], 1):
        unit = Level.CHAPTER
    elif counts[Level.SECTION] > counts[Level.VOLUME]:
        unit = Level.SECTION
    else:
        unit = Level.VOLUME
    return {
        at: replace(head, level=Level.CHAPTER) if head.level is unit else head
        for at, head in heads.items()
        if head.number is None or head.level <= unit
    }


def _free(heads: Mapping[int, Head], at: int) -> bool:
    """Whether a line may be a name: a chapter can be called Postscript, but not Chapter 2."""
    return at not in heads or heads[at].number is None


def _is_name(paragraphs: Sequence[str], heads: Mapping[int, Head], at: int) -> bool:
    line = paragraphs[at]
    if len(line) > (_LONGEST_HAN_NAME if _HAN.search(line) else _LONGEST_NAME) or line.startswith(_SPEECH):
        return False
    if line.endswith(_SENTENCE_ENDS) and not (line.isupper() and not _HAN.search(line)):
        return False
    followed = at + 1 < len(paragraphs) and at + 1 not in heads
    above_chapters = heads[at - 1].level is Level.VOLUME
    return (followed or above_chapters) and not line[:1].islower()
