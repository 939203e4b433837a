"""How a project, or the house, wants certain words read: 行长 → hang2 zhang3, OWASP → oh-wasp."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from farm.errors import Rejected
from farm.text import pinyin

LANGUAGES = frozenset(["zh", "en", "ja", "ko"])
LINE = re.compile(
    r"(?:\[(?P<language>\w+)\]\s*)?(?P<written>.*?\S)\s*(?:→|->|=>|=|\t)\s*(?P<spoken>\S.*)", re.DOTALL
)
LATIN = re.compile("[A-Za-z0-9]")


@dataclass(frozen=True)
class Entry:
    """`spoken` may be words or pinyin with tones. No `language`: read so in all of them.

    Raises Rejected where there is nothing to find.
    """

    written: str
    spoken: str
    language: str = ""

    def __post_init__(self) -> None:
        if not self.written:
            raise Rejected(
                "A lexicon entry for nothing would be read as “{spoken}”. Say what is written.",
                spoken=self.spoken,
            )

    @property
    def reading(self) -> str:
        found = pinyin.canonical(self.spoken)
        return pinyin.hide(found) if found else self.spoken

    @property
    def pattern(self) -> str:
        """Latin words match as whole words only; Chinese has no word boundaries to ask for."""
        before = r"(?<![A-Za-z0-9])" if LATIN.match(self.written[0]) else ""
        after = r"(?![A-Za-z0-9])" if LATIN.match(self.written[-1]) else ""
        return before + re.escape(self.written) + after


@dataclass(frozen=True)
class Lexicon:
    """Entries, of which the longest that fits is used; among equals the last."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> "Lexicon":
        """One entry a line: `written → spoken`, or with `->`, `=>`, `=` or a tab; `[en]` in front limits it
        to a language; lines that begin with # are remarks. Raises Rejected with the line's number.

        >>> pinyin.reveal(Lexicon.from_text("行长 → hang2 zhang3").apply("他是行长。", "zh"))
        '他是HANG2ZHANG3。'
        >>> Lexicon.from_text("[en] OWASP = oh-wasp").apply("OWASP, not OWASPs", "en")
        'oh-wasp, not OWASPs'
        """
        lines = enumerate(text.lstrip("\ufeff").splitlines(), start=1)
        return cls(
            tuple(_entry(n, line.strip()) for n, line in lines if line.strip() and line.strip()[0] != "#")
        )

    def apply(self, text: str, language: str) -> str:
        """`text` with every match replaced; readings in pinyin are hidden until farm.text.pinyin.reveal."""
        pattern, readings = self._compiled.get(language, self._none)
        return pattern.sub(lambda match: readings[match[0]].reading, text) if readings else text

    def matches(self, text: str, language: str) -> tuple[Entry, ...]:
        """The entries that `apply` would use, each once, in order of appearance."""
        pattern, readings = self._compiled.get(language, self._none)
        found: Iterator[str] = (match[0] for match in pattern.finditer(text)) if readings else iter(())
        return tuple(dict.fromkeys(readings[written] for written in found))

    @property
    def _none(self) -> tuple[re.Pattern[str], dict[str, Entry]]:
        return re.compile("(?!)"), {}

    @cached_property
    def _compiled(self) -> dict[str, tuple[re.Pattern[str], dict[str, Entry]]]:
        return {language: self._compile(language) for language in sorted(LANGUAGES)}

    def _compile(self, language: str) -> tuple[re.Pattern[str], dict[str, Entry]]:
        readings = {each.written: each for each in self.entries if each.language in ("", language)}
        longest_first = sorted(readings.values(), key=lambda entry: (-len(entry.written), entry.written))
        first = "".join(sorted({re.escape(written[0]) for written in readings}))
        # The look-ahead passes over most characters without trying a thousand alternatives.
        choices = "|".join(entry.pattern for entry in longest_first)
        return re.compile(f"(?=[{first}])(?:{choices})" if readings else "(?!)"), readings


def _entry(number: int, line: str) -> Entry:
    match = LINE.fullmatch(line)
    if not match:
        raise Rejected(
            'Line {line} of the lexicon, "{text}", is not an entry. Write it as: written → spoken.',
            line=number,
            text=line,
        )
    language = match["language"] or ""
    if language and language not in LANGUAGES:
        raise Rejected(
            'Line {line} of the lexicon names the language "{language}". Use one of zh, en, ja, ko.',
            line=number,
            language=language,
        )
    return Entry(match["written"], match["spoken"].strip(), language)
