"""Other spellings of letters, digits and numbers to the one the rules know."""

import re
import unicodedata
from collections.abc import Callable

THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
ENDLESS = re.compile(r"(?P<point>(?<=\d)\.)?(?P<number>\d{17,})")
"""Digits that nobody says as one number; taken out early, they cost every later pattern nothing."""
LISTED = re.compile(r"(?:^|(?<=[\s，。；：、！？]))[①-⑳](?!、)|[①-⑳](?=[①-⑳\d])")


def fold(text: str) -> str:
    """Full-width letters, digits and signs, and the digits of other scripts, to ASCII.

    >>> fold("１２％，Ａ＋Ｂ，H₂O，㎏，Ⅷ，٣"), fold("①选择②运行，见图①")
    ('12%，A+B，H2O，kg，VIII，3', '1、选择2运行，见图1')
    """
    if text.isascii():
        return text
    return "".join(map(_fold, LISTED.sub(r"\g<0>、", text)))


def _fold(character: str) -> str:
    if "！" <= character <= "～":
        narrow = chr(ord(character) - 0xFEE0)
        return narrow if narrow.isalnum() or narrow in "%$+-=/@&#<>*^" else character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if (
        "₀" <= character <= "₉"
        or "①" <= character <= "⑳"
        or "Ⅰ" <= character <= "ⅿ"
        or "㎀" <= character <= "㏟"
    ):
        return unicodedata.normalize("NFKC", character)
    return character


def thousands(text: str) -> str:
    """
    >>> thousands("1,234,567元"), thousands("1,23")
    ('1234567元', '1,23')
    """
    return THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)


def endless(text: str, digits: Callable[[str], str], point: str) -> str:
    """`text` with runs of digits that nobody could say as a number read one by one."""

    def read(match: re.Match[str]) -> str:
        before, after = text[max(match.start() - 1, 0) : match.start()], text[match.end() : match.end() + 1]
        left = point if match["point"] else " " * (before.isascii() and before.isalpha())
        return left + digits(match["number"]) + " " * (after.isascii() and after.isalpha())

    return ENDLESS.sub(read, text)
