"""The lines that head a chapter or a volume: one rule per way of writing them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from pathlib import Path

from farm.manuscript.numerals import ENGLISH_NUMERAL, HAN_NUMERAL, english_number, han_number
from farm.manuscript.parts import ChapterKind

LONGEST = 120
"""Characters; a longer line is a paragraph."""


class Level(IntEnum):
    VOLUME = 1
    CHAPTER = 2
    SECTION = 3


@dataclass(frozen=True)
class Head:
    """A heading. `number` counts within `series` (第#章, Chapter #); a heading without a number has none."""

    title: str
    level: Level = Level.CHAPTER
    series: str = ""
    number: int | None = None
    bare: bool = False
    """Only the number: the name of the chapter may stand on the next line."""
    volume: str = ""
    """From 第一卷 风起 第三章 少年, where one line heads both."""
    kind: ChapterKind = ChapterKind.CHAPTER
    included: bool = True
    contents: bool = False
    """Heads a printed table of contents."""

    @property
    def label(self) -> str:
        return self.series.replace("#", str(self.number))


Rule = Callable[[str], Head | None]

_S = r"[ \t\u3000]"
_N = HAN_NUMERAL
_UNIT = (
    "章|回(?![合来來事去])|[节節](?![课課])|卷|篇(?![张張幅])|[话話](?![题題])"
    "|部(?![分赛賽门門队隊落])|集(?![合团團体體])|讲|講|课|課"
)
_LEVELS = dict.fromkeys("卷部篇集", Level.VOLUME) | dict.fromkeys("节節", Level.SECTION)
_MARKS = r"[#＃☆★◇◆□■○●◎※▲△＊*=＝~～—\-]"
_OPEN, _CLOSE = "【〔〖「『（(\\[《〈<", "】〕〗」』）)\\]》〉>"
_SEPARATOR = rf"[ \t\u3000:：、.．·—\-,，{_CLOSE}]"
_LABEL = (
    rf"(?:第{_S}{{0,3}}(?P<n>[{_N}]{{1,9}}){_S}{{0,3}}(?P<u>{_UNIT})|(?P<u2>[卷章])(?P<n2>[{_N}]{{1,6}}))"
)
_TAIL = rf"(?={_SEPARATOR}|$)(?P<rest>[^\n。；]{{0,60}})$"
_CHINESE = re.compile(
    rf"^(?:{_MARKS}{{1,8}}[、.．]?{_S}*)?(?P<prefix>[^\n第【〔〖「『（(\[]{{0,12}}{_S}+)?"
    rf"(?P<open>[{_OPEN}])?(?P<text>正文{_S}*)?(?P<label>{_LABEL}){_TAIL}"
)
_RUN_ON = re.compile(rf"^(?P<label>第(?P<n>[{_N}]{{1,9}})章)(?P<rest>[^\n。；，,！!？?：:…”\"]{{1,25}})$")
_SECOND_LABEL = re.compile(rf"{_S}(?=第{_S}{{0,3}}[{_N}]{{1,9}}{_S}{{0,3}}[章回节節话話])")
_DROPPED_PREFIX = re.compile(r"^(?:《.*》)?(?:正文|目录|目錄)?$")
_TITLE_MARKS = " \t\u3000:：、.．·" + f"{_OPEN}{_CLOSE}".replace("\\", "")

_END_MARKS = " \t\u3000#＃☆★◆■●※*＊=＝_~～—-"

_ENGLISH = re.compile(
    rf"^(?P<label>(?P<unit>chapter|letter|stave|canto|lesson|lecture|scene|episode|section|book|part|volume|vol\.|act)"
    rf"{_S}+(?:the{_S}+)?(?P<number>{ENGLISH_NUMERAL})\b)(?P<rest>.*)$",
    re.IGNORECASE,
)
_ENGLISH_LEVELS = dict.fromkeys(("book", "part", "volume", "vol.", "act"), Level.VOLUME)
_ENGLISH_LEVELS["section"] = Level.SECTION
_KOREAN = re.compile(
    rf"^(?P<label>제{_S}?(?P<n>\d{{1,4}}){_S}?(?P<u>[장화회편부권과강절]))(?={_SEPARATOR}|$)(?P<rest>.{{0,60}})$"
)
_KOREAN_LEVELS = dict.fromkeys("편부권", Level.VOLUME) | {"절": Level.SECTION}
_LISTED = re.compile(
    rf"^(?:正文{_S}*)?(?P<n>[0-9０-９]{{1,5}}|[{_N}]{{1,7}})(?:[、.．:：]{_S}*|{_S}+)(?P<rest>[^\d\s][^\n。；]{{0,40}})$"
)
_STARRED = re.compile(rf"^[☆★◆]+[、.．]?{_S}*(?P<rest>[^\s☆★◆][^\n。；]{{0,40}})$")
_NUMERAL = re.compile(rf"^[{_OPEN}]?(?P<n>\d{{1,4}}|[IVXLC]{{1,7}}|[{_N}]{{1,5}})[{_CLOSE}.．、]?$")


def chinese(line: str) -> Head | None:
    """第十六回 甄士隐, 【第一章】标题, 正文 第001章：标题, 卷二, 第一卷 风起 第三章 少年.

    A separator or the line's end must follow, and a full stop may not: “第一章写着这样的话。” is a sentence.

    >>> chinese("《石头记》目录 第一回 甄士隐").title, chinese("卷二 风起").number
    ('第一回 甄士隐', 2)
    >>> chinese("第一章写着"), chinese("第一回合 结束"), chinese("第一章 他说完了。走了")
    (None, None, None)
    """
    found = _CHINESE.match(line)
    if not found:
        return None
    number = han_number(found["n"] or found["n2"])
    unit = found["u"] or found["u2"]
    head = _head(found, f"第#{unit}", number, _LEVELS.get(unit, Level.CHAPTER))
    prefix = (found["prefix"] or "").strip()
    if prefix and not _DROPPED_PREFIX.match(prefix):
        head = _under(prefix, head)
    return _both(head) if head.level is Level.VOLUME else head


def run_on(line: str) -> Head | None:
    """第12章重逢: no separator, so the caller must see that it continues the numbering."""
    found = _RUN_ON.match(line)
    return _head(found, "第#章", han_number(found["n"]), Level.CHAPTER) if found else None


def english(line: str) -> Head | None:
    """CHAPTER I, Chapter 12. Title, BOOK THE FIRST, Letter 4, PART II: Title.

    >>> english("CHAPTER XIV. The Whale").number, english("Part two — Home").title, english("Book I read")
    (14, 'Part two — Home', None)
    """
    found = _ENGLISH.match(line)
    if not found or not line[0].isupper() or not _heads_on(found["rest"]):
        return None
    number = english_number(found["number"])
    unit = found["unit"].lower()
    if number is None:
        return None
    return _head(found, f"{unit.capitalize()} #", number, _ENGLISH_LEVELS.get(unit, Level.CHAPTER))


def korean(line: str) -> Head | None:
    """제1장 제목, 제 12 화."""
    found = _KOREAN.match(line)
    if not found:
        return None
    level = _KOREAN_LEVELS.get(found["u"], Level.CHAPTER)
    return _head(found, f"제#{found['u']}", int(found["n"]), level)


def special(line: str) -> Head | None:
    """楔子, 序章 雪夜, 番外3, EPILOGUE, Appendix B: a short line that names its part of the book.

    >>> special("番外三：旧事").title, special("Appendix B").kind.value, special("序曲响了起来")
    ('番外三：旧事', 'back', None)
    """
    bare = line.strip(_END_MARKS).strip(" \u3000:：、.．·")
    if bare[:1] in tuple(_OPEN):
        bare = bare.strip(_OPEN + _CLOSE)
    found = _special_names().match(bare)
    if not found:
        return None
    kind, included = _specials()[found["name"].lower()]
    return Head(
        title=bare,
        kind=ChapterKind.FRONT if kind == "contents" else ChapterKind(kind),
        included=included,
        contents=kind == "contents",
    )


def listed(line: str) -> Head | None:
    """12、重逢 or 012 重逢: only where the whole file is numbered so."""
    found = _LISTED.match(line)
    number = han_number(found["n"]) if found else None
    return Head(line, series="#", number=number) if number is not None else None


def starred(line: str) -> Head | None:
    """☆、重逢: only where the whole file is divided so."""
    found = _STARRED.match(line)
    return Head(found["rest"].strip(), series="☆") if found else None


def numeral(line: str) -> Head | None:
    """12, XII, 十二 or （十二） alone: only where the whole file is numbered so."""
    found = _NUMERAL.match(line)
    number = (han_number(found["n"]) or english_number(found["n"])) if found else None
    return Head(line, series="#", number=number, bare=True) if number else None


RULES: tuple[Rule, ...] = (chinese, english, korean, special)
FALLBACKS: tuple[Rule, ...] = (starred, listed, numeral)
"""Tried in this order on a whole file in which the rules found next to nothing."""


def parse(line: str) -> Head | None:
    """The heading that `line` is by itself, whatever stands around it."""
    if len(line) > LONGEST:
        return None
    return next((head for rule in RULES if (head := rule(line))), None)


def _head(found: re.Match[str], series: str, number: int | None, level: Level) -> Head:
    """The title keeps the source's characters, without brackets around the label and marks at the end."""
    rest = found["rest"]
    if found.groupdict().get("open"):
        rest = re.sub(rf"[{_CLOSE}]{_S}*", " ", rest, count=1)
    title = f"{found['label']}{rest}".rstrip(_END_MARKS)
    return Head(title, level, series, number, bare=not rest.strip(_TITLE_MARKS + _END_MARKS))


def _under(prefix: str, head: Head) -> Head:
    above = parse(prefix)
    if above and above.level is Level.VOLUME and head.level is not Level.VOLUME:
        return replace(head, volume=above.title)
    return replace(head, title=f"{prefix} {head.title}", series=f"{prefix} {head.series}")


def _both(head: Head) -> Head:
    """第一卷 风起云涌之时天下大乱 第三章 少年: the rest of a volume's heading may head a chapter."""
    second = _SECOND_LABEL.search(head.title)
    below = chinese(head.title[second.end() :]) if second else None
    if below is None or second is None:
        return head
    return replace(below, volume=head.title[: second.start()].strip())


def _heads_on(rest: str) -> bool:
    """Whether what follows "Part I" can be a title: “Part I. Played”, not “Part I played”."""
    if not rest.strip():
        return True
    separated = re.match(r"\s*[.:—–\-]+\s*", rest)
    if separated:
        return not rest.endswith((",", ";"))
    return bool(re.match(r"\s+[^a-z,;]", rest)) and not rest.endswith((",", ";", "."))


@cache
def _specials() -> dict[str, tuple[str, bool]]:
    lines = Path(__file__).with_name("data").joinpath("special_heads.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return {name: (kind, included == "yes") for name, kind, included in rows}


@cache
def _special_names() -> re.Pattern[str]:
    names = "|".join(sorted(map(re.escape, _specials()), key=len, reverse=True))
    number = rf"(?:{_S}*(?:[{_N}]{{1,5}}|[A-Z]\b|[IVXL]{{1,5}}\b))?"
    after_space = rf"{_S}+(?:to the )?[^。；a-z][^。；.]{{0,40}}"
    named = rf"{_S}*[:：·—–\-]+{_S}*[^。；]{{1,40}}|{after_space}|[（(][^）)]{{1,9}}[）)]"
    return re.compile(rf"^(?P<name>(?i:{names})){number}[.．]?(?:{named})?$")
