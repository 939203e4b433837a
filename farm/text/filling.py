"""How sentences are gathered into segments: whole ones, up to the limit, and none too short."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

SHORT = 10.0
"""Spoken characters; engines speak less than this unsteadily."""


class Boundary(StrEnum):
    """What follows a segment; decides the pause. In order of length."""

    PHRASE = "phrase"
    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    SCENE = "scene"
    TITLE = "title"
    END = "end"


_RANKS = {boundary: rank for rank, boundary in enumerate(Boundary)}


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, or a part of one, at `text[start:end]`. `length` is in spoken characters of `spoken`."""

    start: int
    end: int
    spoken: str
    length: float
    language: str
    role: str
    after: Boundary

    @property
    def silent(self) -> bool:
        return not any(map(str.isalnum, self.spoken))

    @property
    def ends_paragraph(self) -> bool:
        return _RANKS[self.after] >= _RANKS[Boundary.PARAGRAPH]


Run = list[Piece]
"""The pieces of one segment."""


def without_silent(pieces: Iterable[Piece]) -> list[Piece]:
    """`pieces`, with those that have nothing to say shown by a neighbour, best one of their own paragraph.

    Where all are silent, a single piece with an empty `spoken` is left.
    """
    kept: list[Piece] = []
    pending: Piece | None = None
    for piece in pieces:
        if pending:
            piece = replace(piece, start=pending.start)
            pending = None
        if not piece.silent:
            kept.append(piece)
        elif kept and (piece.ends_paragraph or not kept[-1].ends_paragraph):
            after = max(kept[-1].after, piece.after, key=_RANKS.__getitem__)
            kept[-1] = replace(kept[-1], end=piece.end, after=after)
        else:
            pending = piece
    return [*kept, replace(pending, spoken="", length=0.0)] if pending else kept


def fill(pieces: Iterable[Piece], limit: float) -> list[Run]:
    """Gather pieces of one paragraph, role and language into runs of at most `limit` spoken characters.

    Every paragraph is filled on its own, so that an edit changes only the runs of its paragraph. A run under
    `SHORT` joins a neighbour of its paragraph, or is lent the neighbour's last piece; only where neither fits
    it joins a neighbour of the same role across the paragraphs, which costs the pause between them.
    """
    runs: list[Run] = []
    for piece in pieces:
        if runs and _same_paragraph(runs[-1], [piece]) and _joinable(runs[-1], [piece], limit):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    runs = _mended(runs, lambda left, right: _same_paragraph(left, right) and _joinable(left, right, limit))
    _lend(runs, limit)
    return _mended(runs, lambda left, right: _same_scene(left, right) and _joinable(left, right, limit))


def _mended(runs: list[Run], may_join: Callable[[Run, Run], bool]) -> list[Run]:
    """`runs` with every short one joined to the next where it may be, else to the one before."""
    forward: list[Run] = []
    for run in runs:
        if forward and _short(forward[-1]) and may_join(forward[-1], run):
            forward[-1] = forward[-1] + run
        else:
            forward.append(run)
    both: list[Run] = []
    for run in forward:
        if both and _short(run) and may_join(both[-1], run):
            both[-1] = both[-1] + run
        else:
            both.append(run)
    return both


def _lend(runs: list[Run], limit: float) -> None:
    """Move the last piece of a run in front of the short one behind it, where that leaves neither short."""
    for left, right in pairwise(runs):
        if not (_short(right) and _same_paragraph(left, right) and len(left) > 1):
            continue
        if _length(left[:-1]) >= SHORT and _joinable(left[-1:], right, limit):
            right.insert(0, left.pop())


def _length(run: Run) -> float:
    return sum(piece.length for piece in run)


def _short(run: Run) -> bool:
    return _length(run) < SHORT


def _same_paragraph(left: Run, right: Run) -> bool:
    return not left[-1].ends_paragraph


def _same_scene(left: Run, right: Run) -> bool:
    return _RANKS[left[-1].after] <= _RANKS[Boundary.PARAGRAPH]


def _joinable(left: Run, right: Run, limit: float) -> bool:
    one, other = left[-1], right[0]
    return (one.role, one.language) == (other.role, other.language) and _length(left) + _length(
        right
    ) <= limit
