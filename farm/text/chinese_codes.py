"""Chinese numbers that are names rather than amounts: telephones, versions, scores, things with a number."""

import re

from farm.text.chinese_amounts import DASH, NUMBER
from farm.text.folding import endless as read_endless
from farm.text.numbers import han_cardinal, han_decimal, han_digits, roman
from farm.text.web import addresses as read_addresses

KNOWN = r"(?:12306|10086|10010|95588)"
MOBILE = r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
LANDLINE = r"(?:\+86[- ]?)?\(?0\d{2,3}\)?[- ]\d{7,8}|[48]00[- ]\d{3,4}[- ]\d{3,4}"
CALLED = (
    r"(?<=电话|電話|手机|手機|热线|熱線|拨打|撥打|致电|致電|传真|傳真)[号號]?[码碼]?[:：是为為]?\s?"
    r"(?P<called>\+?\d[\d -]+\d)"
)
PHONE = re.compile(rf"(?<![\d.])(?:{MOBILE}|{LANDLINE}|{KNOWN})(?![\d.]\d|\d)|{CALLED}")
IDENTIFIER = re.compile(
    r"(?P<name>编号|編號|学号|學號|工号|邮编|邮政编码|账号|帐号|帳號|卡号|证号|单号|尾号|代码|密码|验证码|房号|QQ|ISBN)"
    r"(?P<between>\s?[:：是为為]?\s?)(?P<number>\d[\d -]*\d)"
)
SERIAL = re.compile(r"(?<![\d-])\d+(?:-\d+){2,}(?![\d-])")
DOOR = re.compile(r"(?<![A-Za-z\d.])\d{3,4}(?=室|房间|房間|号房|號房|航班|次列车|次列車|国道|國道|高地)")
STANDARD = re.compile(
    r"(?<![A-Za-z])(?P<body>[A-Z]{2,8}(?:/[A-Z])?)\s?(?P<number>\d{3,5}(?:\.\d+)?)[-—–:](?P<year>(?:19|20)\d\d)(?!\d)"
)
VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?!\d|\.\d)")
AIRCRAFT = re.compile(r"(?P<maker>波音|空客|麦道)\s?(?P<number>\d{3})(?!\d)")
DESIGNATION = re.compile(
    r"(?<=[歼殲运運轰轟直教苏蘇米图圖雅安东東风風舟征娥宫宮鹰鷹剑劍旗枭梟龙龍舰艦])-(?=\d)"
)
SCORE_CUE = re.compile(
    r"(?P<cue>比分[为為是以]?|战成|戰成|打成|踢成)\s?(?P<us>\d{1,3})\s?[-:–]\s?(?P<them>\d{1,3})(?![\d:])"
)
RESULT = (
    "的?(?:比分|战胜|戰勝|击败|擊敗|大胜|险胜|取胜|获胜|獲勝|告负|落败|领先|領先|落后|逆转|战平|不敌|负于)"
)
SCORE = re.compile(rf"(?<![\d:.-])(?P<us>\d{{1,3}})\s?[-:–]\s?(?P<them>\d{{1,3}})(?={RESULT})")
RATIO = re.compile(rf"(?P<us>{NUMBER})\s?[:∶]\s?(?P<them>{NUMBER})(?!\d|:)")
FRACTION = re.compile(r"(?<![\d/.])(?:(?P<whole>\d+)\s)?(?P<over>\d+)/(?P<under>\d+)(?![\d/]|\.\d)")
FIGURE = re.compile(r"(?<=[图圖表例题題式])\s?(?P<first>\d+)-(?P<second>\d+)(?![\d-])")
NUMBERED = re.compile(
    rf"第\s?(?P<number>\d+|[IVXLC]+(?=\s?[章回节節卷部篇册集幕场届]))(?:{DASH}第?(?P<last>\d+))?(?![\d.])"
)
LIST_NUMBER = re.compile(r"(?:^|(?<=\s))(?P<number>\d{1,2})\.(?=\s?[^\W\d])")
NUMBER_SIGN = re.compile(r"(?<![A-Za-z])(?:No|NO|no)\.\s?(?=\d)")
ROMAN = re.compile(r"(?<![A-Za-z])(?P<number>[IVX]{2,5}|(?<=[一-鿿])V?I{1,3})(?=[型级級期度类類世])")
LATIN_NUMBER = re.compile(rf"(?<=[A-Za-z])(?P<gap>-?|\s(?=\d{{4}}))(?P<number>{NUMBER})")
NUMBER_LATIN = re.compile(rf"(?P<number>{NUMBER})(?:-(?=[A-Za-z])|(?=[A-Za-z]))")
EQUATION = re.compile(
    r"(?<![A-Za-z\d.])[A-Za-z\d.)(]{1,20}(?:\s?[-−+*×÷/^]\s?[A-Za-z\d.)(]{1,20}){1,20}(?=\s?[=＝≈<>≤≥])"
)
OPERATORS = {"-": "减", "−": "减", "+": "加", "*": "乘", "×": "乘", "÷": "除以", "/": "除以"}


