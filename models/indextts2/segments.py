"""Cuts a text's pieces into segments that the GPT can hold: the reference's rules (SPEC.md §7.5)."""

from collections.abc import Sequence
from itertools import zip_longest

ENDS = (".", "!", "?", "▁.", "▁?", "▁...")
"""Signs that end a segment. The reference has forgotten "▁!"."""
COMMAS = (",", "▁,")
HYPHENS = ("-",)
APOSTROPHES = ("'", "▁'")

Segment = list[str]


def split(pieces: Sequence[str], most: int = 120, quick: int = 0, replay: bool = False) -> list[Segment]:
    """Segments of at most `most` pieces; they are merged only after the first `quick` pieces.

    Where an apostrophe follows a sign that ends a segment, the reference puts it into both. `replay` does
    so, too; otherwise the segments joined are `pieces`.

    >>> split("▁HE ▁SAID ▁NO . ' ▁SO ▁WHAT ?".split(), most=5)
    [['▁HE', '▁SAID', '▁NO', '.', "'"], ['▁SO', '▁WHAT', '?']]
    >>> split("▁HE ▁SAID ▁NO . ' ▁SO ▁WHAT ?".split(), most=5, replay=True)
    [['▁HE', '▁SAID', '▁NO', '.', "'"], ["'", '▁SO', '▁WHAT', '?']]
    """
    if most < 1:
        raise ValueError("a segment holds at least one piece")
    return _split(pieces, ENDS, most, quick, replay)


def _split(pieces: Sequence[str], marks: Sequence[str], most: int, quick: int, replay: bool) -> list[Segment]:
    """Cut after `marks`; what holds a comma or hyphen is cut by these first, then merged again."""
    segments: list[Segment] = []
    current: Segment = []
    taken = False
    for piece, following in zip_longest(pieces, pieces[1:], fillvalue=""):
        if taken:
            taken = False
            continue
        current.append(piece)
        if finer := _finer(current, marks):
            segments += _split(current, finer, most, quick, replay)
        elif len(current) > most:
            segments += [current[start : start + most] for start in range(0, len(current), most)]
        elif piece in marks and len(current) > 2:
            if following in APOSTROPHES and (replay or len(current) < most):
                current.append(following)
                taken = not replay
            segments.append(current)
        else:
            continue
        current = []
    return _merged([*segments, current] if current else segments, most, quick)


def _finer(current: Segment, marks: Sequence[str]) -> tuple[str, ...] | None:
    """The marks by which `current` has to be cut before `marks` are looked for."""
    if marks is not COMMAS and any(comma in current for comma in COMMAS):
        return COMMAS
    if marks is not HYPHENS and any(hyphen in current for hyphen in HYPHENS):
        return HYPHENS
    return None


def _merged(segments: Sequence[Segment], most: int, quick: int) -> list[Segment]:
    """Neighbours joined where they fit; among the first `quick` pieces, only where half would do."""
    merged: list[Segment] = []
    total = 0
    for segment in segments:
        total += len(segment)
        room = most if total > quick else most / 2
        if merged and len(merged[-1]) + len(segment) <= room:
            merged[-1] = merged[-1] + segment
        else:
            merged.append(segment)
    return merged
