"""English amounts: numbers with sign and range, money, units, fractions, and signs of arithmetic."""

import re

from farm.text.numbers import english_cardinal, english_decimal, english_ordinal
from farm.text.wordlists import rows

NUMBER = r"(?:\d+(?:\.\d+)?|(?<![\dA-Za-z])\.\d+)"
SCALE = r"(?:[\s-](?:hundred|thousand|million|billion|trillion|dozen)\b)?"
SIGN = r"(?:(?<![A-Za-z0-9.%)°])[-−+±])?"
DASH = r"\s?(?:—|--?|[−–~])\s?"
AMOUNT = rf"{SIGN}{NUMBER}(?:{DASH}[-−+±]?{NUMBER})?"
ENDS = re.compile(rf"(?P<low>[-−+±]?{NUMBER})(?:{DASH}(?P<high>[-−+±]?{NUMBER}))?")
SIGNS = {"-": "minus ", "−": "minus ", "+": "plus ", "±": "plus or minus "}

UNITS = {symbol: (one, many) for symbol, _, one, many in rows("units")}
UNIT = "|".join(re.escape(symbol) for symbol in sorted(UNITS, key=len, reverse=True))
CURRENCIES = {row[0]: row[2:] for row in rows("currencies")}
CURRENCY = "|".join(re.escape(symbol) for symbol in sorted(CURRENCIES, key=len, reverse=True))
LETTER_SCALES = {
    "k": "thousand",
    "K": "thousand",
    "m": "million",
    "M": "million",
    "bn": "billion",
    "B": "billion",
}
UNDERS = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
FRACTION_NAMES = {symbol: english for symbol, _, english in rows("symbols") if symbol in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}

