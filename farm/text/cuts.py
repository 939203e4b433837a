"""Where a sentence that is too long for one breath is cut."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, inf

from farm.text.lengths import spoken_length
from farm.text.pinyin import annotations

_WIDE = "[\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3041-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
_BEHIND = "[”’」』》〉）)\\]】}\"'»]*\\s*"
_AND = (
    "and|but|or|nor|for|so|yet|which|who|whom|whose|that|because|although|though|while|when|where|if|unless|until"
    "|since|as|than|after|before|with|without"
)
_HAN_AND = (
    "但是|可是|不过|而且|并且|因为|所以|因此|然后|于是|如果|虽然|或者|以及|那么|只是|然而|但し|しかし|そして"
)

# From the best to the worst; each match ends where the cut may be.
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:[。！？｡．；…‥—]+|[!?;]+(?=[\s\"'”’)\]]|{_WIDE})|：|:(?=\s)){_BEHIND}(?![。！？，、；：—…])",
        rf"(?:[，、،؛]|,(?=[\s\"'”’)\]]|{_WIDE})|\s[-–]+(?=\s)){_BEHIND}(?![—…])|(?<={_WIDE})\s+(?={_WIDE})",
        rf"\s+(?=(?:{_AND})\s)|(?<={_WIDE})(?={_HAN_AND})",
        r"(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)\s+|(?<=[ぁ-ん])(?=[一-鿿ァ-ヶ])",
        rf"(?<={_WIDE})(?={_WIDE}|[“「『《（(])|(?<=[”」』》）)])(?={_WIDE})",
    )
)
_PENALTIES = (0.0, 0.1, 0.35, 0.6, 0.9)
_EXTRA_PART = 0.3
_LEAST_ROOM = 0.01
_CRUMB = 10.0
"""Spoken characters; a rest shorter than this is worth avoiding."""
_NUMBER = re.compile(
    r"[\d０-９]+(?:[.,:/．，：／-][\d０-９]+)*[^\W\d_]?|[零〇一二两三四五六七八九十百千万亿]{2,}\w?"
)


@dataclass(frozen=True)
class Part:
    """`end` is the offset behind the part's display text; `length` is that of `spoken`."""

    end: int
    spoken: str
    length: float


def cut(
    text: str,
    limit: float,
    speak: Callable[[str], str],
    keep: tuple[str, ...] = (),
    measure: Callable[[str], float] = spoken_length,
) -> list[Part]:
    """Cut a sentence into balanced parts of which `speak(part)` is at most `limit` long by `measure`.

    Cuts fall behind punctuation where they can, then before conjunctions, between words, between Han
    characters; inside a word or a number only when it alone exceeds the limit; never inside a grapheme, a
    character's pinyin, or a phrase of `keep`. Takes time linear in the length of `text`.
    """
    cutter = _Cutter(text, limit, speak, keep, measure)
    parts: list[Part] = []
    start, rest = 0, measure(text)
    while start < len(text):
        part = cutter.next_part(start, rest)
        parts.append(part)
        rest -= measure(text[start : part.end])
        start = part.end
    return parts


class _Cutter:
    def __init__(
        self,
        text: str,
        limit: float,
        speak: Callable[[str], str],
        keep: tuple[str, ...],
        measure: Callable[[str], float],
    ) -> None:
        self.text, self.limit, self.speak, self.measure = text, limit, speak, measure
        self.keep = re.compile("|".join(map(re.escape, keep)) or "(?!)")
        self.reach = int(limit * 6) + 60
        """Characters looked at for one part: more than any part has, save for white space and symbols."""

    def next_part(self, start: int, rest: float) -> Part:
        """The part that begins at `start`, where about `rest` spoken characters are left."""
        if rest <= self.limit * 1.5 and len(self.text) - start <= self.reach:
            whole = self._part(start, len(self.text))
            if whole.length <= self.limit:
                return whole
        levels, anywhere = self._places(start), self._allowed(start)
        return (
            self._fitting(start, {place: levels[place] for place in anywhere if place in levels}, rest)
            or self._fitting(start, dict.fromkeys(anywhere, 0), rest)
            or self._part(start, min(anywhere, default=min(start + self.reach, len(self.text))))
        )

    def _fitting(self, start: int, places: dict[int, int], rest: float) -> Part | None:
        """The part up to the best of `places`, None where even the first of them is too far."""
        room = self.limit
        while room > _LEAST_ROOM and (end := self._best(start, places, rest, room)):
            part = self._part(start, end)
            if part.length <= self.limit:
                return part
            room *= min(0.9, self.limit / part.length)
        return None

    def _part(self, start: int, end: int) -> Part:
        spoken = self.speak(self.text[start:end])
        return Part(end, spoken, self.measure(spoken))

    def _best(self, start: int, places: dict[int, int], rest: float, room: float) -> int | None:
        """The place (of `places`: offset -> level) that costs least, of those within `room`."""
        count = max(2, ceil(rest / self.limit))
        ideal = min(rest / count, room)
        length, at, best, least = 0.0, start, None, inf
        for place, level in sorted(places.items()):
            length += self.measure(self.text[at:place])
            at = place
            if length > room:
                break
            left = rest - length
            cost = _PENALTIES[level] + abs(length - ideal) / self.limit
            cost += _EXTRA_PART * (left > (count - 1) * self.limit) + _EXTRA_PART * (left < _CRUMB)
            if cost <= least:
                best, least = place, cost
        return best

    def _places(self, start: int) -> dict[int, int]:
        """Where a reader could take a breath: offset -> level, the lower the better."""
        stop = start + self.reach
        numbers = set(_insides(_NUMBER.finditer(self.text, start, stop)))
        found: dict[int, int] = {}
        for level, pattern in enumerate(_PLACES):
            for match in pattern.finditer(self.text, start, stop):
                if match.end() not in numbers:
                    found.setdefault(match.end(), level)
        return found

    def _allowed(self, start: int) -> list[int]:
        """Offsets that split no grapheme, no character from its pinyin and no phrase to keep."""
        stop = min(start + self.reach, len(self.text))
        window = self.text[start:stop]
        fixed = set(_insides(self.keep.finditer(self.text, start, stop)))
        for each in annotations(window):
            fixed.update(range(start + each.start + 1, start + each.end))
        return [place for place in _grapheme_ends(self.text, start, stop) if place not in fixed]


def _insides(matches: Iterator[re.Match[str]]) -> Iterator[int]:
    for match in matches:
        yield from range(match.start() + 1, match.end())


def _grapheme_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Offsets behind the graphemes of text[start:stop] (the common rules of Unicode's UAX #29)."""
    flags = 0
    for at in range(start + 1, stop):
        flags = flags + 1 if _is_flag_half(text[at - 1]) else 0
        if not _sticks(text[at - 1], text[at]) and not (flags % 2 and _is_flag_half(text[at])):
            yield at
    if stop == len(text):
        yield stop


def _sticks(before: str, character: str) -> bool:
    if character < "\u0300":
        return before == "\u200d" or (before == "\r" and character == "\n")
    if "\u200d" in (before, character) or unicodedata.category(character)[0] == "M":
        return True
    if "\u1100" <= before <= "\ud7a3" and "\u1100" <= character <= "\u11ff":
        return before <= "\u11ff" or before >= "\uac00"
    if "\u1100" <= before <= "\u115f" and "\uac00" <= character <= "\ud7a3":
        return True
    halves = "\ud800" <= before <= "\udbff" and "\udc00" <= character <= "\udfff"
    return halves or "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f"


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
