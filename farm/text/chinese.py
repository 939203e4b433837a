"""Chinese display text to spoken text: numbers and signs become the characters a narrator says."""

import re
import unicodedata

from farm.text.chinese_amounts import (
    arcs,
    counted,
    money,
    multiples,
    percents,
    plain,
    rates,
    through,
    units,
)
from farm.text.chinese_codes import (
    addresses,
    endless,
    equations,
    fractions,
    identifiers,
    letters,
    models,
    numbered,
    phones,
    ratios,
    scores,
    versions,
)
from farm.text.chinese_dates import dates, days, times, years
from farm.text.folding import fold, thousands
from farm.text.wordlists import rows

NAMES = {symbol: chinese for symbol, chinese, _ in rows("symbols")}
GREEK = "Ͱ-Ͽἀ-῿"
NAMED = re.compile(rf"(?<![{GREEK}])[{''.join(NAMES)}](?![{GREEK}])")
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
POWER = re.compile(rf"(?<=[A-Za-z0-9)）])(?:\^(?P<written>-?[A-Za-z0-9]+)|(?P<raised>⁻?[{SUPERSCRIPTS}]+))")
POWER_NAMES = {"2": "的平方", "3": "的立方"}
ABOUT = re.compile(r"(?<![\w）)])[~～]\s?(?=\d)")
OPERAND_BEFORE, OPERAND_BEHIND = r"(?<=[\w)）'’])\s?", r"\s?(?=[\w(（√+-])"
BETWEEN = (
    (re.compile(rf"{OPERAND_BEFORE}>={OPERAND_BEHIND}"), "大于等于"),
    (re.compile(rf"{OPERAND_BEFORE}<={OPERAND_BEHIND}"), "小于等于"),
    (re.compile(rf"{OPERAND_BEFORE}={{1,2}}{OPERAND_BEHIND}"), "等于"),
    (re.compile(r"(?<=[\w)）])\s?>\s?(?=\d)|(?<=\d)\s?>\s?(?=\w)|(?<![\w<])>\s?(?=\d)"), "大于"),
    (re.compile(r"(?<=[\w)）])\s?<\s?(?=\d)|(?<=\d)\s?<\s?(?=\w)|(?<!\w)<\s?(?=\d)"), "小于"),
    (re.compile(r"(?<=[A-Za-z])\s?&\s?(?=[A-Za-z])"), " and "),
    (re.compile(r"\s?&\s?"), "和"),
    (re.compile(r"(?<=\w)\+{2,}"), " 加加"),
    (re.compile(rf"{OPERAND_BEFORE}\+{OPERAND_BEHIND}|(?<=[\w)）])\+|\+(?=\d)"), "加"),
    (re.compile(r"#\s?(?P<number>\d+)|(?<=\d)#"), r"\g<number>号"),
    (re.compile(r"(?<=[A-Za-z])#"), " 井"),
    (re.compile(r"(?<=[)）])%|%(?=\s|$)"), "百分号"),
    (re.compile(r"@(?=\w)"), "艾特"),
    (re.compile(r"(?<=\d)/(?=\d)"), "杠"),
    (re.compile(r"[¥￥](?=\w)"), "元"),
)


def powers(text: str) -> str:
    """
    >>> powers("x²"), powers("10^6"), powers("10⁻³"), powers("他说²")
    ('x的平方', '10的6次方', '10的-3次方', '他说²')
    """
    return POWER.sub(_power, text)


def _power(match: re.Match[str]) -> str:
    number = match["written"] or unicodedata.normalize("NFKC", match["raised"]).replace("−", "-")
    return POWER_NAMES.get(number, f"的{number}次方")


def between(text: str) -> str:
    """Signs that are words between the things they join, and silent ornaments elsewhere.

    >>> between("a=b"), between("甲+乙"), between("C++"), between("C#"), between("Q&A"), between("3#楼")
    ('a等于b', '甲加乙', 'C 加加', 'C 井', 'Q and A', '3号楼')
    >>> between("约~100人"), between("~100人"), between("嗯～～"), between("<b>")
    ('约~100人', '约100人', '嗯～～', '<b>')
    """
    text = ABOUT.sub("约", text)
    for sign, word in BETWEEN:
        text = sign.sub(word, text)
    return text


def names(text: str) -> str:
    """
    >>> names("≈½"), names("α粒子"), names("λόγος")
    ('约等于二分之一', '阿尔法粒子', 'λόγος')
    """
    return NAMED.sub(lambda match: NAMES[match[0]], text)


RULES = (
    fold,
    addresses,
    thousands,
    endless,
    phones,
    scores,
    dates,
    identifiers,
    days,
    years,
    times,
    versions,
    models,
    numbered,
    equations,
    fractions,
    ratios,
    through,
    rates,
    percents,
    money,
    arcs,
    units,
    powers,
    multiples,
    between,
    counted,
    letters,
    plain,
    names,
)
"""In this order: each sees only the digits that those before it have left."""

WIDE = "０-９Ａ-Ｚａ-ｚ％＄＋－＝／＠＆＃＜＞＊＾￠-￦"
TROUBLE = re.compile(rf"[\d%+=<>&#@¥^*~∶{SUPERSCRIPTS}₀-₉①-⑳Ⅰ-ⅿ㎀-㏟{WIDE}.IVX{''.join(NAMES)}]")


def needs_rules(text: str) -> bool:
    """Whether any rule could have something to do; most sentences of most books are plain words."""
    return TROUBLE.search(text) is not None


def speak(text: str) -> str:
    """
    >>> speak("2026 年，速度是 3-5 倍，版本 2.5.1，GPT-4o 涨了±3%。")
    '二零二六年，速度是 三到五倍，版本 二点五点一，GPT 四 o 涨了正负百分之三。'
    """
    if not needs_rules(text):
        return text
    for rule in RULES:
        text = rule(text)
    return text
