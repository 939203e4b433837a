"""How long a text takes to say, in spoken characters: one Han character is 1, whatever the language."""

import unicodedata

from farm.text.pinyin import BARE

DIGIT = 1.4
"""2024 is four characters in a year and seven in a quantity."""
SYMBOL = 2.0
"""% is 百分之, $ is 美元."""
LETTER = 0.35
WIDE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "HALFWIDTH", "IDEOGRAPHIC", "BOPOMOFO", "YI ")


class _Weights(dict[str, float]):
    """Fills itself; there are only so many different characters."""

    def __missing__(self, character: str) -> float:
        self[character] = weight = _weigh(character)
        return weight


def _weigh(character: str) -> float:
    category = unicodedata.category(character)
    if category[0] in "LN" and unicodedata.name(character, "CJK").startswith(WIDE):
        return 1.0
    if category[0] in "LN":
        return DIGIT if category[0] == "N" else LETTER
    return SYMBOL if category in ("Sc", "Sm") or character in "%‰°℃&@#" else 0.0


_WEIGHTS = _Weights()


def spoken_length(text: str) -> float:
    """Length in spoken characters. Readings in pinyin (CHONG2) count as the characters they stand for.

    >>> spoken_length("你好，世界。"), spoken_length("CHONG2要"), round(spoken_length("Call me Ishmael."), 2)
    (4.0, 2.0, 4.55)
    """
    if not text.islower() and any("1" <= character <= "5" for character in text):
        text = BARE.sub(lambda match: "字" * sum(map(str.isdigit, match[0])), text)
    return sum(map(_WEIGHTS.__getitem__, text))
