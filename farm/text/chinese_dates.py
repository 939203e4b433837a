"""Chinese dates, years and times of day."""

import re

from farm.text.numbers import han_cardinal, han_digits

DASH = r"\s?(?:——?|--?|[−–~～至到])\s?"
DAY = r"[12]\d{3}(?P<%s>[-/.])(?:1[0-2]|0?[1-9])(?P=%s)(?:3[01]|[12]\d|0?[1-9])日?"
DATE = re.compile(rf"(?<![\d./-]){DAY % ('a', 'a')}(?:{DASH}{DAY % ('b', 'b')})?(?!\d|[-/.]\d)")
MONTH = re.compile(r"(?<![\d./-])(?P<year>[12]\d{3})[-/](?P<month>0[1-9]|1[0-2])(?![\d./-])")
YEAR = re.compile(
    rf"(?<![\d.])(?P<low>[12]\d{{3}})(?:年?(?P<dash>{DASH})(?P<high>[12]\d{{3}}|\d\d(?=\s?年)))?\s?"
    r"(?P<after>年|财年|財年|学年|學年|赛季|賽季|[届屆款版](?!本)|级(?=[新学生本硕博研\W]|$))"
)
SPAN = re.compile(
    rf"(?<![\d./-])(?P<low>[12]\d{{3}}){DASH}(?P<high>[12]\d{{3}})(?=[)）\]】，。；、：,;\s]|$)"
)
ERA_YEAR = re.compile(r"(?P<era>公元前?|西元前?)\s?(?P<year>\d{1,4})(?=\s?年|\s?[-–~～—])")
SHORT_YEAR = re.compile(r"(?<!\d)(?P<year>\d\d)\s?年(?=\s?\d{1,2}\s?月)")
BORN_AFTER = re.compile(r"(?<![\d.])(?P<year>[05-9][05])(?=[后後](?![来來面天年续續]))")
DECADE = re.compile(r"(?<![\d.])(?P<year>[12]\d\d0)[’']?s(?![A-Za-z])")
PADDED = re.compile(r"(?<!\d)0(?=\d\s?[月日号號时時点點])")
SPACED = re.compile(r"(?<=\d)\s(?=[年月日号號时時点點])")
CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
TIME = re.compile(rf"(?<![\d:.])(?P<low>{CLOCK})(?:{DASH}(?P<high>{CLOCK}))?(?![\d:]|\.\d)")


def dates(text: str) -> str:
    """
    >>> dates("2024/05/01"), dates("于2024-05-01起"), dates("2024.5.1")
    ('二零二四年五月一日', '于二零二四年五月一日起', '二零二四年五月一日')
    >>> dates("2024/05/01-2024/05/03"), dates("2024-05")
    ('二零二四年五月一日到二零二四年五月三日', '二零二四年五月')
    """
    text = DATE.sub(_date, text)
    return MONTH.sub(lambda m: f"{han_digits(m['year'])}年{han_cardinal(m['month'].lstrip('0'))}月", text)


def _date(match: re.Match[str]) -> str:
    numbers = re.findall(r"\d+", match[0])
    days = (numbers[start : start + 3] for start in range(0, len(numbers), 3))
    return "到".join(
        f"{han_digits(year)}年{han_cardinal(month.lstrip('0'))}月{han_cardinal(day.lstrip('0'))}日"
        for year, month, day in days
    )


def years(text: str) -> str:
    """
    >>> years("2026 年"), years("1840-1842年"), years("（1881—1936）"), years("公元618年"), years("98年5月")
    ('二零二六年', '一八四零到一八四二年', '（一八八一到一九三六）', '公元六一八年', '九八年5月')
    >>> years("2024届"), years("80后"), years("1990s"), years("1000年"), years("5000年"), years("1000-2000元")
    ('二零二四届', '八零后', '一九九零年代', '一千年', '5000年', '1000-2000元')
    """
    text = ERA_YEAR.sub(lambda match: match["era"] + han_digits(match["year"]), text)
    text = YEAR.sub(_year, text)
    text = SPAN.sub(_span, text)
    text = SHORT_YEAR.sub(lambda match: han_digits(match["year"]) + "年", text)
    text = DECADE.sub(lambda match: han_digits(match["year"]) + "年代", text)
    return BORN_AFTER.sub(lambda match: han_digits(match["year"]), text)


def _year(match: re.Match[str]) -> str:
    if match["low"] == "1000" and not match["high"]:
        return "一千" + match["after"]
    through = "到" + han_digits(match["high"]) if match["high"] else ""
    return han_digits(match["low"]) + through + match["after"]


def _span(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    if low >= high or (low.endswith("00") and high.endswith("00")):
        return match[0]
    return f"{han_digits(low)}到{han_digits(high)}"


def days(text: str) -> str:
    """Months, days and hours are said without the zero that pads them.

    >>> days("05月01日"), days("08 时")
    ('5月1日', '8时')
    """
    return PADDED.sub("", SPACED.sub("", text))


def times(text: str) -> str:
    """
    >>> times("10:30"), times("10:30:05"), times("2:00"), times("8:05-10:00"), times("3点5分"), times("3:2")
    ('十点三十分', '十点三十分零五秒', '两点', '八点零五分到十点', '3点5分', '3:2')
    """
    return TIME.sub(lambda match: "到".join(_clock(time) for time in match.groups() if time), text)


def _clock(time: str) -> str:
    hour, minute, second, *_ = [*time.split(":"), ""]
    hour = hour.lstrip("0") or "0"
    spoken = ("两" if hour == "2" else han_cardinal(hour)) + "点"
    if second:
        return (
            f"{spoken}{han_cardinal(minute.replace('00', '0'))}分{han_cardinal(second.replace('00', '0'))}秒"
        )
    return spoken if minute == "00" else f"{spoken}{han_cardinal(minute)}分"
