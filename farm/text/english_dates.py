"""English dates, years and times of day."""

import re

from farm.text.numbers import english_cardinal, english_ordinal, english_year, plural

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
DASH = r"\s?(?:—|--?|[−–~])\s?"
DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
OF_YEAR = r"(?P<year>,?\s[12]\d{3}(?!\d))?"
TO_DAY = rf"(?:{DASH}(?P<last>[12]\d|3[01]|[1-9]))?"
MONTH_DAY = re.compile(rf"{MONTH}\s(?:the\s)?{DAY}{TO_DAY}(?![\d:]|\.\d){OF_YEAR}")
DAY_MONTH = re.compile(rf"(?P<the>\bthe\s)?(?<![\d./-]){DAY}\s(?:of\s)?{MONTH}{OF_YEAR}")
MONTH_YEAR = re.compile(rf"{MONTH},?\s(?P<year>[12]\d{{3}})(?!\d)")
ISO = re.compile(
    r"(?<![\d./-])(?P<year>[12]\d{3})[-/.](?P<month>1[0-2]|0?[1-9])[-/.](?P<day>3[01]|[12]\d|0?[1-9])(?![\d/-])"
)
SLASHED = re.compile(r"(?<![\d./-])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>[12]\d{3})(?![\d/-])")

CUE = (
    r"(?:in|since|until|till|by|from|year|years|after|before|during|circa|about|of|summer|autumn|fall|winter|"
    r"spring|early|late|mid|AD|A\.D\.|Anno Domini|copyright|©|\()"
)
COUNTED = r"(?:men|people|feet|women|children|sheep|percent|per|million|thousand|of|or|[a-z]+s)\b"
NO_COUNT = rf"(?![\d,.:/-]\d|[\d%°]|\s(?!is\b|was\b|as\b|has\b){COUNTED}|-[a-z])"
CUED = re.compile(rf"(?<![\w-])(?P<cue>{CUE}\s?)(?P<year>1[1-9]\d\d|20\d\d){NO_COUNT}", re.IGNORECASE)
BARE = re.compile(
    rf"(?<![\d.,$€£¥#:/-])(?:(?P<hundreds>1[1-9]00)(?![\d,.:/-]\d|[\d%°])|(?P<year>1[4-9]\d\d|20\d\d){NO_COUNT})(?!\w)"
)
SPAN = re.compile(
    rf"(?<![\d.$€£¥-])(?P<low>1[1-9]\d\d|20\d\d){DASH}(?P<high>1[1-9]\d\d|20\d\d|\d\d)(?![\d-]|\.\d)"
)
BEFORE_CHRIST = re.compile(r"(?<![\d.,])(?P<year>\d{3,4})(?=\s?(?:AD|BC|BCE|CE|A\.D\.|B\.C\.))")
DECADE = re.compile(r"(?<![\d.,])(?P<year>[12]\d\d0|[2-9]0)['’]?s\b")
SHORT = re.compile(r"(?<!\w)['’‘](?P<year>\d\d)(?P<decade>s)?\b(?!['’])")
CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
TIME = re.compile(
    rf"(?<![\d:.])(?P<low>{CLOCK})(?:{DASH}(?P<high>{CLOCK}))?(?![\d:]|\.\d)(?P<half>\s?[ap]\.?m\b)?",
    re.IGNORECASE,
)


def dates(text: str) -> str:
    """
    >>> dates("May 5, 2024"), dates("July 4th"), dates("the 5th of May"), dates("May 1851")
    ('May fifth, twenty twenty four', 'July fourth', 'the fifth of May', 'May eighteen fifty one')
    >>> dates("5 May 2024"), dates("2024-05-01"), dates("May 3-5")
    ('the fifth of May twenty twenty four', 'May first, twenty twenty four', 'May third to fifth')
    >>> dates("5/12/2024"), dates("25/12/2024")
    ('May twelfth, twenty twenty four', 'December twenty fifth, twenty twenty four')
    """
    text = ISO.sub(lambda m: _date(m["month"], m["day"], m["year"]) or m[0], text)
    text = SLASHED.sub(_slashed, text)
    text = DAY_MONTH.sub(lambda m: f"the {_day(m['day'])} of {m['month']}{_year(m['year'])}", text)
    text = MONTH_DAY.sub(_month_day, text)
    return MONTH_YEAR.sub(lambda m: f"{m['month']} {english_year(m['year'])}", text)


