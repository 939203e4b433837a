"""(X)HTML into paragraphs and headings: what a reader would say, without ruby and footnote marks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from farm.errors import BadManuscript
from farm.manuscript.blocks import BREAK, Account, Block, join_cells, join_titles, paragraphs
from farm.manuscript.markup import local, text_of
from farm.manuscript.parts import visible
from farm.messages import Message

RUBY = Message("Ruby (readings printed beside the characters)")
NOTE_MARKS = Message("Footnote marks")
PAGE_NUMBERS = Message("Page numbers of the printed book")
CONTENTS = Message("The table of contents")
HIDDEN = Message("Text that the book hides")
SUBSTITUTES = Message("Text shown only where a picture or sound cannot be")

_LINE = "\u2028"
_EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "td",
        "th",
        "tr",
        "ul",
    }
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_UNSEEN = ("{*}head", "{*}script", "{*}style", "{*}template", "head", "script", "style", "template")
_MEDIA = frozenset(
    {"audio", "video", "object", "iframe", "canvas", "svg", "noscript", "annotation", "annotation-xml"}
)
_NOTES = frozenset({"footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes"})
_NOTE_CLASSES = _NOTES | {"duokan-footnote-item", "duokan-footnote-content"}
_MARKS = frozenset({"noteref", "backlink", "footnote-ref", "footnoteref", "fnanchor", "duokan-footnote"})
_PAGES = frozenset({"pagebreak", "pagenum", "pageno", "page-number"})
_TOC_NAVS = frozenset({"toc", "landmarks", "page-list", "lot", "loi"})
_NOTE_MARK = re.compile(
    r"[\[(（〔［【]?(?:注|註|原注|译注)?"
    r"(?:\d{1,4}|[a-z]|[ivxlc]{1,5}|[*†‡§¶※]{1,4}|[①-⑳㉑-㉟㊱-㊿]|注|註)[\])）〕］】]?"
)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_FEW_LINKS = 5
_MARK_LENGTH = 12


@dataclass(frozen=True)
class Page:
    """What one file says; `anchors` tell before which block an id stands."""

    blocks: tuple[Block, ...]
    notes: tuple[Block, ...]
    anchors: Mapping[str, int]
    characters: int


def read_page(root: etree._Element, account: Account, name: str) -> Page:
    """Read a parsed file called `name`; BadManuscript when it is nested too deeply."""
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    walk = _Walk(account)
    try:
        walk.element(root, frozenset())
    except RecursionError as e:
        raise BadManuscript(
            "A chapter of {name} is nested too deeply. Save it again with Calibre or Sigil.", name=name
        ) from e
    walk.flush(frozenset())
    blocks = tuple(walk.blocks)
    if _is_list_of_links(root):
        blocks = tuple(replace(block, types=block.types | {"toc"}) for block in blocks)
    return Page(blocks, tuple(walk.notes), walk.anchors, visible(text_of(root)))


@dataclass
class _Walk:
    """Gathers text until a block ends; `in_line` while in a heading or a cell."""

    account: Account
    in_line: bool = False
    in_note: bool = False
    blocks: list[Block] = field(default_factory=list)
    notes: list[Block] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def element(self, element: etree._Element, types: frozenset[str]) -> None:
        tag, own = local(element), types_of(element)
        is_block = tag in _BLOCKS or tag in _HEADINGS or tag == "hr"
        is_note = not self.in_note and _is_note(element, tag, own)
        if is_block and not is_note:
            self.flush(types)
        self._anchor(element, tag)
        if reason := _reason_to_drop(element, tag, own):
            self.account.drop(reason, text_of(element))
        elif is_note:
            self.notes += self._inner(element, types | own, in_note=True).blocks
        else:
            self._keep(element, tag, types | own)
            if is_block:
                self.flush(types | own)

    def _keep(self, element: etree._Element, tag: str, types: frozenset[str]) -> None:
        if tag in _HEADINGS:
            lines = (block.text for block in self._inner(element, types, in_line=True).blocks)
            if title := join_titles(lines, self.account):
                self.blocks.append(Block(title, int(tag[1]), types))
        elif tag == "tr" and _is_row(element):
            self._row(element, types)
        elif tag == "hr" and not self.in_line:
            self.blocks.append(replace(BREAK, types=types))
        elif tag == "br":
            self.texts.append(_LINE)
        elif tag == "img":
            self._picture(element)
        else:
            self._inside(element, types)

    def _inside(self, element: etree._Element, types: frozenset[str]) -> None:
        self.texts.append(element.text or "")
        for child in element:
            self.element(child, types)
            self.texts.append(child.tail or "")

    def _inner(
        self, element: etree._Element, types: frozenset[str], *, in_line: bool = False, in_note: bool = False
    ) -> "_Walk":
        """Read the element's inside apart; its notes and ids are also ours."""
        inner = _Walk(self.account, in_line, in_note or self.in_note)
        inner._inside(element, types)
        inner.flush(types)
        self.notes += inner.notes
        for name in inner.anchors:
            self.anchors.setdefault(name, len(self.blocks))
        return inner

    def _row(self, row: etree._Element, types: frozenset[str]) -> None:
        inner = [self._inner(cell, types, in_line=True) for cell in row]
        cells = (" ".join(block.text for block in cell.blocks) for cell in inner)
        if text := join_cells(filter(None, cells), self.account):
            self.blocks.append(Block(text, 0, types))

    def _picture(self, picture: etree._Element) -> None:
        """A letter drawn as a picture (an initial, a rare character) is read; what a picture shows is not."""
        alt = (picture.get("alt") or "").strip()
        beside = (*self.texts[-2:], picture.tail or "")
        if len(alt) in (1, 2) and alt.isalpha() and any(text.strip() for text in beside):
            self.texts.append(self.account.add(alt))

    def _anchor(self, element: etree._Element, tag: str) -> None:
        for name in (element.get("id"), element.get("name") if tag == "a" else None):
            if name:
                self.anchors.setdefault(name, len(self.blocks))

    def flush(self, types: frozenset[str]) -> None:
        raw = "".join(self.texts)
        self.texts.clear()
        if raw and not raw.isspace():
            lines = paragraphs(raw.split(_LINE), self.account, apart=self.in_line)
            self.blocks.extend(Block(text, 0, types) for text in lines)


