"""English shorthand to words: abbreviations, Roman numerals, versions, telephones, letters with digits."""

import re

from farm.text.english_amounts import NUMBER
from farm.text.folding import endless as read_endless
from farm.text.numbers import (
    english_cardinal,
    english_decimal,
    english_digits,
    english_ordinal,
    plural,
    roman,
)
from farm.text.web import addresses as read_addresses
from farm.text.wordlists import rows

ABBREVIATIONS = {short: said for short, said, _ in rows("abbreviations")}
BEHIND = {"any": "", "name": r"(?=\s(?:and\s)?[A-Z])", "number": r"(?=\s?(?:\d|[IVXLC]{2,}\b))"}


def _shorts(where: str) -> str:
    listed = sorted(
        (short for short, _, place in rows("abbreviations") if place == where), key=len, reverse=True
    )
    return rf"(?:{'|'.join(map(re.escape, listed))})\.{BEHIND[where]}"


LAST = tuple(short + "." for short, _, place in rows("abbreviations") if place == "any")
ABBREVIATION = re.compile(rf"(?<![\w.])(?:{'|'.join(map(_shorts, BEHIND))})(?!\w)")
CLOSERS = " \t\n\"'”’)]"
SENTENCE_END = re.compile(f"[{re.escape(CLOSERS)}]*$")
STREET = re.compile(r"(?<=[a-z]\s)St\.(?=,|\s[a-z])")

PART = (
    "(?i:chapter|book|part|volume|act|scene|canto|section|appendix|stave|letter|lesson|article|figure|table"
    "|plate)"
)
ROMAN_PART = re.compile(rf"\b(?P<name>{PART})\s(?P<roman>[IVXLCDM]+)(?![\w’'])")
REGNAL_NAME = "|".join(name for (name,) in rows("regnal"))
REGNAL = re.compile(
    rf"\b(?P<title>(?:King|Queen|Pope|Emperor|Tsar|Czar)\s)?(?P<name>{REGNAL_NAME})\s(?P<roman>[IVX]+)\b(?!\.\w)"
)
ROMAN_NAME = re.compile(r"\b(?P<name>[A-Z][a-z]+)\s(?P<roman>[IVX]{2,})\b")
ROMAN_ALONE = re.compile(r"\A(?P<name>\s*)(?P<roman>[IVXLC]{2,})(?=\.?\s*$|\.\s)")

NAMED_NUMBER = re.compile(
    r"\b(?P<name>Room|Flight|Boeing|Airbus|Highway|Gate|Suite)\s(?P<number>\d{3,4})(?!\w)"
)
ORDINAL = re.compile(r"(?<![\w.])(?P<number>\d+)(?:st|nd|rd|th)\b", re.IGNORECASE)
VERSION = re.compile(r"(?<![\d.])(?P<v>[vV]?)(?P<number>\d+(?:\.\d+){2,})(?!\d|\.\d)")
PHONE = re.compile(
    r"(?<![\w.-])(?:\+\d{1,3}[\s-])?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?![\w-])"
    r"|(?<![\w.-])\d{3}-\d{4}(?![\w-])|(?<![\w.-])\+\d[\d -]{6,20}\d(?![\w-])"
)
SERIAL = re.compile(r"(?<![\d-])\d+(?:-\d+){2,}(?![\d-])")
PLURAL = re.compile(r"(?<![\w.])(?P<before>[A-Za-z]+-)?(?P<number>\d+)['’]?s\b")
LATIN_NUMBER = re.compile(rf"(?<=[A-Za-z])-?(?P<number>{NUMBER})")
NUMBER_LATIN = re.compile(rf"(?P<number>{NUMBER})-?(?=[A-Za-z])")


def addresses(text: str) -> str:
    """
    >>> addresses("See www.example.com."), addresses("me@example.org")
    ('See www dot example dot com.', 'me at example dot org')
    """
    return read_addresses(text, 1, english_digits)


def endless(text: str) -> str:
    """
    >>> endless("3.14159265358979323")
    '3 point one four one five nine two six five three five eight nine seven nine three two three'
    """
    return read_endless(text, english_digits, " point ")


def abbreviations(text: str) -> str:
    """The stop goes with the abbreviation, but not the one that also ends the sentence.

    >>> abbreviations("Mr. and Mrs. Smith met Dr. Who, etc."), abbreviations("No. 5, vol. 2, pp. 3-5")
    ('Mister and Missus Smith met Doctor Who, et cetera.', 'Number 5, volume 2, pages 3-5')
    >>> abbreviations("St. Peter of Main St. is, i.e., vs. all. No. We came.")
    'Saint Peter of Main Street is, that is, versus all. No. We came.'
    """
    return ABBREVIATION.sub(_abbreviation, STREET.sub("Street", text))


