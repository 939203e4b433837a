"""Which language a text is written in."""

import re

_SAMPLE = 100_000
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u30fa\u31f0-\u31ff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS_IN_THE_TIME_OF_ONE_HAN = 3


def guess_language(text: str) -> str:
    """zh, en, ja or ko: what most of `text` is written in; en for any other alphabet, zh for none at all."""
    sample = _from_the_middle(text)
    han, kana, hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    eastern = han + kana + hangul
    other = len(_LETTER.findall(sample)) - eastern
    if other > eastern * _LETTERS_IN_THE_TIME_OF_ONE_HAN:
        return "en"
    if hangul > 0.3 * eastern:
        return "ko"
    return "ja" if kana > 0.15 * eastern else "zh"


def _from_the_middle(text: str) -> str:
    """Prefaces and licences stand at the ends and may be in another language."""
    start = max(0, (len(text) - _SAMPLE) // 2)
    return text[start : start + _SAMPLE]
