"""A book too long for one file becomes several: by volume where it has any, else in parts of like length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

LONGEST_S = 12 * 3600.0
"""At 44.1 kHz a signed 32-bit count of samples ends at 13.5 hours, and players with it."""
NUMBERED = "{name}, Part {number} of {count}"


@dataclass(frozen=True)
class Part:
    """One file of a book; `indices` are its chapters, in order."""

    name: str
    indices: tuple[int, ...]


def split_parts(
    book: str,
    chapters: Sequence[tuple[str, str, float]],
    longest_s: float = LONGEST_S,
    numbered: str = NUMBERED,
) -> list[Part]:
    """(title, volume, seconds) of chapters -> parts of at most `longest_s`; a longer chapter stands alone.

    Volumes that fit together share a part. `numbered` is the pattern of names where volumes give none.
    """
    durations = [duration for _, _, duration in chapters]
    if sum(durations) <= longest_s:
        return [Part(book, tuple(range(len(chapters))))] if chapters else []
    volumes = _volumes([volume for _, volume, _ in chapters])
    if len(volumes) == 1:
        return _pieces(book, volumes[0][1], durations, longest_s, numbered)
    parts = []
    for names, indices in _packed(volumes, durations, longest_s):
        name = f"{book}, {names[0]}" if len(names) == 1 else f"{book}, {names[0]} – {names[-1]}"
        parts += _pieces(name, indices, durations, longest_s, numbered)
    return parts


def _volumes(names: Sequence[str]) -> list[tuple[str, tuple[int, ...]]]:
    """Runs of equal names. What stands outside a volume goes with the one before it, or with the first."""
    first = next((name for name in names if name), "")
    filled: list[str] = []
    for name in names:
        filled.append(name or (filled[-1] if filled else first))
    return [(name, tuple(run)) for name, run in groupby(range(len(names)), key=filled.__getitem__)]


def _packed(
    volumes: Sequence[tuple[str, tuple[int, ...]]], durations: Sequence[float], longest_s: float
) -> list[tuple[list[str], tuple[int, ...]]]:
    packed: list[tuple[list[str], tuple[int, ...]]] = []
    for name, indices in volumes:
        together = packed[-1][1] + indices if packed else ()
        if packed and _total(together, durations) <= longest_s:
            packed[-1] = ([*packed[-1][0], name], together)
        else:
            packed.append(([name], indices))
    return packed


def _pieces(
    name: str, indices: tuple[int, ...], durations: Sequence[float], longest_s: float, numbered: str
) -> list[Part]:
    runs = _balanced(indices, durations, longest_s)
    if len(runs) == 1:
        return [Part(name, indices)]
    return [
        Part(numbered.format(name=name, number=number, count=len(runs)), run)
        for number, run in enumerate(runs, start=1)
    ]


def _balanced(
    indices: tuple[int, ...], durations: Sequence[float], longest_s: float
) -> list[tuple[int, ...]]:
    """As few runs as `longest_s` allows, the longest of them as short as that number allows."""
    fewest = len(_filled(indices, durations, longest_s))
    low, high = _total(indices, durations) / fewest, longest_s
    while high - low > 1.0:
        middle = (low + high) / 2
        if len(_filled(indices, durations, middle)) <= fewest:
            high = middle
        else:
            low = middle
    return _filled(indices, durations, high)


def _filled(indices: tuple[int, ...], durations: Sequence[float], limit_s: float) -> list[tuple[int, ...]]:
    runs: list[tuple[int, ...]] = []
    length = math.inf
    for index in indices:
        length += durations[index]
        if length <= limit_s:
            runs[-1] = (*runs[-1], index)
        else:
            runs.append((index,))
            length = durations[index]
    return runs


def _total(indices: Sequence[int], durations: Sequence[float]) -> float:
    return sum(durations[index] for index in indices)