def types_of(element: etree._Element) -> frozenset[str]:
    """The element's epub:type and ARIA role (without doc-), in small letters."""
    types = element.get(_EPUB_TYPE) or element.get("epub:type") or ""
    roles = (element.get("role") or "").lower().split()
    return frozenset(types.lower().split()) | {role.removeprefix("doc-") for role in roles}


def _classes(element: etree._Element) -> frozenset[str]:
    return frozenset((element.get("class") or "").lower().split())


def _reason_to_drop(element: etree._Element, tag: str, types: frozenset[str]) -> Message | None:
    if tag in ("rt", "rp", "rtc"):
        return RUBY
    if (types | _classes(element)) & _PAGES:
        return PAGE_NUMBERS
    if tag in ("a", "sup", "span") and _is_note_mark(element, tag, types):
        return NOTE_MARKS
    if tag == "nav" and types & _TOC_NAVS:
        return CONTENTS
    if tag in _MEDIA:
        return SUBSTITUTES
    if element.get("hidden") is not None or _HIDDEN_STYLE.search(element.get("style") or ""):
        return HIDDEN
    return None


def _is_note(element: etree._Element, tag: str, types: frozenset[str]) -> bool:
    return bool(types & _NOTES) or (tag in _BLOCKS and bool(_classes(element) & _NOTE_CLASSES))


def _is_note_mark(element: etree._Element, tag: str, types: frozenset[str]) -> bool:
    called_so = bool((types | _classes(element)) & _MARKS)
    if tag == "span" and not called_so:
        return False
    text = text_of(element).strip()
    if called_so or not _NOTE_MARK.fullmatch(text):
        return called_so and len(text) <= _MARK_LENGTH
    if tag == "a":
        raised = any(local(child) == "sup" for child in element)
        return _leads_inside(element) and (raised or not text.isalnum() or not text.isascii())
    return tag == "sup" and any(_leads_inside(child) for child in element)


def _leads_inside(element: etree._Element) -> bool:
    href = element.get("href") or ""
    return local(element) == "a" and "#" in href and ":" not in href


def _is_row(row: etree._Element) -> bool:
    """Whether the row is a line of a table, and not a page laid out with one."""
    cells = all(local(cell) in ("td", "th") for cell in row)
    loose = (row.text or "") + "".join(cell.tail or "" for cell in row)
    return cells and not loose.strip() and all(_blocks_inside(cell) <= 1 for cell in row)


def _blocks_inside(cell: etree._Element) -> int:
    return sum(local(inner) in _BLOCKS or local(inner) in _HEADINGS for inner in cell.iterdescendants())


def _is_list_of_links(body: etree._Element) -> bool:
    links = [element for element in body.iter() if local(element) == "a" and element.get("href")]
    linked = sum(visible(text_of(link)) for link in links)
    return len(links) >= _FEW_LINKS and linked > 0.8 * visible(text_of(body))
