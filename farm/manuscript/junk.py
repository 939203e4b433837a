"""Lines that are certainly no part of the book: adverts of the site it came from, page numbers, end marks."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from farm.manuscript.blocks import Account
from farm.manuscript.heading_rules import LONGEST, parse
from farm.messages import Message

ADVERT = Message("Advertising of the site that the file came from")
END_MARK = Message("Marks that a chapter ends or goes on")
PAGE_NUMBER = Message("Page numbers")
PICTURE = Message("Marks where a picture stood")
INVISIBLE = Message("Control characters and characters nobody sees")

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]+"
)
_OPEN, _CLOSE = "[（(【〔\\[《<*]*", "[）)】〕\\]》>*。.！!~～]*"
_URL = r"(?:https?[:：]//[!-~]+|www[.．。][!-~]+)"
_ADVERT_FORMS = Path(__file__).with_name("data").joinpath("adverts.txt").read_text("utf-8").splitlines()
_ADVERTS = tuple(
    re.compile(rf"^{_OPEN}(?:{form.replace('URL', _URL)}){_CLOSE}$", re.IGNORECASE) for form in _ADVERT_FORMS
)
_END_MARK = re.compile(
    r"^[（(【\[]\s*(?:本章完|本章结束|本章結束|未完待续|未完待續|待续|全文完|全书完)[。.!！…\s]*[）)】\]]$"
)
_PAGE = re.compile(
    r"^(?:[-—–·\s]*[-—–·]\s*\d{1,4}\s*[-—–·][-—–·\s]*|第\s*\d{1,4}\s*[页頁](?:[\s/，,]*共\s*\d{1,4}\s*[页頁])?"
    r"|(?:Page|PAGE)\s+\d{1,4}(?:\s+of\s+\d{1,4})?|\[Pg?\.?\s*\d{1,4}\])$"
)
_PICTURE = re.compile(r"^\[(?:Illustration|Picture|图片|插图|圖片)\]\.?$", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"^\d{1,4}$")
_SUSPECT = re.compile(
    rf"{_URL}|[a-z0-9]\.(?:com|net|org|cn|cc)\b|求月票|求推荐|本书由|本章完|未完待续|电子书下载|小说网|最新章节",
    re.IGNORECASE,
)
_SENTENCE_ENDS = tuple('.!?。！？…”’"」』）)：:*')
_FEWEST_PAGES = 5
_OFTEN = 10
_LONGEST_HEADER = 30


def without_invisible(text: str, account: Account) -> str:
    """Drop control and zero-width characters; white space stays."""
    for hidden in _INVISIBLE.findall(text):
        account.drop(INVISIBLE, hidden)
    return _INVISIBLE.sub("", text)


def without_junk(lines: Sequence[str], account: Account) -> list[str]:
    """Drop the lines that are certainly junk, each named in `account`."""
    pages = _page_numbers(lines)
    kept = []
    for at, line in enumerate(lines):
        reason = PAGE_NUMBER if at in pages else _junk(line.strip())
        if reason:
            account.drop(reason, line)
        else:
            kept.append(line)
    return kept


def junk_oddities(paragraphs: Sequence[str]) -> Iterator[Message]:
    """What looks like junk and was left in, because it may be the author's words."""
    short = [line for line in paragraphs if len(line) <= LONGEST]
    suspects = [line for line in short if _SUSPECT.search(line)]
    if suspects:
        yield Message(
            "{n} lines look like advertising and were left in; the first is “{sample}”.",
            {"n": len(suspects), "sample": suspects[0][:80]},
        )
    headers = Counter(line for line in short if 3 < len(line) <= _LONGEST_HEADER)
    for line, times in headers.most_common(3):
        if (
            times >= _OFTEN
            and not line.endswith(_SENTENCE_ENDS)
            and line.strip("*-—=· #~_")
            and not parse(line)
        ):
            yield Message(
                "“{line}” stands {n} times on a line of its own and was left in.", {"line": line, "n": times}
            )


def _junk(line: str) -> Message | None:
    if not line or len(line) > LONGEST:
        return None
    if _END_MARK.match(line):
        return END_MARK
    if _PAGE.match(line):
        return PAGE_NUMBER
    if _PICTURE.match(line):
        return PICTURE
    return ADVERT if any(advert.match(line) for advert in _ADVERTS) else None


def _page_numbers(lines: Sequence[str]) -> frozenset[int]:
    """Bare numbers that count up through the whole file and part sentences: chapters and sections do not."""
    spoken = [(at, line.strip()) for at, line in enumerate(lines) if line.strip()]
    bare = [index for index, (_, line) in enumerate(spoken) if _BARE_NUMBER.match(line)]
    numbers = [int(spoken[index][1]) for index in bare]
    if len(bare) < _FEWEST_PAGES or any(after <= before for before, after in pairwise(numbers)):
        return frozenset()
    parted = sum(index > 0 and not spoken[index - 1][1].endswith(_SENTENCE_ENDS) for index in bare)
    steps = sum(after == before + 1 for before, after in pairwise(numbers))
    if 5 * parted < len(bare) or 5 * steps < 4 * (len(bare) - 1):
        return frozenset()
    return frozenset(spoken[index][0] for index in bare)