def addresses(text: str) -> str:
    """
    >>> addresses("见www.example.com。"), addresses("写信给li.4@example.org")
    ('见www 点 example 点 com。', '写信给li 点 四 艾特 example 点 org')
    """
    return read_addresses(text, 0, han_digits)


def endless(text: str) -> str:
    """
    >>> endless("3.14159265358979323"), endless("a12345678901234567")
    ('3点一四一五九二六五三五八九七九三二三', 'a 一二三四五六七八九零一二三四五六七')
    """
    return read_endless(text, han_digits, "点")


def phones(text: str) -> str:
    """Digit by digit, with 幺 for 1: the only place where it is said so.

    >>> phones("电话13812345678"), phones("请拨打110"), phones("010-12345678"), phones("400-800-1234")
    ('电话幺三八幺二三四五六七八', '请拨打幺幺零', '零幺零，幺二三四五六七八', '四零零，八零零，幺二三四')
    """
    return PHONE.sub(_phone, text)


def _phone(match: re.Match[str]) -> str:
    number = match["called"] or match[0]
    before = match[0][: len(match[0]) - len(number)]
    groups = re.findall(r"\d+", number)
    return (
        before
        + ("加" if number.startswith("+") else "")
        + "，".join(han_digits(group, "幺") for group in groups)
    )


def identifiers(text: str) -> str:
    """
    >>> identifiers("邮编100084"), identifiers("密码是 1234"), identifiers("978-7-02"), identifiers("202室")
    ('邮编一零零零八四', '密码是 一二三四', '九七八杠七杠零二', '二零二室')
    >>> identifiers("GB/T 7714-2015")
    'GB/T 七七一四杠二零一五'
    """
    text = IDENTIFIER.sub(lambda match: match["name"] + match["between"] + _dashed(match["number"]), text)
    text = DOOR.sub(lambda match: han_digits(match[0]), text)
    text = STANDARD.sub(lambda m: f"{m['body']} {_code(m['number'])}杠{han_digits(m['year'])}", text)
    return SERIAL.sub(lambda match: _dashed(match[0]), text)


def _dashed(number: str) -> str:
    return "杠".join(han_digits(re.sub(r"\D", "", part)) for part in number.split("-"))


def versions(text: str) -> str:
    """
    >>> versions("2.5.1版本"), versions("v1.0.3"), versions("192.168.1.1")
    ('二点五点一版本', 'v 一点零点三', '一九二点一六八点一点一')
    """
    return VERSION.sub(_version, text)


def _version(match: re.Match[str]) -> str:
    space = " " if re.match("[A-Za-z]", match.string[max(match.start() - 1, 0) : match.start()]) else ""
    return space + "点".join(_code(part) for part in match[0].split("."))


def _code(number: str) -> str:
    """Long numbers of models and flights are read digit by digit."""
    return han_digits(number) if number.isdigit() and len(number) > 2 else han_decimal(number)


def models(text: str) -> str:
    """
    >>> models("波音747"), models("歼-20")
    ('波音七四七', '歼20')
    """
    text = AIRCRAFT.sub(lambda match: match["maker"] + han_digits(match["number"]), text)
    return DESIGNATION.sub("", text)