def _month_day(match: re.Match[str]) -> str:
    last = f" to {_day(match['last'])}" if match["last"] else ""
    return f"{match['month']} {_day(match['day'])}{last}{_year(match['year'])}"


def _slashed(match: re.Match[str]) -> str:
    """Month first, as in America, unless it cannot be."""
    first, second, year = match.groups()
    return _date(first, second, year) or _date(second, first, year) or match[0]


def _date(month: str, day: str, year: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return ""
    return f"{MONTHS[int(month) - 1]} {_day(day)}, {english_year(year)}"


def _day(day: str) -> str:
    return english_ordinal(day.lstrip("0"))


def _year(year: str | None) -> str:
    return re.sub(r"\d+", lambda digits: english_year(digits[0]), year) if year else ""


def years(text: str) -> str:
    """Four digits are a year where the words around them say so, or where they count nothing.

    Fifteen hundred is right either way.

    >>> years("in 1851"), years("1851 men"), years("It was 1851."), years("44 BC")
    ('in eighteen fifty one', '1851 men', 'It was eighteen fifty one.', '44 BC')
    >>> years("1914–1918"), years("1914-18"), years("the 1980s")
    ('nineteen fourteen to nineteen eighteen', 'nineteen fourteen to eighteen', 'the nineteen eighties')
    >>> years("’90s"), years("in his 30s"), years("the class of ’98")
    ('nineties', 'in his thirties', 'the class of ninety eight')
    """
    text = SHORT.sub(_short, text)
    text = DECADE.sub(lambda match: plural(english_year(match["year"])), text)
    text = SPAN.sub(_span, text)
    text = BEFORE_CHRIST.sub(lambda match: english_year(match["year"]), text)
    text = CUED.sub(lambda match: match["cue"] + english_year(match["year"]), text)
    return BARE.sub(lambda match: english_year(match["hundreds"] or match["year"]), text)


def _short(match: re.Match[str]) -> str:
    year = english_cardinal(match["year"].lstrip("0") or "0")
    spoken = f"oh {year}" if match["year"].startswith("0") else year
    return plural(spoken) if match["decade"] else spoken


def _span(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    if high <= low[-len(high) :]:
        return match[0]
    return f"{english_year(low)} to {english_year(high)}"


def times(text: str) -> str:
    """
    >>> times("10:30"), times("10:05"), times("9:00"), times("9:00 a.m."), times("10:30:05")
    ('ten thirty', 'ten oh five', "nine o'clock", 'nine a.m.', 'ten thirty and five seconds')
    >>> times("8:30-10:00")
    "eight thirty to ten o'clock"
    """
    return TIME.sub(_times, text)


def _times(match: re.Match[str]) -> str:
    half = match["half"] or ""
    spoken = " to ".join(_clock(time, bool(half)) for time in (match["low"], match["high"]) if time)
    return f"{spoken} {half.lstrip()}".rstrip()


def _clock(time: str, half: bool) -> str:
    hour, minute, second, *_ = [*time.split(":"), ""]
    seconds = f"and {english_cardinal(str(int(second)))} seconds" if second else ""
    whole = "" if half or second else "o'clock" if 0 < int(hour) <= 12 else "hundred"
    minutes = _minutes(minute) if minute != "00" else whole
    return " ".join(part for part in (english_cardinal(str(int(hour))), minutes, seconds) if part)


def _minutes(minute: str) -> str:
    return "oh " + english_cardinal(minute[1]) if minute[0] == "0" else english_cardinal(minute)
