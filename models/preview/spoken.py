"""Spoken text as espeak-ng can say it: runs of one language, mended where its Mandarin is broken."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

RULES = 1
"""Raise it when anything here changes what is heard: it is part of the engine's fingerprint."""


@dataclass(frozen=True)
class Tongue:
    """espeak-ng's voice for a language, its words a minute at pace 1.0, and the scripts that it can read."""

    voice: str
    rate: int
    scripts: frozenset[str]


# Rates were measured to be a narrator's: 4.3 characters a second in Chinese, 170 words a minute in English,
# 7 morae a second in Japanese, 5 syllables a second in Korean. What a voice cannot read it spells out.
TONGUES = {
    "zh": Tongue("cmn", 200, frozenset({"zh", "en", "ko"})),
    "en": Tongue("en-us", 130, frozenset({"en", "ko"})),
    "ja": Tongue("ja", 150, frozenset({"ja", "ko"})),
    "ko": Tongue("ko", 150, frozenset({"ko", "en"})),
    "ru": Tongue("ru", 150, frozenset({"ru"})),
}
LANGUAGES = frozenset({"zh", "en", "ja", "ko"})

HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff〇"
KANA = r"\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
# espeak-ng hears no pause in 你好,再见 unless a space follows.
NARROW_PAUSE = re.compile(rf"([,.;:!?])(?=[{HAN}{KANA}])")
SYLLABLE = (
    r"(?:[ZCS]H|[BPMFDTNLGKHJQXRZCSYW])?"
    r"(?:A(?:I|NG?|O)?|E(?:I|NG?|R)?|I(?:A(?:NG?|O)?|E|NG?|ONG|U)?|O(?:NG|U)?|U(?:A(?:I|NG?)?|E|I|N|O)?|V(?:E|AN?|N)?)"
)
READING = rf"(?:(?=[A-Z]{{2}}){SYLLABLE}[1-5])+"  # in spoken text; A4 is a size of paper
READING_OR_JOINT = re.compile(rf"{READING}|(?<=[A-Za-z])(?=[0-9])")

PIECE = re.compile(
    rf"(?P<zh>{READING}|[{HAN}]+)"
    rf"|(?P<ja>[{KANA}]+)"
    r"|(?P<ko>[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+)"
    rf"|(?P<en>(?:(?!{READING})[A-Za-z\u00c0-\u024f])+)"
    r"|(?P<ru>[\u0400-\u04ff]+)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<other>.)",
    re.DOTALL,
)

# espeak-ng 1.52's Mandarin has no rule for the final -iong and reads "xiong2" as English letters. After j,
# q and x its -ong sounds the same.
IONG = {
    "JONG1": "冂冋坰埛扃蘏蘔駫",
    "JONG3": "侰僒冏囧幜泂炯烱煚煛熲皛窘絅綗褧迥逈顈颎駉㓏㖥㢠㤯㷗㷡䌹䐃䢛",
    "JONG4": "澃㑋",
    "QONG1": "匔焪芎",
    "QONG2": "儝卭宆惸桏棾橩焭煢琼瓊睘瞏穷穹窮竆笻筇茕藑藭蛩赹跫輁邛銎㒌㧭㮪㷀㼇䅃䆳䊄䓖䛪䠻",
    "XONG1": "兄兇凶匈哅忷恟汹洶胷胸訩詾讻賯㐫",
    "XONG2": "熊赨雄䧺",
    "XONG4": "夐敻詗诇",
}
SAID_AS = str.maketrans(
    {character: f" {said} " for said, characters in IONG.items() for character in characters}
)
# Nor does it know the r of 一会儿, and finds it in 那儿子 too.
ER = tuple(
    (re.compile(pattern), f" {said} ")
    for pattern, said in (
        (rf"(?<=[{HAN}])[儿兒]子", "ER2ZI5"),
        (r"(?<=[女婴嬰孤幼胎健宠寵男生血妻少育患弃棄小孩])[儿兒]", "ER2"),
        (rf"(?<=[{HAN}])[儿兒](?=[女童媳孙孫科歌时時戏戲])", "ER2"),
        (rf"(?<=[{HAN}])[儿兒]", "ER5"),
    )
)


def runs(text: str, language: str) -> list[tuple[str, str]]:
    """`text` as (language, text) runs, each in the voice that can read it. Numbers are read in `language`."""
    own = TONGUES[language].scripts
    pieces = _pieces(readable(text), language, own)
    joined = [
        (spoken, "".join(part for _, part in parts))
        for spoken, parts in groupby(pieces, lambda piece: piece[0])
    ]
    return [(spoken, mandarin(part) if spoken == "zh" else part) for spoken, part in joined]


def _pieces(text: str, language: str, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    spoken = language
    for piece in PIECE.finditer(text):
        script = piece.lastgroup or "other"
        if script == "number" or script in own:
            spoken = language
        elif script != "other":  # punctuation stays with what it follows
            spoken = script
        yield spoken, piece.group()


def readable(text: str) -> str:
    """`text` without what espeak-ng would obey, choke on or skip.

    >>> readable("第１２章\\x00：时时々々～")
    '第12章 ：时时时时，'
    """
    text = unicodedata.normalize("NFC", "".join(_readable(character) for character in text))
    text = re.sub("(.)(々+)", lambda match: match[1] * len(match[0]), text)
    return NARROW_PAUSE.sub(r"\1 ", text)


def _readable(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Cs", "Co", "Cn"}:  # \x01 begins an embedded command; a lone surrogate is no UTF-8
        return " "
    if character in "~～〜":  # a drawn-out voice, not the word "tilde"
        return "，"
    if category[0] in "LN" or category == "So":  # full-width letters, circled numbers: silent otherwise
        return unicodedata.normalize("NFKC", character)
    return "" if category == "Cf" else character


def mandarin(text: str) -> str:
    """Text for espeak-ng's Mandarin voice, which reads `CHONG2` as pinyin, and Latin words as English.

    >>> mandarin("XIONG2猫玩儿MP3")
    ' XONG2 猫玩 ER5 MP  3'
    """
    text = READING_OR_JOINT.sub(lambda match: f" {match[0].replace('IONG', 'ONG')} ", text)
    for pattern, said in ER:
        text = pattern.sub(said, text)
    return text.replace("兒", "儿").translate(SAID_AS)
