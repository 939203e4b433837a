"""The title and author of a text, from its file's name and its first lines."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from farm.manuscript.heading_rules import FALLBACKS, parse, run_on
from farm.messages import Message

OWN_TITLE = Message("The title and author at the beginning, which became the book's own")

_LONGEST = 200
_LONGEST_TITLE, _LONGEST_AUTHOR = 60, 40
_LOOKED_AT = 12
_IN_BRACKETS = re.compile(r"《(?P<title>[^》]+)》(?P<rest>.*)")
_AUTHOR = re.compile(r"(?:作者|著者|作家|저자|지은이)\s*[:：]?\s*(?P<author>[^\s《》()（）【】\[\]]{1,40})")
_BY = re.compile(r"^(?P<title>.+?)[\s_,\-–—]+by[\s_]+(?P<author>.+)$", re.IGNORECASE)
_ENDING = re.compile(r"\.(?:utf-?8|utf-?16|gbk?|gb18030|big5|txt|md|sjis|shift_jis)$", re.IGNORECASE)
_AUTHOR_LINE = re.compile(
    r"^(?:(?:作者|著者|原著|作家|Author|By|저자)\s*[:：]?\s+(?P<a>\S.{0,40})|(?:作者|著者|原著|Author)[:：]\s*(?P<b>\S.{0,40})"
    r"|[［\[【（(]?[^\s。，]{0,4}[］\]】）)]?\s*(?P<c>[^\s。，]{1,20})\s*[著撰作]$)",
    re.IGNORECASE,
)
_TITLE_LINE = re.compile(r"^(?:书名|書名|Title|题目|제목)\s*[:：]\s*(?P<title>\S.{0,100})$", re.IGNORECASE)
_SENTENCE = re.compile(r"[。！？；，,;!?…：:]|[.][\"”’]?$")


def from_filename(filename: str) -> tuple[str, str]:
    """(title, author or ""): 《书名》作者：某.txt, 书名 作者：某.txt, Title by Author.txt, Title.txt."""
    stem = PurePosixPath(filename.replace("\\", "/")).name
    stem = _ENDING.sub("", re.sub(r"\.[A-Za-z0-9]{1,8}$", "", stem)).strip()
    brackets, author = _IN_BRACKETS.search(stem), _AUTHOR.search(stem)
    if brackets:
        return brackets["title"].strip()[:_LONGEST], author["author"] if author else ""
    if author and stem[: author.start()].strip(" _-—·"):
        return stem[: author.start()].strip(" _-—·【[(（")[:_LONGEST], author["author"]
    by = _BY.match(stem)
    if by:
        return _words(by["title"]), _words(by["author"])
    return _words(stem), ""


def from_first_lines(paragraphs: Sequence[str]) -> tuple[str, str, int]:
    """(title, author, lines): what the lines before the first heading say, "" for what they do not.

    `lines` is how many there are if they say nothing else, so that they need not be read aloud; else 0.
    """
    first = next((at for at, line in enumerate(paragraphs[:_LOOKED_AT]) if _is_text(line)), None)
    before = list(paragraphs[: _LOOKED_AT if first is None else first])
    title = author = ""
    said = 0
    for line in before:
        if found := _TITLE_LINE.match(line):
            title = title or found["title"].strip("《》 ")
        elif found := _AUTHOR_LINE.match(line):
            author = author or next(filter(None, found.groups())).strip()
        elif not title and said == 0:
            title = line.strip("《》【】 ")
        elif not author and said == 1 and len(line) <= _LONGEST_AUTHOR:
            author = line
        else:
            break
        said += 1
    heads_next = first is not None and _is_heading(paragraphs[first])
    return title, author, said if heads_next and said == len(before) else 0


def _is_text(line: str) -> bool:
    """Whether a line is neither a title nor an author: a heading, a sentence, or long."""
    if _TITLE_LINE.match(line) or _AUTHOR_LINE.match(line):
        return False
    return len(line) > _LONGEST_TITLE or _is_heading(line) or bool(_SENTENCE.search(line))


def _is_heading(line: str) -> bool:
    """Whether a line can be a chapter's heading, in any of the forms."""
    return any(rule(line) for rule in (parse, run_on, *FALLBACKS))


def _words(name: str) -> str:
    return " ".join(name.replace("_", " ").split())[:_LONGEST]
