"""Chinese amounts: numbers with sign, scale and range, and the unit, currency or measure word behind."""

import math
import re

from farm.text.numbers import HAN_PLACES, han_decimal
from farm.text.wordlists import rows

NUMBER = r"(?:\d+(?:\.\d+)?|(?<![\dA-Za-z])\.\d+)"
SCALE = r"(?:\s?[百千万萬亿億]{1,3})?[多余餘]?"
SIGN = r"(?:(?<![A-Za-z0-9.%)）°℃])[-−+±])?"
DASH = r"\s?(?:——?|--?|[−–~～到至])\s?"
AMOUNT = rf"{SIGN}{NUMBER}{SCALE}(?:{DASH}[-−+±]?{NUMBER}{SCALE})?"
ENDS = re.compile(rf"(?P<low>[-−+±]?{NUMBER}{SCALE})(?:(?P<dash>{DASH})(?P<high>[-−+±]?{NUMBER}{SCALE}))?")
SIGNS = {"-": "负", "−": "负", "+": "正", "±": "正负"}

UNITS = {symbol: chinese for symbol, chinese, _, _ in rows("units")}
UNIT = "|".join(re.escape(symbol) for symbol in sorted(UNITS, key=len, reverse=True))
CURRENCIES = {row[0]: row[1] for row in rows("currencies")}
CURRENCY = "|".join(re.escape(symbol) for symbol in sorted(CURRENCIES, key=len, reverse=True))
MEASURES = [word for (line,) in rows("measures") for word in line.split()]
MEASURE = "|".join(sorted(MEASURES, key=len, reverse=True))

PERCENT = re.compile(rf"(?P<amount>{AMOUNT})\s?(?P<mark>[%‰‱])")
PERCENT_NAMES = {"%": "百分之", "‰": "千分之", "‱": "万分之"}
MONEY_BEFORE = re.compile(
    rf"(?<![A-Za-z])(?P<minus>[-−])?(?P<name>{CURRENCY})\s?(?P<amount>{AMOUNT})(?:\s?元)?"
)
MONEY_BEHIND = re.compile(rf"(?P<amount>{AMOUNT})\s?(?P<name>{CURRENCY})(?![A-Za-z0-9])")
CENTS_OF_NOTHING = re.compile(r"(\.\d*?)0+(?!\d)")
EACH = rf"(?:{UNIT}|[一-鿿]{{1,2}})(?![A-Za-z0-9])"
PER = re.compile(
    rf"(?P<amount>{AMOUNT})\s?(?P<what>[一-鿿]{{1,3}}|{UNIT})(?P<each>\s?/\s?{EACH}(?:\s?/\s?{EACH})?)"
)
MEASURED = re.compile(rf"(?P<amount>{AMOUNT})\s?(?P<unit>{UNIT})(?![A-Za-z0-9])")
ARC = re.compile(
    rf"(?P<degrees>{NUMBER})°\s?(?P<minutes>{NUMBER})[′'’分]\s?(?:(?P<seconds>{NUMBER})(?:[″\"”]|秒))?"
)
COUNTED = re.compile(rf"(?<![第\d.A-Za-z])(?P<amount>{AMOUNT})\s?(?P<measure>{MEASURE})(?!级|級)")
PLAIN = re.compile(AMOUNT)
THROUGH = re.compile(rf"(?P<unit>(?<=\d)(?:{UNIT}|[%‰元年月日号號时時点點分秒岁歲楼樓度])){DASH}(?=[-−+]?\d)")
MULTIPLE = re.compile(rf"(?P<amount>{NUMBER})\s?[xX×](?![A-Za-z0-9+=*/^-]|\s[A-Za-z0-9])")
PRODUCT = re.compile(r"(?<=\d)\s?[xX×*]\s?(?=\d)")


def amount(text: str, two: str = "二", minus: str = "负") -> str:
    """Speak a number or a range of them; a 2 that stands alone is said as `two`.

    >>> amount("-3.5"), amount("3-5"), amount("2~3万", two="两"), amount("±20"), amount("2亿")
    ('负三点五', '三到五', '两到三万', '正负二十', '两亿')
    """
    ends = ENDS.fullmatch(text)
    if not ends:
        return text
    through = "至" if "至" in text else "到"
    return through.join(_end(end, two, minus) for end in (ends["low"], ends["high"]) if end)


def _end(text: str, two: str, minus: str) -> str:
    sign = minus if text[0] in "-−" else SIGNS.get(text[0], "")
    body = text.lstrip("-−+± ")
    number = re.match(NUMBER, body)
    digits = number[0] if number else ""
    scale = body[len(digits) :].strip()
    return sign + (("两" if scale else two) if digits == "2" else han_decimal(digits)) + scale


def through(text: str) -> str:
    """A dash between two amounts that each have their unit.

    >>> through("3%~5%"), through("10km-20km"), through("5月1日-7日")
    ('3%到5%', '10km到20km', '5月1日到7日')
    """
    return THROUGH.sub(r"\g<unit>到", text)


