"""Which words of a paragraph are spoken by someone, and which by the narrator."""

import re

from farm.text.quotes import QUOTES, Pair, outermost

_TRAILING = re.compile(r"[\s,，、。．.;；!！?？…]*")
_LAST_INSIDE = re.compile(r"[。！？!?．.…,，、—–\-~～]\W*$")
_SENTENCE_INSIDE = re.compile(r"[。！？!?．.…]\W*$")
_LEADS_IN = re.compile(r"[,，:：—–。．.!！?？…”」』»\"]\s*$")
_COLON = re.compile(r"[:：]\s*$")

_SAY = (
    r"(?:说|說|道|问|問|答|喊|叫|嚷|骂|罵|笑|哭|叹|嘆|吼|曰|嘟囔|嘀咕|咕哝)(?:着|了|过)?"
    r"|\b(?:said|says?|ask(?:ed|s)?|answer(?:ed|s)?|repl(?:ied|ies)|cr(?:ied|ies)|shout(?:ed|s)?|whisper(?:ed|s)?"
    r"|mutter(?:ed|s)?|murmur(?:ed|s)?|exclaim(?:ed|s)?|call(?:ed|s)?|add(?:ed|s)?|thought|told|continued|began"
    r"|return(?:ed|s)|roared|yelled|screamed|sighed|laughed|growled|quoth|went on)\b"
)
_SAID_BEFORE = re.compile(f"(?:{_SAY})\\s*$")
_SAID_BEHIND = re.compile(
    r"\s*(?:"
    rf"[^。！？!?，,：:；;“”「」『』\"\n]{{0,24}}?(?:{_SAY})"
    r"|(?:と|って)、?(?![いゆ]う)\w{0,8}?(?:言|云|答|聞|訊|尋|叫|囁|呟|話|笑|泣|怒|つぶや|ささや|さけ|たず|こた|いっ|いい)"
    r"|(?:이?라고|하고|라며|이라며|라는 말)"
    r")"
)
_KANA = re.compile("[ぁ-ヿ]")
_PARTICLE = re.compile("[はがをにのもで]|という|なる")

# How far around a quotation its introduction is looked for, characters.
_NEAR = 30

# An embedded quotation this long is a sentence somebody says, not a term.
_LONG_WIDE, _LONG_LATIN = 8, 25


def speech(paragraph: str, quotations: list[Pair]) -> list[tuple[int, int]]:
    """Spans of direct speech, in order, with the punctuation and white space behind them.

    `quotations` are the paragraph's own pairs (farm.text.quotes.pairs). Quoted terms, titles and scare
    quotes are narration: speech is a quotation that is the whole paragraph, is introduced or followed by a
    verb of saying, or stands as a sentence.
    """
    spans = []
    for pair in outermost([pair for pair in quotations if pair.mark in QUOTES + "”」』"]):
        if _is_speech(paragraph, pair):
            behind = _TRAILING.match(paragraph, pair.end)
            spans.append((pair.start, behind.end() if behind else pair.end))
    return spans


def _is_speech(paragraph: str, pair: Pair) -> bool:
    before, inside, behind = (
        paragraph[max(0, pair.start - _NEAR) : pair.start],
        _inside(paragraph, pair),
        pair.end,
    )
    if not pair.closed or not _says_anything(before + paragraph[behind : behind + _NEAR]):
        return True
    if _COLON.search(before):
        return bool(
            _LAST_INSIDE.search(inside)
            or _SAID_BEFORE.search(before.rstrip(" :："))
            or _at_rest(paragraph, behind)
        )
    said = _SAID_BEHIND.match(paragraph, behind)
    if pair.mark in "「『" and (said or _is_japanese_line(paragraph, pair)):
        return True
    if not _LAST_INSIDE.search(inside):
        return said is not None and "\uac00" <= paragraph[behind] <= "\ud7a3"
    if said or _SAID_BEFORE.search(before) or not before.strip() or _LEADS_IN.search(before):
        return True
    return bool(_SENTENCE_INSIDE.search(inside)) and len(inside) >= _long(inside)


def _is_japanese_line(paragraph: str, pair: Pair) -> bool:
    """Japanese puts no stop into short speech, but gives it a line of its own."""
    opens = pair.start < _NEAR and not paragraph[: pair.start].strip()
    return opens and bool(_KANA.search(_inside(paragraph, pair))) and not _PARTICLE.match(paragraph, pair.end)


def _inside(paragraph: str, pair: Pair) -> str:
    """The last of the words inside."""
    return paragraph[max(pair.start + 1, pair.end - 1 - _NEAR) : pair.end - 1 if pair.closed else pair.end]


def _at_rest(paragraph: str, at: int) -> bool:
    """Whether nothing but a stop follows."""
    behind = paragraph[at : at + 1]
    return not behind or behind in "。．.!！?？"


def _long(inside: str) -> int:
    return (
        _LONG_LATIN
        if inside.isascii() or not any("\u2e80" <= one <= "\ud7a3" for one in inside)
        else _LONG_WIDE
    )


def _says_anything(text: str) -> bool:
    return any(character.isalnum() for character in text)