def _abbreviation(match: re.Match[str]) -> str:
    stop = "." if SENTENCE_END.match(match.string, match.end()) else ""
    return ABBREVIATIONS[match[0][:-1]] + stop


def romans(text: str) -> str:
    """
    >>> romans("Chapter XII"), romans("BOOK I. LOOMINGS"), romans("World War II"), romans("XIV.")
    ('Chapter twelve', 'BOOK one. LOOMINGS', 'World War two', 'fourteen.')
    >>> romans("Henry VIII"), romans("King Charles I was"), romans("Charles I met")
    ('Henry the eighth', 'King Charles the first was', 'Charles I met')
    >>> romans("I am. I, too."), romans("Malcolm X"), romans("MIX"), romans("the part I did")
    ('I am. I, too.', 'Malcolm X', 'MIX', 'the part I did')
    """
    text = ROMAN_ALONE.sub(_cardinal, text)
    text = ROMAN_PART.sub(_part, text)
    return ROMAN_NAME.sub(_cardinal, REGNAL.sub(_regnal, text))


def _cardinal(match: re.Match[str]) -> str:
    value = roman(match["roman"])
    gap = " " if match["name"].strip() else ""
    return f"{match['name']}{gap}{english_cardinal(str(value))}" if value else match[0]


def _part(match: re.Match[str]) -> str:
    pronoun = match["name"].islower() and match["roman"] == "I"  # the part I did
    return match[0] if pronoun else _cardinal(match)


def _regnal(match: re.Match[str]) -> str:
    value = roman(match["roman"])
    if not value or (match["roman"] in "IX" and not match["title"]):
        return match[0]  # John I met; Malcolm X
    return f"{match['title'] or ''}{match['name']} the {english_ordinal(str(value))}"


def ordinals(text: str) -> str:
    """
    >>> ordinals("the 1st and 22nd"), ordinals("11th")
    ('the first and twenty second', 'eleventh')
    """
    return ORDINAL.sub(lambda match: english_ordinal(match["number"]), text)


def versions(text: str) -> str:
    """
    >>> versions("2.5.1"), versions("v1.0.3"), versions("192.168.1.1")[:39]
    ('two point five point one', 'v one point zero point three', 'one nine two point one six eight point ')
    """
    return VERSION.sub(_version, text)


def _version(match: re.Match[str]) -> str:
    return (match["v"] and match["v"] + " ") + " point ".join(
        _code(part) for part in match["number"].split(".")
    )


def phones(text: str) -> str:
    """
    >>> phones("555-1234"), phones("ISBN 978-7-02")
    ('five five five, one two three four', 'ISBN nine seven eight, seven, zero two')
    >>> phones("(212) 555-1234")
    'two one two, five five five, one two three four'
    """
    return SERIAL.sub(_phone, PHONE.sub(_phone, text))


def _phone(match: re.Match[str]) -> str:
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(english_digits(group) for group in re.findall(r"\d+", match[0]))


def letters(text: str) -> str:
    """Digits beside letters.

    >>> letters("GPT-4o"), letters("5G"), letters("MP3"), letters("H2O"), letters("COVID-19"), letters("B-52")
    ('GPT four o', 'five G', 'MP three', 'H two O', 'COVID nineteen', 'B fifty two')
    >>> letters("G2345"), letters("a 12-year-old"), letters("Room 101"), letters("747s")
    ('G two three four five', 'a twelve year-old', 'Room one zero one', 'seven four sevens')
    """
    text = NAMED_NUMBER.sub(lambda match: f"{match['name']} {english_digits(match['number'])}", text)
    text = PLURAL.sub(lambda match: (match["before"] or "") + plural(_code(match["number"])), text)
    text = LATIN_NUMBER.sub(_behind_letters, text)
    return NUMBER_LATIN.sub(lambda match: _code(match["number"]) + " ", text)


def _behind_letters(match: re.Match[str]) -> str:
    following = match.string[match.end() : match.end() + 2]
    space = " " if re.match("-?[A-Za-z]", following) else ""
    return f" {_code(match['number'])}{space}"


def _code(number: str) -> str:
    """Long numbers of models and flights are read digit by digit."""
    return english_digits(number) if number.isdigit() and len(number) > 2 else english_decimal(number)
