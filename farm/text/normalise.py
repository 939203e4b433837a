"""Display text to spoken text: what the engine is given is words, and readings in pinyin."""

from collections.abc import Callable

from farm.text import chinese, english, pinyin
from farm.text.lexicon import Lexicon

SPEAKERS: dict[str, Callable[[str], str]] = {"zh": chinese.speak, "en": english.speak}
"""Japanese and Korean voices read numerals themselves."""

NONE = Lexicon()


def normalise(text: str, language: str, lexicon: Lexicon = NONE) -> str:
    """The spoken form of a sentence, or a part of one, in the language it will be spoken in: zh, en, ja, ko.

    A reading the manuscript gives comes before the lexicon's, and both before the rules.

    >>> normalise("重(chóng)做3-5倍", "zh", Lexicon.from_text("做 → zuo4"))
    'CHONG2ZUO4三到五倍'
    """
    text = lexicon.apply(pinyin.carry(text), language)
    speak = SPEAKERS.get(language)
    return pinyin.reveal(speak(text) if speak else text)
