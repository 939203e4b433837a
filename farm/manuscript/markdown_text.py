"""Markdown into paragraphs and headings: what a reader would say, without marks, code and pictures."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from farm.errors import BadManuscript
from farm.manuscript.blocks import BREAK, Account, Block, join_cells
from farm.manuscript.wrapping import join_lines
from farm.messages import Message

CODE = Message("Blocks of code")
PICTURES = Message("Descriptions of pictures")
HTML = Message("HTML tags and comments")
LINK_DEFINITIONS = Message("Definitions of links")
FOOTNOTES = Message("Footnotes")

_DEEPEST = 100
_MOST_BRACKETS = 200
_TAG = re.compile(r"<[^<>]*>")
_SILENT = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_FOOTNOTE = re.compile(
    r"^ {0,3}\[\^[^\]\s]+\]:.*(?:\n(?:[ \t]+\S.*|[ \t]*(?=\n[ \t]{2,}\S)))*\n?", re.MULTILINE
)
_FOOTNOTE_MARK = re.compile(r"\[\^[^\]\s]+\]")
_PIPE = re.compile(r"(?<!\\)\|")
_EAST_ASIAN_SENTENCE = re.compile(r"[。！？…][”’」』）]*$")


def read_blocks(text: str, name: str, account: Account) -> tuple[list[Block], str]:
    """The blocks of a Markdown document, and a sample of the marks that went.

    Headings keep their level. What is dropped with words in it is named in `account`, mere marks are not.
    Raises BadManuscript for quotes and lists nested a hundred deep, which the parser would skip.
    """
    text = _without_footnotes(text, account)
    # No indented code: in a novel an indented line is a paragraph.
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    parser.disable("code")
    if any(paragraph.count("[") > _MOST_BRACKETS for paragraph in text.split("\n\n")):
        parser.disable(["link", "image"])  # whose time grows with the square of their number
    tokens = parser.parse(text)
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        raise BadManuscript(
            "{name} nests quotes or lists more than {n} deep. Flatten them.", name=name, n=_DEEPEST - 2
        )
    lines = text.split("\n")
    _drop_definitions(tokens, lines, account)
    marks = " ".join(dict.fromkeys(token.markup for token in tokens if token.markup))
    return list(_Reader(lines, account).read(tokens)), marks


def _without_footnotes(text: str, account: Account) -> str:
    for pattern in (_FOOTNOTE, _FOOTNOTE_MARK):
        for note in pattern.finditer(text):
            account.drop(FOOTNOTES, note[0])
        text = pattern.sub("", text)
    return text


def _drop_definitions(tokens: Sequence[Token], lines: Sequence[str], account: Account) -> None:
    """[1]: https://… leaves no token: it stands on lines that no block covers."""
    covered = {line for token in tokens if token.map and not token.level for line in range(*token.map)}
    for at, line in enumerate(lines):
        if at not in covered:
            account.drop(LINK_DEFINITIONS, line)


class _Reader:
    """Walks the parser's tokens; `lines` are those of the source."""

    def __init__(self, lines: Sequence[str], account: Account) -> None:
        self._lines = lines
        self._account = account
        self._level = 0
        self._number = ""
        self._row = 0
        self._cells: list[str] | None = None

    def read(self, tokens: Sequence[Token]) -> Iterator[Block]:
        for token in tokens:
            if token.type == "inline":
                yield from self._inline(token)
            elif token.nesting:
                yield from self._enter_or_leave(token)
            else:
                yield from self._leaf(token)

    def _enter_or_leave(self, token: Token) -> Iterator[Block]:
        if token.type == "heading_open":
            self._level = int(token.tag[1])
        elif token.type == "heading_close":
            self._level = 0
        elif token.type == "list_item_open":
            self._number = f"{token.info}{token.markup} " if token.info else ""
        elif token.type == "tr_open":
            self._cells, self._row = [], (token.map or [0])[0]
        elif token.type == "tr_close" and self._cells is not None:
            cells = [cell for cell in (*self._cells, *self._excess()) if cell]
            yield Block(join_cells(cells, self._account))
            self._cells = None

    def _inline(self, token: Token) -> Iterator[Block]:
        said = _said(token.children or (), self._account)
        if self._cells is not None:
            self._cells.append(" ".join(said))
        elif self._level:
            yield Block(" ".join(said), self._level)
        else:
            for line in said:
                yield Block(f"{self._number}{line}")
                self._number = ""

    def _leaf(self, token: Token) -> Iterator[Block]:
        if token.type == "hr":
            yield BREAK
        elif token.type == "html_block":
            yield from map(Block, _without_tags(token.content, self._account))
        elif token.type == "fence":
            if self._is_closed(token):
                self._account.drop(CODE, token.content)
            else:  # one stray fence would swallow the rest of the book
                yield from (Block(line.strip()) for line in token.content.splitlines() if line.strip())

    def _is_closed(self, fence: Token) -> bool:
        first, after = fence.map or (0, 0)
        return after - first > 1 and self._lines[after - 1].strip(" \t>").startswith(fence.markup)

    def _excess(self) -> list[str]:
        """The cells of a row beyond its table's columns, which the parser leaves out."""
        cells = [cell.strip() for cell in _PIPE.split(self._lines[self._row].strip().strip("|"))]
        return cells[len(self._cells or ()) :]


def _said(tokens: Sequence[Token], account: Account) -> list[str]:
    """The lines that a paragraph says; a line end after a Chinese sentence ends a paragraph."""
    lines = [""]
    for token in tokens:
        if token.type == "hardbreak" or (token.type == "html_inline" and _BREAK_TAG.fullmatch(token.content)):
            lines.append("")
        elif token.type == "softbreak":
            lines.append("\n" if not _EAST_ASIAN_SENTENCE.search(lines[-1]) else "")
        elif token.type == "image":
            account.drop(PICTURES, token.content)
        elif token.type == "html_inline":
            account.drop(HTML, token.content)
        else:
            lines[-1] += token.content
    return _joined(lines)


def _joined(lines: Sequence[str]) -> list[str]:
    """Lines that begin with a line end go on the line before."""
    groups: list[list[str]] = []
    for line in lines:
        if line.startswith("\n") and groups:
            groups[-1].append(line.strip())
        else:
            groups.append([line.strip()])
    paragraphs = (" ".join(join_lines([part for part in group if part] or [""]).split()) for group in groups)
    return [paragraph for paragraph in paragraphs if paragraph]


def _without_tags(html: str, account: Account) -> list[str]:
    for opening, closing in _SILENT:
        html = _without_spans(html, opening, closing, account)
    for tag in _TAG.findall(html):
        account.drop(HTML, tag)
    return [line.strip() for line in _TAG.sub("\n", html).splitlines() if line.strip()]


def _without_spans(html: str, opening: str, closing: str, account: Account) -> str:
    """Drop from each `opening` to its `closing`; one that is never closed stays, with all that follows."""
    kept, at, lower = [], 0, html.lower() if html.isascii() else html
    while (start := lower.find(opening, at)) >= 0 and (end := lower.find(closing, start)) >= 0:
        account.drop(HTML, html[start : end + len(closing)])
        kept.append(html[at:start])
        at = end + len(closing)
    return "\n".join([*kept, html[at:]])
