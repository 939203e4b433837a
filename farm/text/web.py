"""Web and e-mail addresses and file names, read out sign by sign."""

import re
from collections.abc import Callable

from farm.text.wordlists import rows

SIGNS = {sign: (chinese, english) for sign, chinese, english in rows("web")}
LABEL = r"[A-Za-z0-9-]{1,63}"
URL = r"(?:https?|ftp)://[A-Za-z0-9./_~:?#=&%@+,;!-]+"
EMAIL = rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,63}}@{LABEL}(?:\.{LABEL}){{0,8}}\.[A-Za-z]{{2,24}}"
# Two letters before the dot and small ones after the last keep U.S.A., J.K.Rowling and "end.Then" out of it.
DOMAIN = (
    rf"(?=[A-Za-z0-9-]{{0,61}}[A-Za-z]{{2}}){LABEL}(?:\.{LABEL}){{0,8}}\.[a-z]{{2,5}}[0-9]?"
    r"(?:/[A-Za-z0-9./_~?#=&%-]*)?"
)
ADDRESS = re.compile(rf"(?<![A-Za-z0-9@./])(?:{URL}|{EMAIL}|{DOMAIN})(?![A-Za-z0-9@])")
PART = re.compile(r"://|[A-Za-z]+|[0-9]+|.", re.DOTALL)


def addresses(text: str, column: int, digits: Callable[[str], str]) -> str:
    """Every address in `text` as words; `column` of web.tsv is 0 for Chinese, 1 for English."""
    return ADDRESS.sub(lambda match: _read(match[0], column, digits), text) if "." in text else text


def _read(address: str, column: int, digits: Callable[[str], str]) -> str:
    body = address.rstrip(".,;:!?")
    words = (_word(part, column, digits) for part in PART.findall(body))
    return " ".join(word for word in words if word) + address[len(body) :]


def _word(part: str, column: int, digits: Callable[[str], str]) -> str:
    if part == "://":
        return ""
    if part.isdigit():
        return digits(part)
    return SIGNS[part][column] if part in SIGNS else part
