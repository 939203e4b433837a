"""Numbers as headings write them: 十六, 一一九, ０１, XIV, twenty-first."""

import re
import unicodedata

HAN_NUMERAL = "0-9０-９〇零○一二两兩三四五六七八九十百千万萬壹贰貳叁參肆伍陆陸柒捌玖拾佰仟廿卅"

_DIGITS = {
    character: value
    for value, row in enumerate(
        ("〇零○", "一壹", "二两兩贰貳", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖")
    )
    for character in row
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10_000, "萬": 10_000}
_TENS = {"廿": 20, "卅": 30}
_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,4})(?:XC|XL|L?X{0,4})(?:IX|IV|V?I{0,4})")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for row in (_CARDINALS, _ORDINALS) for value, word in enumerate(row.split())}
_WORDS |= {word: 10 * (value + 2) for value, word in enumerate(_DECADES.split())}
_WORDS |= {word[:-1] + "ieth": value for word, value in _WORDS.items() if word.endswith("ty")}
_WORDS |= {"hundred": 100, "hundredth": 100, "and": 0}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
ENGLISH_NUMERAL = rf"\d{{1,5}}|[IVXLCDM]+|(?:{_WORD})(?:[ \-](?:{_WORD}))*"
"""Matches what `english_number` reads (and some that it refuses); for use with re.IGNORECASE."""


def han_number(written: str) -> int | None:
    """Read a Chinese numeral or digits; None when it is neither.

    >>> [han_number(written) for written in ("16", "０１", "一一九", "一百零一", "一百二", "廿三", "两千")]
    [16, 1, 119, 101, 102, 23, 2000]
    """
    if written.isdecimal():
        return int(written)
    if any(character in _UNITS or character in _TENS for character in written):
        return _additive(written)
    places = [_digit(character) for character in written]
    return int("".join(map(str, places))) if places and None not in places else None


def english_number(written: str) -> int | None:
    """Read digits, a Roman numeral or English number words; None when it is none of these.

    >>> [english_number(written) for written in ("12", "XIV", "iiii", "Twenty-First", "one hundred and two")]
    [12, 14, 4, 21, 102]
    """
    if written.isdecimal():
        return int(written)
    return _roman(written.upper()) or _in_words(written.lower())


def _additive(written: str) -> int | None:
    total = pending = 0
    for character in written:
        digit = _digit(character)
        if digit is not None:
            pending = digit
        elif character in _TENS:
            total += _TENS[character]
        elif character in "万萬":
            total, pending = (total + pending) * 10_000, 0
        elif character in _UNITS:
            total, pending = total + (pending or 1) * _UNITS[character], 0
        else:
            return None
    return total + pending


def _digit(character: str) -> int | None:
    return _DIGITS.get(character, unicodedata.decimal(character, None))


def _roman(written: str) -> int | None:
    if not written or not _ROMAN.fullmatch(written):
        return None
    values = [_ROMAN_DIGITS[letter] for letter in written]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _in_words(written: str) -> int | None:
    total = 0
    for word in re.split(r"[ \-]+", written):
        if word not in _WORDS:
            return None
        total = max(total, 1) * 100 if word.startswith("hundred") else total + _WORDS[word]
    return total or None
