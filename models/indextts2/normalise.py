"""The tokenizer's own normalisation: what is protected, spoken, put back and mapped to its few signs.

IndexTTS-2's rules (SPEC.md §7.2 to 7.4), the reference's word for word. Numbers are spoken by a `Normaliser`:
`plain` where the text is spoken already, as the farm's is; models.indextts2.wetext has the reference's.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import yaml

from farm.errors import Rejected
from models.indextts2.data import rows

Route = Literal["zh", "en"]
Glossary = Mapping[str, str | Mapping[Route, str]]
"""Term -> what stands for it, for each language or for both."""


class Normaliser(Protocol):
    """Numbers, dates and units in words. What is in <angle brackets> has to survive."""

    def __call__(self, text: str, route: Route) -> str: ...


def plain(text: str, route: Route) -> str:
    """The normaliser for text that has nothing left to be spoken."""
    return text


SYLLABLE = (
    r"(?:[bpmfdtnlgkhjqxzcsryw]|[zcs]h)?"
    r"(?:[aeiouüv]|[ae]i|u[aio]|ao|ou|i[aue]|[uüv]e|[uvü]ang?|uai|[aeiuv]n|[aeio]ng|ia[no]|i[ao]ng)|ng|er"
)
PINYIN = re.compile(rf"(?<![a-z])({SYLLABLE})([1-5])", re.IGNORECASE)
NAME = re.compile(r"[\u4e00-\u9fff]+(?:[-·—][\u4e00-\u9fff]+){1,2}")
TERM = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")
CONTRACTION = re.compile(r"(what|where|who|which|how|t?here|it|s?he|that|this)'s", re.IGNORECASE)
PRONUNCIATION = re.compile(r"<([^|>\n]+)\|([^>\n]+)>")
EMAIL = re.compile(r"^[a-zA-Z0-9]+@[a-zA-Z0-9]+\.[a-zA-Z]+$")
HAN = re.compile(r"[\u4e00-\u9fff]")
LETTER = re.compile(r"[A-Za-z]")
HYPHEN = re.compile(r"\s*<H>\s*")
ROUNDED = re.compile(r"([jqx])[uü](n|e|an)*(\d)", re.IGNORECASE)

SIGNS: Mapping[Route, Mapping[str, str]] = {
    route: {old: new for old, new, *only in rows("characters") if only in ([], [route])}
    for route in ("zh", "en")
}
ANY_SIGN = {route: re.compile("|".join(map(re.escape, signs))) for route, signs in SIGNS.items()}


def normalise(text: str, spoken: Normaliser = plain, glossary: Glossary | None = None) -> str:
    """What the tokenizer is given, before characters are parted.

    >>> normalise("约瑟夫·高登：“晕XUAN4……”")
    "约瑟夫-高登,'晕XVAN4…'"
    >>> normalise("What's in GPT-5-nano?")
    'What is in GPT-5-nano?'
    """
    text, pronunciations = _hide_pronunciations(text)
    language = route(text)
    text = with_glossary(CONTRACTION.sub(r"\1 is", text), glossary or {}, language)
    text = _chinese(text, spoken) if language == "zh" else _english(text, spoken)
    return _restore(text, pronunciations)


def route(text: str) -> Route:
    """By which language's rules `text` is spoken.

    >>> route("你好 hello"), route("3/4"), route("a@b.com"), route("XING2"), route("3 days")
    ('zh', 'zh', 'zh', 'zh', 'en')
    """
    chinese = HAN.search(text) or not LETTER.search(text) or EMAIL.match(text) or PINYIN.search(text)
    return "zh" if chinese else "en"


def with_glossary(text: str, glossary: Glossary, language: Route) -> str:
    """`text` with every term replaced, longest first, whatever its case; one that lacks `language` stays.

    >>> with_glossary("c++和C", {"C++": {"zh": "C 加加"}, "C": {"en": "see"}}, "zh")
    'C 加加和C'
    """
    for term in sorted(glossary, key=len, reverse=True):
        entry = glossary[term]
        new = entry if isinstance(entry, str) else entry.get(language)
        if new is not None:
            # The reference obeys backslashes in `new`; nobody who writes a reading means them so.
            text = re.sub(re.escape(term), new.replace("\\", r"\\"), text, flags=re.IGNORECASE)
    return text


def read_glossary(path: Path) -> Glossary:
    """A glossary.yaml: term -> string, or {en, zh}. Raises Rejected: unreadable, or an entry is neither."""
    try:
        entries = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=str(path), reason=str(e)) from e
    if not isinstance(entries, dict):
        raise Rejected("{path} has to be a list of terms, each with its reading.", path=str(path))
    for term, entry in entries.items():
        readings = list(entry.values()) if isinstance(entry, dict) else [entry]
        named = set(entry) <= {"en", "zh"} if isinstance(entry, dict) else True
        if not (isinstance(term, str) and term and named and all(isinstance(each, str) for each in readings)):
            raise Rejected(
                "{path}: {term} needs a text, or one text for each of en and zh.",
                path=str(path),
                term=repr(term),
            )
    return entries


def corrected(pinyin: str) -> str:
    """The spelling that the vocabulary has: V for the ü after j, q and x. Others are left alone.

    >>> corrected("xuan4"), corrected("QÜ4"), corrected("lü4")
    ('XVAN4', 'QV4', 'lü4')
    """
    return ROUNDED.sub(r"\1v\2\3", pinyin).upper() if pinyin[0] in "jqxJQX" else pinyin


def mapped(text: str, language: Route) -> str:
    """`text` in the signs that the vocabulary has, in one pass."""
    return ANY_SIGN[language].sub(lambda match: SIGNS[language][match[0]], text)


def _chinese(text: str, spoken: Normaliser) -> str:
    text, pinyin = _hide(_hide_terms(text.rstrip()), PINYIN, "<pinyin_{}>")
    text, names = _hide(text, NAME, "<n_{}>")
    text = _restore(spoken(text, "zh"), names)
    text = _restore(text, {label: corrected(each) for label, each in pinyin.items()})
    return mapped(HYPHEN.sub("-", text), "zh")


def _english(text: str, spoken: Normaliser) -> str:
    return mapped(HYPHEN.sub("-", spoken(_hide_terms(text), "en")), "en")


def _hide_terms(text: str) -> str:
    """GPT-5-nano is no subtraction: hide its hyphens."""
    for term in _found(TERM, text):
        text = text.replace(term, term.replace("-", "<H>"))
    return text


def _hide(text: str, pattern: re.Pattern[str], form: str) -> tuple[str, dict[str, str]]:
    """`text` with a label wherever something stands that `pattern` found, and what each label hides."""
    hidden = {form.format(_label(place)): each for place, each in enumerate(_found(pattern, text))}
    for label, each in hidden.items():
        text = text.replace(each, label)
    return text, hidden


def _hide_pronunciations(text: str) -> tuple[str, dict[str, str]]:
    hidden: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        label = f"PRONPLACEHOLDER{_label(len(hidden))}PRONPLACEHOLDER"
        hidden[label] = match[0]
        return label

    return PRONUNCIATION.sub(hide, text), hidden


def _restore(text: str, hidden: Mapping[str, str]) -> str:
    for label, each in hidden.items():
        text = text.replace(label, each)
    return text


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    """Each once, longest first: one may be part of another."""
    return sorted({match[0] for match in pattern.finditer(text)}, key=lambda each: (-len(each), each))


def _label(place: int) -> str:
    """
    >>> _label(0), _label(25), _label(26)
    ('a', 'z', 'aa')
    """
    letter = chr(ord("a") + place % 26)
    return letter if place < 26 else _label(place // 26 - 1) + letter
