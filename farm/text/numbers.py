"""Numerals, as written, to Chinese and English words. Every function takes ASCII digits."""

import re

HAN_DIGITS = "零一二三四五六七八九"
HAN_PLACES = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))
HAN_LONGEST = 16
"""Digits. Beyond that nobody says a number as one; it is read digit by digit."""

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ENGLISH_PLACES = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (1000, "thousand"),
    (100, "hundred"),
)
ENGLISH_LONGEST = 15
IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
ROMAN_FORM = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")


def han_digits(number: str, one: str = "一") -> str:
    """Read digit by digit; telephone numbers say 幺 for 1.

    >>> han_digits("2026"), han_digits("110", one="幺")
    ('二零二六', '幺幺零')
    """
    return "".join(one if digit == "1" else HAN_DIGITS[int(digit)] for digit in number)


def han_cardinal(number: str) -> str:
    """Read as a quantity.

    >>> [han_cardinal(number) for number in ("0", "12", "110", "1005", "100500", "12000", "100000001")]
    ['零', '十二', '一百一十', '一千零五', '十万零五百', '一万二千', '一亿零一']
    >>> [han_cardinal(number) for number in ("20", "200", "2000", "22000", "007", "1000000000000")]
    ['二十', '二百', '两千', '两万二千', '零零七', '一万亿']
    """
    if len(number) > HAN_LONGEST or (number.startswith("0") and number != "0"):
        return han_digits(number)
    spoken = _han(int(number))
    if spoken.startswith("一十"):
        return spoken[1:]
    return "两" + spoken[1:] if re.match("二[千万亿]", spoken) else spoken


def _han(number: int) -> str:
    for place, name in HAN_PLACES:
        if number >= place:
            head, rest = divmod(number, place)
            gap = "零" if 0 < rest < place // 10 else ""
            return _han(head) + name + gap + (_han(rest) if rest else "")
    return HAN_DIGITS[number]


def han_decimal(number: str) -> str:
    """Read a number that may have a decimal point.

    >>> han_decimal("3.14"), han_decimal(".50"), han_decimal("12")
    ('三点一四', '零点五零', '十二')
    """
    whole, point, fraction = number.partition(".")
    return han_cardinal(whole or "0") + ("点" + han_digits(fraction) if point else "")


def english_digits(number: str) -> str:
    """Read digit by digit.

    >>> english_digits("5550")
    'five five five zero'
    """
    return " ".join(ONES[int(digit)] for digit in number)


def english_cardinal(number: str) -> str:
    """Read as a quantity.

    >>> english_cardinal("42"), english_cardinal("1851"), english_cardinal("1000000"), english_cardinal("007")
    ('forty two', 'one thousand eight hundred fifty one', 'one million', 'zero zero seven')
    """
    if len(number) > ENGLISH_LONGEST or (number.startswith("0") and number != "0"):
        return english_digits(number)
    return _english(int(number))


def _english(number: int) -> str:
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (" " + ONES[ones] if ones else "")
    place, name = next(entry for entry in ENGLISH_PLACES if number >= entry[0])
    head, rest = divmod(number, place)
    return f"{_english(head)} {name}" + (f" {_english(rest)}" if rest else "")


def english_decimal(number: str) -> str:
    """Read a number that may have a decimal point.

    >>> english_decimal("3.14"), english_decimal(".5"), english_decimal("12")
    ('three point one four', 'point five', 'twelve')
    """
    whole, point, fraction = number.partition(".")
    return " ".join(
        ([english_cardinal(whole)] if whole else []) + (["point", english_digits(fraction)] if point else [])
    )


def english_ordinal(number: str) -> str:
    """Read as a place in a row.

    >>> english_ordinal("1"), english_ordinal("21"), english_ordinal("30"), english_ordinal("112")
    ('first', 'twenty first', 'thirtieth', 'one hundred twelfth')
    """
    head, _, last = english_cardinal(number).rpartition(" ")
    last = IRREGULAR_ORDINALS.get(last) or re.sub("y$", "ie", last) + "th"
    return f"{head} {last}".strip()


def english_year(number: str) -> str:
    """Read one to four digits as a year.

    >>> [english_year(year) for year in ("1851", "1905", "1900", "2000", "2007", "2024", "476", "1000")]
    ['eighteen fifty one', 'nineteen oh five', 'nineteen hundred', 'two thousand', 'two thousand seven', \
'twenty twenty four', 'four hundred seventy six', 'one thousand']
    """
    century, year = divmod(int(number), 100)
    if century < 10 or (century % 10 == 0 and year < 10):
        return _english(int(number))
    ending = f"oh {ONES[year]}" if 0 < year < 10 else _english(year) if year else "hundred"
    return f"{_english(century)} {ending}"


def roman(numeral: str) -> int | None:
    """The value of a Roman numeral in capitals; None when it is not a proper one.

    >>> roman("XII"), roman("XLVIII"), roman("IIX"), roman("")
    (12, 48, None, None)
    """
    if not numeral or not ROMAN_FORM.fullmatch(numeral):
        return None
    values = [ROMAN[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def plural(word: str) -> str:
    """The plural of an English numeral, for decades.

    >>> plural("eighty"), plural("hundred"), plural("six")
    ('eighties', 'hundreds', 'sixes')
    """
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")
