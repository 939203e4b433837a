"""Pinyin that a manuscript gives for its characters: 重(chóng)要, 行<HANG2>, <行|HANG2>, or XING2 alone.

In spoken text a reading stands where its character stood, in one form: CHONG2, capitals and a tone digit,
V for ü (LV4), 5 for the neutral tone. Spoken text has no other digits: engines look for `[A-Z]+[1-5]`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from farm.text.wordlists import rows

SYLLABLES = frozenset(syllable for (syllable,) in rows("syllables"))
LONGEST_SYLLABLE = max(map(len, SYLLABLES))
NEUTRAL = frozenset(["ba", "bo", "de", "le", "ma", "me", "men", "ne", "tou", "zhe", "zi"])
"""Syllables that may go unmarked beside marked ones: zhuōzi. Others are likelier a name: René, Dalí."""
TONE_MARKS = {"\u0304": "1", "\u0301": "2", "\u030c": "3", "\u0300": "4"}
HAN_RANGE = "〇\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
HAN = f"[{HAN_RANGE}]"

BARE = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{2,6}[1-5])+(?![A-Za-z0-9])")
ENGINE_STYLE = re.compile(rf"<(?P<han>{HAN}+)\|(?P<pinyin>[^<>|\n]{{1,60}})>")
BRACKETED = re.compile(
    rf"(?<={HAN})\s?[(（<〈\[【]\s?(?P<pinyin>[^()（）<>〈〉\[\]【】{HAN_RANGE}\n]{{1,60}}?)\s?[)）>〉\]】]"
)
NUMBERED = re.compile(r"(?:[a-zü:]{1,7}[0-5][\s'’-]?)+")

HIDDEN = 0x10FF00
"""Readings wait here, in the last private plane, while the rules run: no letters, no digits."""
HIDE = {code: HIDDEN + code for code in range(0x30, 0x5B)}
REVEAL = {hidden: code for code, hidden in HIDE.items()}
HIDDEN_ONE = f"[{chr(min(REVEAL))}-{chr(max(REVEAL))}]"
BESIDE_LETTERS = re.compile(rf"(?<=[A-Za-z0-9])(?={HIDDEN_ONE})|(?<={HIDDEN_ONE})(?=[A-Za-z0-9])")


@dataclass(frozen=True)
class Annotation:
    """`text[start:end]` is the characters `han` with their reading; `han` is "" where that stands alone."""

    start: int
    end: int
    han: str
    pinyin: str


def annotations(text: str) -> list[Annotation]:
    """The readings that `text` gives, in order.

    >>> annotations("重(chóng)要")
    [Annotation(start=0, end=8, han='重', pinyin='CHONG2')]
    >>> [(each.han, each.pinyin) for each in annotations("龟兹（qiūcí）国，银XING2，<行|hang2>长，绿[lu:4]")]
    [('龟兹', 'QIU1CI2'), ('', 'XING2'), ('行', 'HANG2'), ('绿', 'LV4')]
    >>> annotations("用 GPT4 听 MP3，勒内(René)，图(A4)，COVID19，他(说)")
    []
    """
    found: list[Annotation] = []
    for each in sorted(
        chain(_engine_style(text), _bracketed(text), _bare(text)), key=lambda each: each.start
    ):
        if not found or each.start >= found[-1].end:
            found.append(each)
    return found


def strip_annotations(text: str) -> str:
    """The text as it is shown: characters without the readings that follow them.

    >>> strip_annotations("重(chóng)要的银<行|HANG2>")
    '重要的银行'
    """
    return _replace(text, lambda found: found.han or text[found.start : found.end])


def carry(text: str) -> str:
    """Put every reading in its character's place, hidden from the rules until `reveal`.

    >>> reveal(carry("重（chong2）要"))
    'CHONG2要'
    """
    return _replace(text, lambda found: hide(found.pinyin))


def hide(reading: str) -> str:
    return reading.translate(HIDE)


def reveal(text: str) -> str:
    """Show what is hidden, apart from Latin letters that it would run into.

    >>> reveal("A" + hide("HANG2") + "长")
    'A HANG2长'
    """
    return text if text.isascii() else BESIDE_LETTERS.sub(" ", text).translate(REVEAL)


def canonical(reading: str) -> str | None:
    """The form readings are carried in; None when `reading` is not pinyin with tones.

    >>> canonical("hang2 zhang3"), canonical("lǜ"), canonical("nü3"), canonical("XVAN4"), canonical("zhuōzi")
    ('HANG2ZHANG3', 'LV4', 'NV3', 'XUAN4', 'ZHUO1ZI5')
    >>> canonical("A4"), canonical("oh-wasp"), canonical("chong")
    (None, None, None)
    """
    reading = reading.strip().lower()
    syllables = _numbered(reading) if any(letter.isdigit() for letter in reading) else _marked(reading)
    return "".join(syllables).upper() if syllables else None


def _replace(text: str, new: Callable[[Annotation], str]) -> str:
    found = annotations(text)
    if not found:
        return text
    ends = [0, *(each.end for each in found)]
    kept = (text[end : each.start] + new(each) for end, each in zip(ends, found, strict=False))
    return "".join(kept) + text[ends[-1] :]


def _engine_style(text: str) -> Iterator[Annotation]:
    for match in ENGINE_STYLE.finditer(text) if "|" in text else ():
        if reading := canonical(match["pinyin"]):
            yield Annotation(match.start(), match.end(), match["han"], reading)


def _bracketed(text: str) -> Iterator[Annotation]:
    for match in BRACKETED.finditer(text):
        reading = canonical(match["pinyin"])
        count = sum(character.isdigit() for character in reading or "")
        start = match.start() - count
        han = text[max(start, 0) : match.start()]
        if reading and re.fullmatch(f"{HAN}{{{count}}}", han):
            yield Annotation(start, match.end(), han, reading)


def _bare(text: str) -> Iterator[Annotation]:
    for match in BARE.finditer(text):
        if reading := canonical(match[0]):
            yield Annotation(match.start(), match.end(), "", reading)


def _numbered(reading: str) -> list[str] | None:
    if not NUMBERED.fullmatch(reading):
        return None
    pairs = re.findall(r"([a-zü:]+)([0-5])", reading)
    plain = [(_u_or_v(syllable.replace("u:", "v").replace("ü", "v")), tone) for syllable, tone in pairs]
    if any(syllable not in SYLLABLES or len(syllable) == 1 for syllable, _ in plain):
        return None  # one letter and a digit is a label: A4, e2
    return [syllable + (tone.replace("0", "5")) for syllable, tone in plain]


def _u_or_v(syllable: str) -> str:
    return re.sub("^([jqxy])v", r"\1u", syllable)


def _marked(reading: str) -> list[str] | None:
    """Tone marks to digits, finding where one syllable ends and the next begins."""
    letters, tones = "", {}
    for character in unicodedata.normalize("NFD", reading.replace("ü", "v")):
        if character in TONE_MARKS:
            tones[len(letters) - 1] = TONE_MARKS[character]
        elif character == "\u0308" and letters.endswith("u"):
            letters = letters[:-1] + "v"
        else:
            letters += character
    return _split(letters, tones, 0) if tones and len(tones) <= 12 else None


def _split(letters: str, tones: dict[int, str], start: int) -> list[str] | None:
    if start == len(letters):
        return []
    if letters[start] in " '’-·":
        return _split(letters, tones, start + 1)
    for end in range(min(len(letters), start + LONGEST_SYLLABLE), start, -1):
        syllable = letters[start:end]
        marks = [tones[place] for place in range(start, end) if place in tones]
        if syllable not in SYLLABLES or len(marks) > 1 or not (marks or syllable in NEUTRAL):
            continue
        rest = _split(letters, tones, end)
        if rest is not None:
            return [syllable + (marks[0] if marks else "5"), *rest]
    return None
