"""WordprocessingML (ECMA-376) into paragraphs and headings: what is printed, without deletions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from farm.manuscript.blocks import Account, Block, join_cells, paragraphs
from farm.messages import Message

CONTENTS = Message("The table of contents")
DELETED = Message("Text deleted in tracked changes")
HIDDEN = Message("Text that the document hides")
RUBY = Message("Ruby (readings printed beside the characters)")

TITLE_LEVEL = 1
"""Of a paragraph in the style Title; Heading 1 is level 2 and so on."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TEXTS = {f"{_W}t", _MATH_TEXT, f"{_W}delText"}
_HYPHEN = f"{_W}noBreakHyphen"
_SPACES = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\u2028", f"{_W}cr": "\u2028"}
_GONE = {f"{_W}del", f"{_W}moveFrom"}
_PROPERTIES = {f"{_W}pPr", f"{_W}rPr", f"{_W}sectPr", f"{_W}tblPr", f"{_W}sdtPr", f"{_W}tcPr", f"{_W}trPr"}
_HEADING = re.compile(r"(?:heading|标题|標題|見出し|제목) ?([1-9])", re.IGNORECASE)
_TITLE = re.compile(r"title|标题|標題|表題|제목", re.IGNORECASE)
_TOC = re.compile(r"(?:toc|contents|目录|目錄|目次|목차) ?(?:[1-9]|heading|标题)", re.IGNORECASE)
_MOST_BASES = 20
_BODY_TEXT = 9
"""The outline level that Word calls body text."""


@dataclass(frozen=True)
class Style:
    name: str
    base: str
    outline: int | None
    bold: bool


@dataclass
class DocxText:
    """Reads a document's body; `blocks` are what it says, `bold` the indices of those wholly in bold type."""

    styles: Mapping[str, Style]
    account: Account
    blocks: list[Block] = field(default_factory=list)
    bold: set[int] = field(default_factory=set)

    def read(self, parent: etree._Element) -> None:
        """Read the paragraphs, tables and containers below `parent`."""
        for child in parent:
            if child.tag in _GONE:
                self.account.drop(DELETED, text_of(child))
            elif child.tag == f"{_W}p":
                self._paragraph(child)
            elif child.tag == f"{_W}tr":
                self._row(child)
            elif child.tag == f"{_W}sdt" and _is_contents(child):
                self.account.drop(CONTENTS, text_of(child))
            elif child.tag not in _PROPERTIES:
                self.read(child)

    def _paragraph(self, paragraph: etree._Element) -> None:
        style = self._style(paragraph)
        if any(_TOC.fullmatch(base.name) for base in style):
            self.account.drop(CONTENTS, text_of(paragraph))
            return
        boxes: list[etree._Element] = []
        raw = "".join(self._words(paragraph, boxes))
        level = self._level(paragraph, style)
        lines = list(paragraphs(raw.split("\u2028"), self.account))
        if level:
            lines = [" ".join(lines)] if lines else []
        elif lines and self._is_bold(paragraph, style):
            self.bold.add(len(self.blocks))
        self.blocks += [Block(line, level) for line in lines]
        for box in boxes:
            self.read(box)

    def _words(self, parent: etree._Element, boxes: list[etree._Element]) -> Iterator[str]:
        """The text of runs in order; text boxes are gathered, to be read after their paragraph."""
        for child in parent:
            if child.tag in _TEXTS:
                yield child.text or ""
            elif child.tag == _HYPHEN:
                yield "-"
            elif child.tag in _SPACES:
                yield _SPACES[child.tag]
            elif child.tag == f"{_W}txbxContent":
                boxes.append(child)
            elif reason := _reason_to_drop(child):
                self.account.drop(reason, text_of(child))
            elif child.tag not in _PROPERTIES:
                yield from self._words(child, boxes)

    def _row(self, row: etree._Element) -> None:
        """A row is read as one list, unless a cell holds several paragraphs: then the table is a layout."""
        if row.find(f".//{_W}tbl") is not None:
            self.read(row)
            return
        cells = [DocxText(self.styles, self.account) for _ in row.iter(f"{_W}tc")]
        for cell, element in zip(cells, row.iter(f"{_W}tc"), strict=True):
            cell.read(element)
        blocks = [block for cell in cells for block in cell.blocks]
        if all(len(cell.blocks) <= 1 for cell in cells) and blocks:
            blocks = [Block(join_cells((block.text for block in blocks), self.account))]
        self.blocks += blocks

    def _style(self, paragraph: etree._Element) -> list[Style]:
        """The paragraph's style and those it is based on, nearest first."""
        key = value(paragraph, "pPr", "pStyle") or ""
        chain: list[Style] = []
        while key in self.styles and len(chain) < _MOST_BASES:
            chain.append(self.styles[key])
            key = chain[-1].base
        return chain

    def _level(self, paragraph: etree._Element, chain: list[Style]) -> int:
        """1 for the book's title, 2 for Heading 1 and so on, 0 for text; the paragraph's own mark wins."""
        own = _number(value(paragraph, "pPr", "outlineLvl"))
        if own is not None:
            return _level_of_outline(own)
        for style in chain:
            if _TITLE.fullmatch(style.name):
                return TITLE_LEVEL
            if named := _HEADING.fullmatch(style.name):
                return TITLE_LEVEL + int(named[1])
            if style.outline is not None:
                return _level_of_outline(style.outline)
        return 0

    def _is_bold(self, paragraph: etree._Element, chain: list[Style]) -> bool:
        """Whether all words of the paragraph are in bold type, by their own marks or by its style."""
        by_style = any(style.bold for style in chain)
        runs = [run for run in paragraph.iter(f"{_W}r") if text_of(run).strip()]
        return bool(runs) and all(_is_on(run.find(f"{_W}rPr/{_W}b"), by_style) for run in runs)


