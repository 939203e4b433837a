"""Which language a stretch of a manuscript is spoken in."""

import re

from farm.text.pinyin import HAN_RANGE

_HAN = re.compile(f"[{HAN_RANGE}]")
_KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]")
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_LATIN = re.compile("[A-Za-zÀ-ɏ]")
UNSPACED = ("zh", "ja")

# A kana in every third character makes a line Japanese; の alone does not.
_KANA_SHARE = 3
_LATIN_LETTERS_A_CHARACTER = 3


def language_of(text: str, book: str) -> str:
    """zh, en, ja or ko: the language of `text` as found in a book whose own language is `book`.

    An Asian voice reads the Latin words between its own; an English voice reads no Han. So a sentence with
    Han in a Chinese book is Chinese, one without is English, and in an English book the greater part decides.
    Other alphabets count as Latin; text without letters takes the book's language.
    """
    if text.isascii():
        return "en" if any(map(str.isalpha, text)) else book
    han, kana, hangul = (len(script.findall(text)) for script in (_HAN, _KANA, _HANGUL))
    asian = {
        "zh": han,
        "ja": han + kana if book == "ja" or kana * _KANA_SHARE >= han + kana else 0,
        "ko": hangul,
    }
    if book != "en" and asian[book] and not (book == "zh" and asian["ja"] and kana):
        return book
    best = max(("ko", "ja", "zh") if kana or hangul else ("zh", "ja", "ko"), key=asian.__getitem__)
    latin = len(_LATIN.findall(text))
    if asian[best] and (book != "en" or asian[best] * _LATIN_LETTERS_A_CHARACTER > latin):
        return best
    return "en" if any(map(str.isalpha, text)) else book


def joined(parts: list[str], language: str) -> str:
    """Spoken texts one after the other, with spaces between them where the language has spaces."""
    if language not in UNSPACED:
        return " ".join(parts)
    return "".join(
        part + " " * (_ends_latin(part) and _starts_latin(following))
        for part, following in zip(parts, [*parts[1:], ""], strict=True)
    )


def _ends_latin(text: str) -> bool:
    return text[-1:].isascii() and text[-1:].isalnum()


def _starts_latin(text: str) -> bool:
    return text[:1].isascii() and text[:1].isalnum()
