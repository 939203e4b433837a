"""English display text to spoken text: numbers, signs and shorthand become words."""

import re
from collections.abc import Callable

from farm.text.english_amounts import arithmetic, fractions, money, percents, plain, through, units
from farm.text.english_dates import dates, times, years
from farm.text.english_words import (
    CLOSERS,
    LAST,
    PART,
    abbreviations,
    addresses,
    endless,
    letters,
    ordinals,
    phones,
    romans,
    versions,
)
from farm.text.folding import fold, thousands
from farm.text.wordlists import rows

NAMES = {symbol: english for symbol, _, english in rows("symbols")}
GREEK = "Ͱ-Ͽἀ-῿"
NAMED = re.compile(rf"\s?(?<![{GREEK}])(?P<sign>[{''.join(NAMES)}])(?![{GREEK}])\s?")
POWER = re.compile(r"(?:(?<=\d)|(?<=\b[A-Za-z]))(?:\^(?P<digits>\d+)|(?P<raised>[²³]))")
POWER_NAMES = {"2": " squared", "²": " squared", "3": " cubed", "³": " cubed"}
BETWEEN = (
    (re.compile(r"(?<=\w)\s?>=\s?(?=[\w-])"), " is at least "),
    (re.compile(r"(?<=\w)\s?<=\s?(?=[\w-])"), " is at most "),
    (re.compile(r"(?<=[\w)])\s?={1,2}\s?(?=[\w(-])"), " equals "),
    (re.compile(r"(?<=\w)\s?>\s?(?=\d)|(?<=\d)\s?>\s?(?=\w)"), " is greater than "),
    (re.compile(r"(?<=\w)\s?<\s?(?=\d)|(?<=\d)\s?<\s?(?=\w)"), " is less than "),
    (re.compile(r"(?<=[A-Za-z])#(?=\W|$)"), " sharp"),
    (re.compile(r"#\s?(?=\d)"), "number "),
    (re.compile(r"(?<=\w)\s?&\s?(?=\w)"), " and "),
    (re.compile(r"&"), "and"),
    (re.compile(r"(?<=\w)\+{2,}"), " plus plus"),
    (re.compile(r"(?<=[\w)])\s?\+\s?(?=[\w(])"), " plus "),
    (re.compile(r"(?<=\w)\+"), " plus"),
    (re.compile(r"(?<=\w)\s?@\s?(?=\w)"), " at "),
    (re.compile(r"@(?=\w)"), "at "),
    (re.compile(r"(?<![\w)])~\s?(?=\d)"), "about "),
    (re.compile(r"(?<![\w<])>\s?(?=\d)"), "more than "),
    (re.compile(r"(?<!\w)<\s?(?=\d)"), "less than "),
    (re.compile(r"(?<=\d)/(?=\d)"), " over "),
    (re.compile(r"(?<=\d)\s?[:∶]\s?(?=\d)"), " to "),
    (re.compile(r"(?<=\w)%"), " percent"),
)


def powers(text: str) -> str:
    """
    >>> powers("x²"), powers("10^6"), powers("he said²")
    ('x squared', '10 to the power of 6', 'he said²')
    """
    return POWER.sub(_power, text)


def _power(match: re.Match[str]) -> str:
    raised = match["digits"] or match["raised"]
    return POWER_NAMES.get(raised, f" to the power of {raised}")


def between(text: str) -> str:
    """Signs that are words between the things they join.

    >>> between("a=b"), between("salt & pepper"), between("R&B"), between("C++"), between("#5")
    ('a equals b', 'salt and pepper', 'R and B', 'C plus plus', 'number 5')
    >>> between("x > 3"), between("me @ home"), between("~100"), between("C#")
    ('x is greater than 3', 'me at home', 'about 100', 'C sharp')
    """
    for sign, word in BETWEEN:
        text = sign.sub(word, text)
    return text


def names(text: str) -> str:
    """
    >>> names("x≈y"), names("½"), names("the α particle"), names("λόγος"), names("§ five")
    ('x approximately equals y', 'one half', 'the alpha particle', 'λόγος', 'section five')
    """
    return NAMED.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    """With spaces where there are words, none at the ends of the text or before a comma."""
    before = " " if match.start() and not match.string[match.start() - 1].isspace() else ""
    after = " " if re.match(r"\w", match.string[match.end() : match.end() + 1]) else ""
    kept = " " if match[0][:1].isspace() else before
    return kept + NAMES[match["sign"]] + (after or (" " if match[0][-1:].isspace() else ""))


RULES: tuple[Callable[[str], str], ...] = (
    fold,
    addresses,
    thousands,
    endless,
    abbreviations,
    romans,
    dates,
    phones,
    versions,
    times,
    through,
    percents,
    money,
    years,
    units,
    powers,
    fractions,
    ordinals,
    arithmetic,
    between,
    letters,
    plain,
    names,
)
"""In this order: each sees only the digits that those before it have left."""

SIGNS = rf"\d%&@#=+^<>$€£¥²³₀-₉①-⑳Ⅰ-ⅿ㎀-㏟０-９Ａ-Ｚａ-ｚ{''.join(NAMES)}"
TROUBLE = re.compile(rf"[{SIGNS}]|\.(?![{re.escape(CLOSERS)}]*$)|(?<!\w)[IVXLCDM]{{2,}}(?!\w)")
NUMBERED = re.compile(rf"\b(?:{PART}|(?:King|Queen|Pope|Emperor|Tsar|Czar)\s[A-Z]\w+)\s[IVXLCDM]\b")


def needs_rules(text: str) -> bool:
    """Whether any rule could have something to do; most sentences of most books are plain words."""
    if TROUBLE.search(text) or text.rstrip(CLOSERS).endswith(LAST):
        return True
    return NUMBERED.search(text) is not None


def speak(text: str) -> str:
    """
    >>> speak("In 1851 Mr. Smith paid $4.20 for 3-5 of them, ±3%.")
    'In eighteen fifty one Mister Smith paid four dollars and twenty cents for three to five of them, \
plus or minus three percent.'
    """
    if not needs_rules(text):
        return text
    for rule in RULES:
        text = rule(text)
    return text
