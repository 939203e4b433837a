"""Where the sentences of a paragraph end."""

import re
from bisect import bisect_right

from farm.text.quotes import BRACKETS, CLOSERS, QUOTES, TITLE_BRACKETS, Pair, outermost
from farm.text.wordlists import rows

HARD_STOPS = "。！？｡．।؟۔⁇⁈⁉‼"
_STOP = re.compile(f"[{HARD_STOPS}!?.…‥]+")
_NEXT_WORD = re.compile(r"[^\W\d_]+")
_WORD_BEFORE = re.compile(r"[A-Za-zÀ-ɏ.'’]+$")
_INITIALS = re.compile(r"(?:[a-z]\.)*[a-z]")
_LIST_NUMBER = re.compile(r"\s*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})$")
_CONTINUES = ",，、;；:：-–"

# A bracket longer than this (characters) may hold sentences of its own.
_LONGEST_ASIDE = 200

_ABBREVIATIONS = {row[0]: row[1] for row in rows("unfinished")}
_STARTERS = frozenset(row[0] for row in rows("starters"))

_SPEECH_TAG = re.compile(
    r"[^。！？!?，,：:；;“”「」『』\"\n]{0,9}?"
    r"(?:(?<![之小传傳知味街])(?:说|說|道|问|問)(?![法理路题題])|答|喊|叫|嚷|骂|罵|笑|哭|叹|嘆|吼|曰|嘟囔|嘀咕|咕哝)"
    r"[^。！？!?，,：:；;“”「」『』\"\n]{0,6}(?P<then>.?)"
)
_JAPANESE_PARTICLE = re.compile("(?:と|って|などと|は|が|を|に|の|も)")


def sentence_ends(paragraph: str, quotations: list[Pair]) -> list[int]:
    """Offsets just behind each sentence of `paragraph`, closing marks and following white space included.

    The last is len(paragraph). `quotations` are the paragraph's own pairs (farm.text.quotes.pairs).
    """
    reader = _Reader(paragraph, quotations)
    ends: list[int] = []
    at = 0
    while stop := _STOP.search(paragraph, at):
        at = reader.closed(stop.end())
        if reader.ends(stop, at, ends[-1] if ends else 0):
            ends.append(_skip_space(paragraph, at))
    if paragraph and (not ends or ends[-1] < len(paragraph)):
        ends.append(len(paragraph))
    return ends


class _Reader:
    """What one paragraph's marks say about its stops."""

    def __init__(self, paragraph: str, quotations: list[Pair]) -> None:
        self.text = paragraph
        self.openings = {pair.start for pair in quotations}
        self.by_end = {pair.end: pair for pair in reversed(quotations) if pair.closed}
        asides = [
            pair for pair in quotations if pair.mark in BRACKETS and pair.end - pair.start <= _LONGEST_ASIDE
        ]
        self.asides = outermost(asides)
        self.aside_starts = [pair.start for pair in self.asides]

    def closed(self, at: int) -> int:
        """`at`, moved behind closing marks and the stops between them: 。’” and ?). ."""
        while at < len(self.text) and self._closes(at):
            at += 1
        return at

    def _closes(self, at: int) -> bool:
        mark = self.text[at]
        if mark in "\"'＂＇":
            return at + 1 in self.by_end
        return (mark in CLOSERS and at not in self.openings) or _STOP.match(mark) is not None

    def ends(self, stop: re.Match[str], at: int, start: int) -> bool:
        """Whether the sentence that began at `start` ends at `at`, behind `stop` and its closing marks."""
        behind = _skip_space(self.text, at)
        if behind == len(self.text):
            return True
        if self._is_aside(stop.start(), at, start) or self.text[behind] in _CONTINUES:
            return False
        if self._goes_on(stop, at, behind):
            return False
        if any(mark in HARD_STOPS for mark in stop[0]):
            return not _between_digits(self.text, stop)
        if set(stop[0]) <= set("!?"):
            return self._spaced(at, behind)
        return self._ends_at_dots(stop, at, behind, start)

    def _is_aside(self, stop: int, at: int, start: int) -> bool:
        """Whether the stop lies in a bracket that is only a part of its sentence, or in a title."""
        which = bisect_right(self.aside_starts, stop) - 1
        if which < 0 or self.asides[which].end <= stop:
            return False
        aside = self.asides[which]
        if aside.end > at or aside.mark in TITLE_BRACKETS:
            return True
        return any(self.text[at].isalnum() for at in range(start, aside.start))

    def _goes_on(self, stop: re.Match[str], at: int, behind: int) -> bool:
        """Whether what follows the closing quotation mark belongs to it: ！”他说 / 。」と / 喊着“杀！”冲."""
        quotation = self.by_end.get(at)
        if at < behind and self.text[behind].islower():
            return True
        if not _is_wide(self.text[behind]):
            return False
        if quotation is None:
            return stop[0][-1] in "！？" and self.text[behind] == "と"
        if quotation.mark not in QUOTES:
            return False
        tag = _SPEECH_TAG.match(self.text, behind)
        if (tag and tag["then"] not in set("：:“「")) or _JAPANESE_PARTICLE.match(self.text, behind):
            return True
        return at == behind and quotation.start > 0 and _is_wide(self.text[quotation.start - 1])

    def _spaced(self, at: int, behind: int) -> bool:
        """Whether a Latin stop has a space and no small letter behind it, or a script without spaces."""
        following = self.text[behind]
        if at == behind:
            return _is_wide(following) or behind in self.openings
        return not following.islower()

    def _ends_at_dots(self, stop: re.Match[str], at: int, behind: int, start: int) -> bool:
        following = self.text[behind]
        if len(stop[0]) > 1 or stop[0] in "…‥":
            quoted = at > stop.end() and (_is_wide(following) or behind in self.openings)
            return quoted or (at < behind and not following.islower())
        if not self._spaced(at, behind) or _numbers_a_list(self.text, start, stop.start()):
            return False
        if following.isdigit() and self.text[stop.start() - 1 : stop.start()].isdigit():
            return False
        return not self._abbreviates(stop.start(), behind)

    def _abbreviates(self, dot: int, behind: int) -> bool:
        before = _WORD_BEFORE.search(self.text, max(0, dot - 20), dot)
        if not before:
            return False
        word, following = before[0].lower().lstrip("."), _NEXT_WORD.search(self.text, behind, behind + 20)
        kind = _ABBREVIATIONS.get(word, "usually" if _INITIALS.fullmatch(word) else "")
        if kind == "always" or self.text[behind].isdigit():
            return kind != ""
        if kind == "usually":
            return following is not None and following[0].lower() not in _STARTERS
        return False


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _numbers_a_list(text: str, start: int, dot: int) -> bool:
    return dot - start < 10 and _LIST_NUMBER.match(text[start:dot]) is not None


def _between_digits(text: str, stop: re.Match[str]) -> bool:
    return (
        stop[0] == "．"
        and text[stop.start() - 1 : stop.start()].isdigit()
        and text[stop.end() : stop.end() + 1].isdigit()
    )


def _is_wide(character: str) -> bool:
    """Whether a letter is of a script written without spaces (Han, kana)."""
    return ("\u2e80" <= character <= "\ua4cf" and character.isalpha()) or "\uf900" <= character <= "\ufaff"