def percents(text: str) -> str:
    """
    >>> percents("涨了3.5%"), percents("±3%"), percents("-2%"), percents("3-5 %")
    ('涨了百分之三点五', '正负百分之三', '负百分之二', '百分之三到五')
    >>> percents("100%"), percents("5‰")
    ('百分之百', '千分之五')
    """
    return PERCENT.sub(_percent, text)


def _percent(match: re.Match[str]) -> str:
    sign, body = re.fullmatch(r"([-−+±]?)\s?(.*)", match["amount"]).groups()  # type: ignore[union-attr]
    spoken = "百" if (body, match["mark"]) == ("100", "%") else amount(body)
    return SIGNS.get(sign, "") + PERCENT_NAMES[match["mark"]] + spoken


def money(text: str) -> str:
    """
    >>> money("¥3.50"), money("$4.20"), money("US$ 2"), money("€1.5亿"), money("$3-5"), money("100 RMB")
    ('三点五元', '四点二美元', '两美元', '一点五亿欧元', '三到五美元', '一百元')
    >>> money("-£20"), money("¥100元")
    ('负二十英镑', '一百元')
    """
    text = MONEY_BEFORE.sub(_money, text)
    return MONEY_BEHIND.sub(_money, text)


def _money(match: re.Match[str]) -> str:
    minus = "负" if match.groupdict().get("minus") else ""
    return minus + amount(_without_zero_cents(match["amount"]), two="两") + CURRENCIES[match["name"]]


def _without_zero_cents(number: str) -> str:
    return CENTS_OF_NOTHING.sub(lambda match: match[1].rstrip("."), number)


def rates(text: str) -> str:
    """
    >>> rates("30km/h"), rates("5元/斤"), rates("80次/分钟"), rates("20元/人/天")
    ('每小时三十公里', '每斤五元', '每分钟八十次', '每人每天二十元')
    """
    return PER.sub(_rate, text)


def _rate(match: re.Match[str]) -> str:
    each = "".join("每" + UNITS.get(name, name) for name in re.split(r"\s?/\s?", match["each"]) if name)
    return f"{each}{amount(match['amount'], two='两')}{UNITS.get(match['what'], match['what'])}"


def units(text: str) -> str:
    """
    >>> units("体重5.5kg"), units("2m"), units("100 m²"), units("-5℃"), units("20-25°C"), units("512MB")
    ('体重五点五千克', '两米', '一百平方米', '零下五摄氏度', '二十到二十五摄氏度', '五百一十二 MB')
    """
    return MEASURED.sub(_measured, text.replace("℃", "°C").replace("℉", "°F"))


def _measured(match: re.Match[str]) -> str:
    minus = "零下" if match["unit"] == "°C" else "负"
    return amount(match["amount"], two="两", minus=minus) + UNITS[match["unit"]]


def arcs(text: str) -> str:
    """
    >>> arcs("北纬39°54′26″"), arcs("转90°")
    ('北纬三十九度五十四分二十六秒', '转90°')
    """
    return ARC.sub(_arc, text)


def _arc(match: re.Match[str]) -> str:
    parts = ((match["degrees"], "度"), (match["minutes"], "分"), (match["seconds"], "秒"))
    return "".join(han_decimal(number) + name for number, name in parts if number)


def multiples(text: str) -> str:
    """
    >>> multiples("快了10x"), multiples("2x速度"), multiples("1920x1080"), multiples("7*24小时")
    ('快了十倍', '两倍速度', '1920乘1080', '7乘24小时')
    """
    text = PRODUCT.sub("乘", text)
    return MULTIPLE.sub(lambda match: amount(match["amount"], two="两") + "倍", text)


def counted(text: str) -> str:
    """Before a measure word 2 is 两, but not in 12, 20, 2.5 or 第2.

    >>> counted("2个人"), counted("3-5 倍"), counted("2-3年"), counted("12个"), counted("8.00元")
    ('两个人', '三到五倍', '两到三年', '十二个', '八元')
    >>> counted("第2个"), counted("2年级"), counted("2月")
    ('第2个', '2年级', '2月')
    """
    return COUNTED.sub(_counted, text)


def _counted(match: re.Match[str]) -> str:
    number = _without_zero_cents(match["amount"]) if match["measure"].endswith("元") else match["amount"]
    return amount(number, two="两") + match["measure"]


def plain(text: str) -> str:
    """What no other rule has claimed. A dash is 到 where the numbers rise, else 杠.

    >>> plain("3-4级"), plain("5-3班"), plain("第12"), plain("温度-5"), plain("007"), plain("2万")
    ('三到四级', '五杠三班', '第十二', '温度负五', '零零七', '两万')
    """
    return PLAIN.sub(_plain, text)


def _plain(match: re.Match[str]) -> str:
    ends = ENDS.fullmatch(match[0])
    if (
        not ends
        or not ends["high"]
        or ends["dash"].strip() in "~～到至"
        or _size(ends["low"]) < _size(ends["high"])
    ):
        return amount(match[0])
    return f"{amount(ends['low'])}杠{amount(ends['high'])}"


def _size(end: str) -> float:
    found = re.search(NUMBER, end)
    scale = math.prod(place for place, name in HAN_PLACES if name in end)
    return float(found[0]) * scale if found else 0.0