THROUGH = re.compile(rf"(?P<unit>(?<=\d)(?:{UNIT}|%)){DASH}(?=[-−+]?[.\d])|(?<=\d){DASH}(?=(?:{CURRENCY})\d)")
PERCENT = re.compile(rf"(?P<amount>{AMOUNT})\s?(?P<mark>[%‰])")
MONEY = re.compile(
    rf"(?P<minus>[-−])?(?<![A-Za-z])(?P<name>{CURRENCY})\s?(?P<amount>{AMOUNT})"
    rf"(?:(?P<letter>bn|[kKmMB])(?![A-Za-z0-9]))?(?P<scale>{SCALE})"
)
MONEY_BEHIND = re.compile(rf"(?P<amount>{AMOUNT})\s?(?P<name>{CURRENCY})(?![A-Za-z0-9])")
CENTS = re.compile(rf"(?P<number>{NUMBER})\s?¢")
MEASURED = re.compile(
    rf"(?P<amount>{AMOUNT})(?P<gap>[\s-]?)(?P<unit>{UNIT})(?:/(?P<each>{UNIT}))?(?![A-Za-z0-9'’])"
)
SHORT_UNITS = {"m", "s", "t", "h", "l", "g", "V", "W", "L"}
FEET = re.compile(r"(?<![\d.])(?P<feet>\d+)[′']\s?(?P<inches>\d+)[″\"”]")
ARC = re.compile(rf"(?P<degrees>{NUMBER})°\s?(?P<minutes>{NUMBER})[′']\s?(?:(?P<seconds>{NUMBER})[″\"])?")
MIXED = re.compile(r"(?P<whole>\d+)\s?(?P<part>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
FRACTION = re.compile(r"(?<![\d/.])(?:(?P<whole>\d+)[\s-])?(?P<over>\d+)/(?P<under>\d+)(?![\d/]|\.\d)")
PRODUCT = re.compile(r"(?<=\d)\s?(?:[x×*]|X)\s?(?=\d)")
MULTIPLE = re.compile(rf"(?P<amount>{NUMBER})\s?[x×](?![A-Za-z0-9+=*/^-])")
EQUATION = re.compile(
    r"(?<![A-Za-z\d.])(?:[A-Za-z\d.]{1,20}(?:\s?[-−+*÷/]\s?[\d.]{1,20}){1,20}(?=\s?[=≈<>≤≥])"
    r"|[\d.]{1,20}(?:\s?[−+*÷]\s?[\d.]{1,20}){1,20})"
)
OPERATORS = {"-": "minus", "−": "minus", "+": "plus", "*": "times", "÷": "divided by", "/": "over"}
PLAIN = re.compile(AMOUNT)


def amount(text: str) -> str:
    """Speak a number or a range of them.

    >>> amount("-3.5"), amount("3-5"), amount("±20")
    ('minus three point five', 'three to five', 'plus or minus twenty')
    """
    ends = ENDS.fullmatch(text)
    if not ends:
        return text
    return " to ".join(_end(end) for end in (ends["low"], ends["high"]) if end)


def _end(text: str) -> str:
    return SIGNS.get(text[0], "") + english_decimal(text.lstrip("-−+± "))


def through(text: str) -> str:
    """A dash between two amounts that each have their unit.

    >>> through("3%-5%"), through("10km–20km"), through("$1-$2")
    ('3% to 5%', '10km to 20km', '$1 to $2')
    """
    return THROUGH.sub(lambda match: (match["unit"] or "") + " to ", text)


def percents(text: str) -> str:
    """
    >>> percents("3%"), percents("±3 %"), percents("3-5%"), percents("5‰")
    ('three percent', 'plus or minus three percent', 'three to five percent', 'five per thousand')
    """
    names = {"%": "percent", "‰": "per thousand"}
    return PERCENT.sub(lambda match: f"{amount(match['amount'])} {names[match['mark']]}", text)


def money(text: str) -> str:
    """
    >>> money("$4.20"), money("$1"), money("$0.50"), money("£2.50")
    ('four dollars and twenty cents', 'one dollar', 'fifty cents', 'two pounds and fifty pence')
    >>> money("$1.5 million"), money("$3-5"), money("$5k"), money("-€20")
    ('one point five million dollars', 'three to five dollars', 'five thousand dollars', 'minus twenty euros')
    >>> money("100 USD"), money("50¢"), money("¥100")
    ('one hundred dollars', 'fifty cents', 'one hundred yen')
    """
    text = MONEY.sub(_money, text)
    text = MONEY_BEHIND.sub(lambda match: _coins(match["amount"], match["name"]), text)
    return CENTS.sub(lambda match: _several(match["number"], "cent", "cents"), text)


def _money(match: re.Match[str]) -> str:
    minus = "minus " if match["minus"] else ""
    scale = LETTER_SCALES.get(match["letter"] or "", match["scale"].strip(" -"))
    if not scale:
        return minus + _coins(match["amount"], match["name"])
    return f"{minus}{amount(match['amount'])} {scale} {CURRENCIES[match['name']][1]}"


def _coins(number: str, name: str) -> str:
    one, many, cent, cents = CURRENCIES[name]
    whole, _, fraction = number.partition(".")
    if not re.fullmatch(r"\d+\.\d\d", number) or cent == "-":
        return f"{amount(number)} {one if number == '1' else many}"
    parts = [(whole, one, many), (fraction.lstrip("0"), cent, cents)]
    said = [
        f"{english_cardinal(n)} {single if n == '1' else several}"
        for n, single, several in parts
        if n.strip("0")
    ]
    return " and ".join(said) or f"zero {many}"


def units(text: str) -> str:
    """
    >>> units("5 km"), units("1kg"), units("30 km/h"), units("-5°C")
    ('five kilometers', 'one kilogram', 'thirty kilometers per hour', 'minus five degrees Celsius')
    >>> units("3-5 mm"), units("5'10\\""), units("39°54′"), units("5 s")
    ('three to five millimeters', 'five feet ten inches', 'thirty nine degrees fifty four minutes', '5 s')
    """
    text = text.replace("℃", "°C").replace("℉", "°F")
    text = FEET.sub(_feet, text)
    return MEASURED.sub(_measured, ARC.sub(_arc, text))


def _feet(match: re.Match[str]) -> str:
    return f"{_several(match['feet'], 'foot', 'feet')} {_several(match['inches'], 'inch', 'inches')}"


def _several(number: str, one: str, many: str) -> str:
    return f"{amount(number)} {one if number == '1' else many}"


def _measured(match: re.Match[str]) -> str:
    unlikely = match["gap"] or match["unit"] == "s"  # 5 s, 3 L, 747s: as often a name or a plural
    if unlikely and match["unit"] in SHORT_UNITS and not match["each"]:
        return match[0]
    each = f" per {UNITS[match['each']][0]}" if match["each"] else ""
    return _several(match["amount"], *UNITS[match["unit"]]) + each


def _arc(match: re.Match[str]) -> str:
    parts = (
        (match["degrees"], "degree", "degrees"),
        (match["minutes"], "minute", "minutes"),
        (match["seconds"], "second", "seconds"),
    )
    direction = " " if match.string[match.end() : match.end() + 1].isalpha() else ""
    return " ".join(_several(number, one, many) for number, one, many in parts if number) + direction


def fractions(text: str) -> str:
    """
    >>> fractions("1/2"), fractions("3/4"), fractions("2/3"), fractions("1 1/2"), fractions("2½")
    ('one half', 'three quarters', 'two thirds', 'one and one half', 'two and one half')
    >>> fractions("24/7")
    'twenty four seven'
    """
    text = MIXED.sub(lambda m: f"{english_cardinal(m['whole'])} and {FRACTION_NAMES[m['part']]}", text)
    return FRACTION.sub(_fraction, text)


def _fraction(match: re.Match[str]) -> str:
    over, under = match["over"], match["under"]
    whole = english_cardinal(match["whole"]) + " and " if match["whole"] else ""
    if (over, under) in (("24", "7"), ("9", "11")):
        return f"{whole}{english_cardinal(over)} {english_cardinal(under)}"
    if len(under) > 3 or int(under) < 2 or int(over[:9]) > int(under):
        return f"{whole}{english_cardinal(over)} over {english_cardinal(under)}"
    one, many = UNDERS.get(under) or (english_ordinal(under), english_ordinal(under) + "s")
    return f"{whole}{english_cardinal(over)} {one if over == '1' else many}"


def arithmetic(text: str) -> str:
    """
    >>> arithmetic("5-3=2"), arithmetic("2+2"), arithmetic("1920x1080"), arithmetic("10x faster")
    ('5 minus 3=2', '2 plus 2', '1920 by 1080', 'ten times faster')
    """
    text = PRODUCT.sub(" by ", text)
    text = EQUATION.sub(
        lambda m: re.sub(r"\s?([-−+*÷/])\s?", lambda sign: f" {OPERATORS[sign[1]]} ", m[0]), text
    )
    return MULTIPLE.sub(lambda match: amount(match["amount"]) + " times", text)


def plain(text: str) -> str:
    """What no other rule has claimed.

    >>> plain("42"), plain("3-5 times"), plain("-5"), plain("007"), plain("3.14")
    ('forty two', 'three to five times', 'minus five', 'zero zero seven', 'three point one four')
    """
    return PLAIN.sub(lambda match: amount(match[0]), text)