def read_styles(root: etree._Element | None) -> dict[str, Style]:
    """The styles of styles.xml by their ids."""
    if root is None:
        return {}
    return {
        style.get(f"{_W}styleId", ""): Style(
            name=value(style, "name") or "",
            base=value(style, "basedOn") or "",
            outline=_number(value(style, "pPr", "outlineLvl")),
            bold=_is_on(style.find(f"{_W}rPr/{_W}b"), False),
        )
        for style in root.iter(f"{_W}style")
    }


def without_doubles(body: etree._Element) -> etree._Element:
    """Text boxes stand in the file twice, once for old programs."""
    etree.strip_elements(body, _FALLBACK, with_tail=False)
    return body


def text_of(element: etree._Element) -> str:
    """All text below `element`, deleted text too."""
    parts = (part for part in element.iter() if part.tag in _TEXTS or part.tag == _HYPHEN)
    return "".join("-" if part.tag == _HYPHEN else part.text or "" for part in parts)


def value(element: etree._Element, *path: str) -> str | None:
    """The w:val of the child at `path`."""
    child = element.find("/".join(f"{_W}{step}" for step in path))
    return None if child is None else child.get(f"{_W}val")


def _number(written: str | None) -> int | None:
    return int(written) if written and written.isdecimal() else None


def _level_of_outline(outline: int) -> int:
    return TITLE_LEVEL + outline + 1 if outline < _BODY_TEXT else 0


def _is_on(switch: etree._Element | None, inherited: bool) -> bool:
    if switch is None:
        return inherited
    return switch.get(f"{_W}val", "true").lower() not in ("0", "false", "off", "none")


def _is_contents(container: etree._Element) -> bool:
    return value(container, "sdtPr", "docPartObj", "docPartGallery") == "Table of Contents"


def _reason_to_drop(element: etree._Element) -> Message | None:
    if element.tag in _GONE:
        return DELETED
    if element.tag == f"{_W}rt":
        return RUBY
    hidden = element.tag == f"{_W}r" and _is_on(element.find(f"{_W}rPr/{_W}vanish"), False)
    return HIDDEN if hidden else None
