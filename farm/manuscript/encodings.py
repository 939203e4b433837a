"""Finding a text file's encoding: read it in each, keep the reading that looks most like a language."""

import codecs
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

from farm.errors import BadManuscript, Rejected
from farm.manuscript.parts import EncodingGuess

ENCODINGS = ("utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be", "cp932", "cp949", "cp1252")
"""What may be chosen, best first where two readings are equally good."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "big5": "big5hkscs", "cp950": "big5hkscs", "ascii": "utf-8"}
_WIDER |= {"shift_jis": "cp932", "euc_kr": "cp949", "iso8859-1": "cp1252", "utf-16": "utf-16-le"}

_BELIEF = {"cp932": 0.8, "cp949": 0.8}
"""Bad bytes can shift GB18030 by half a character to where it looks like these, which are rarer here."""

_SLICE = 1 << 15
_LEAST_SCORE, _LEAST_SCORE_IF_CHOSEN = 0.25, -0.5
"""Prose scores 0.5 to 1, compressed data and programs below 0."""
_DATA = Path(__file__).with_name("data")
_PUNCTUATION = "，。、；：？！“”‘’《》（）「」『』—…·．〈〉【】〔〕～　–•"
_ACCENTED = re.compile("(?<=[A-Za-z])[ß-öø-ÿ]|[À-ÖØ-öø-ÿ](?=[a-z])")
_JUNK_CATEGORIES = frozenset({"Cn", "Co", "Cs"})


def decode(content: bytes, encoding: str | None = None, *, name: str = "?") -> tuple[str, EncodingGuess]:
    """Read a text file's bytes; the text is without byte-order mark.

    `encoding` overrides the guess; `name` is what people call the file. Raises Rejected for an encoding that
    cannot be chosen, BadManuscript for an empty file and for one that is not text.
    """
    chosen = _known(encoding) if encoding else guess(content)
    text = content.decode(chosen, "replace").removeprefix("\ufeff")
    if not text.replace("\0", "").strip():
        raise BadManuscript("{name} is empty. Choose a file with text in it.", name=name)
    if score(_sample(content, chosen), chosen) < (_LEAST_SCORE_IF_CHOSEN if encoding else _LEAST_SCORE):
        _refuse(name, chosen if encoding else None)
    return text, EncodingGuess(chosen, text.count("\ufffd"), text.strip()[:200])


def guess(content: bytes) -> str:
    """The encoding of `content`: its byte-order mark's, else the one with the best score."""
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    return max(ENCODINGS, key=lambda name: score(_sample(content, name), name))


def score(text: str, encoding: str) -> float:
    """How much a reading looks like a language: share of common characters − junk, at most 1.

    In UTF-8 every character that decodes counts as common: other encodings hardly ever pass as UTF-8.
    In a Western encoding so does an accented letter beside a plain one.
    """
    if not text:
        return 0.0
    weight = _weight_in_utf8 if encoding == "utf-8" else _weight
    marks = sum(weight(character) * n for character, n in Counter(text).items())
    accents = len(_ACCENTED.findall(text)) if encoding == "cp1252" else 0
    return _BELIEF.get(encoding, 1.0) * (marks + accents) / len(text)


@cache
def _common() -> frozenset[str]:
    latin = "".join(map(chr, range(0x20, 0x7F))) + "\t\n\r"
    kana = "".join(map(chr, range(0x3041, 0x30FF)))
    listed = [(_DATA / name).read_text("utf-8") for name in ("common_han.txt", "common_hangul.txt")]
    return frozenset(latin + kana + _PUNCTUATION + "".join(listed))


def _weight(character: str) -> int:
    return 1 if character in _common() else _penalty(character)


def _weight_in_utf8(character: str) -> int:
    return _penalty(character) or 1


def _penalty(character: str) -> int:
    if character in "\t\n\r\f\v\x1a":
        return 0
    category = unicodedata.category(character)
    if category == "Cc":  # what tells programs and pictures from text
        return -4
    half_width_kana = "\uff61" <= character <= "\uff9f"
    return -2 if character == "\ufffd" or half_width_kana or category in _JUNK_CATEGORIES else 0


def _sample(content: bytes, encoding: str) -> str:
    """The whole of a small file, else its beginning and three places further on: a licence may come first."""
    if len(content) <= 4 * _SLICE:
        return content.decode(encoding, "replace")
    step = len(content) // 4 // 4 * 4  # whole code units of UTF-16 and UTF-32
    slices = (content[at : at + _SLICE] for at in range(0, 4 * step, step))
    return "".join(part.decode(encoding, "replace") for part in slices)


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        name = ""
    name = _WIDER.get(name, name)
    if name not in ENCODINGS:
        raise Rejected(
            "{encoding} is not an encoding that can be chosen. Choose one of {choices}.",
            encoding=encoding,
            choices=", ".join(ENCODINGS),
        )
    return name


def _refuse(name: str, chosen: str | None) -> None:
    if chosen:
        raise BadManuscript(
            "{name} makes no sense read as {encoding}. Choose another encoding.", name=name, encoding=chosen
        )
    raise BadManuscript(
        "{name} is not text, or not in an encoding known here. Save it as UTF-8 and choose it again.",
        name=name,
    )