def scores(text: str) -> str:
    """
    >>> scores("比分15:10"), scores("以3-1战胜")
    ('比分十五比十', '以三比一战胜')
    """
    text = SCORE_CUE.sub(lambda m: f"{m['cue']}{han_cardinal(m['us'])}比{han_cardinal(m['them'])}", text)
    return SCORE.sub(lambda m: f"{han_cardinal(m['us'])}比{han_cardinal(m['them'])}", text)


def ratios(text: str) -> str:
    """
    >>> ratios("3:2"), ratios("1:2.5")
    ('三比二', '一比二点五')
    """
    return RATIO.sub(lambda m: f"{han_decimal(m['us'])}比{han_decimal(m['them'])}", text)


def fractions(text: str) -> str:
    """
    >>> fractions("1/3"), fractions("1 1/2"), fractions("24/7")
    ('三分之一', '一又二分之一', '二十四杠七')
    """
    return FRACTION.sub(_fraction, text)


def _fraction(match: re.Match[str]) -> str:
    over, under = match["over"], match["under"]
    whole = han_cardinal(match["whole"]) + "又" if match["whole"] else ""
    if int(over[:9]) > int(under[:9]) and not whole:
        return f"{han_cardinal(over)}杠{han_cardinal(under)}"
    return f"{whole}{han_cardinal(under)}分之{han_cardinal(over)}"


def numbered(text: str) -> str:
    """
    >>> numbered("第12章"), numbered("第001章"), numbered("第 2 个"), numbered("第XII回"), numbered("1. 好")
    ('第十二章', '第一章', '第二 个', '第十二回', '一、 好')
    >>> numbered("III型"), numbered("路易XIV世"), numbered("第1-3章"), numbered("No.5")
    ('三型', '路易十四世', '第一到三章', '第五')
    """
    text = FIGURE.sub(lambda m: f"{han_cardinal(m['first'])}杠{han_cardinal(m['second'])}", text)
    text = NUMBERED.sub(_numbered, NUMBER_SIGN.sub("第", text))
    text = LIST_NUMBER.sub(lambda match: han_cardinal(match["number"]) + "、", text)
    return ROMAN.sub(lambda match: _ordinal(match["number"]) or match[0], text)


def _numbered(match: re.Match[str]) -> str:
    last = "到" + _ordinal(match["last"]) if match["last"] else ""
    return "第" + (_ordinal(match["number"]) or match["number"]) + last


def _ordinal(number: str) -> str:
    value = int(number) if number.isdigit() and len(number) <= 16 else roman(number) or number
    return han_cardinal(str(value)) if str(value).isdigit() else ""


def equations(text: str) -> str:
    """
    >>> equations("5-3=2"), equations("x-1=0"), equations("a+b"), equations("3×4=12")
    ('5减3=2', 'x减1=0', 'a+b', '3乘4=12')
    """
    return EQUATION.sub(lambda match: re.sub(r"\s?([-−+*×÷/])\s?", lambda m: OPERATORS[m[1]], match[0]), text)


def letters(text: str) -> str:
    """Digits beside Latin letters.

    >>> letters("GPT-4o"), letters("5G"), letters("MP3"), letters("H2O"), letters("A4纸"), letters("G2345次")
    ('GPT 四 o', '五 G', 'MP 三', 'H 二 O', 'A 四纸', 'G 二三四五次')
    >>> letters("Win10"), letters("GPT3.5"), letters("RTX 4090"), letters("4S店"), letters("COVID-19")
    ('Win 十', 'GPT 三点五', 'RTX 四零九零', '四 S店', 'COVID 十九')
    """
    text = LATIN_NUMBER.sub(_behind_letters, text)
    return NUMBER_LATIN.sub(lambda match: _code(match["number"]) + " ", text)


def _behind_letters(match: re.Match[str]) -> str:
    following = match.string[match.end() : match.end() + 2]
    space = " " if re.match("-?[A-Za-z]", following) else ""
    return f" {_code(match['number'])}{space}"
