"""Front and back matter: which parts of a book are no chapters, and which of these are not read aloud."""

import re
from collections.abc import Sequence

from farm.manuscript.blocks import Block
from farm.manuscript.heading_rules import special
from farm.manuscript.parts import ChapterKind

# EPUB 3 Structural Semantics Vocabulary, https://www.w3.org/TR/epub-ssv-11/
_BODY = {"bodymatter", "chapter", "part", "volume", "division"}
_FRONT = {"preface", "foreword", "introduction", "epigraph", "dedication", "preamble"}
_BACK = {"afterword", "appendix", "glossary"}
_SILENT_FRONT = {"cover", "titlepage", "halftitlepage", "copyright-page", "toc", "loi", "lot", "loa", "lov"}
_SILENT_BACK = {
    "index",
    "bibliography",
    "endnotes",
    "footnotes",
    "rearnotes",
    "credits",
    "errata",
    "colophon",
}
_SILENT = _SILENT_FRONT | _SILENT_BACK

_SILENT_FRONT_TITLE = re.compile(
    r"(front )?cover|(half[- ]?)?title[- ]?page|copyright .*|imprint|(brief|detailed) contents"
    r"|list of (figures|illustrations|tables|plates|maps)|also by .*"
    r"|封面|扉页|扉頁|书名页|版权(信息|声明)?|版權(頁|聲明)?|总目录|總目錄|表紙|扉|표지|판권",
    re.IGNORECASE,
)
_SILENT_BACK_TITLE = re.compile(
    r"notes|works cited|references|colophon|.*project gutenberg.*licen[cs]e.*"
    r"|索引|参考书目|參考書目|注解|注|尾注|脚注|腳註|奥付|찾아보기|참고 ?문헌|주석",
    re.IGNORECASE,
)


def matter_of(title: str, blocks: Sequence[Block]) -> tuple[ChapterKind, bool]:
    """The kind, and whether it is read aloud: by the semantics that enclose all of it, else by its title."""
    if blocks and all(block.types & _SILENT for block in blocks):
        return _place(blocks), False
    common = frozenset.intersection(*(block.types for block in blocks)) if blocks else frozenset()
    if common & _BODY:
        return ChapterKind.CHAPTER, True
    if common & (_FRONT | _BACK):
        return ChapterKind.FRONT if common & _FRONT else ChapterKind.BACK, True
    if by_title := _by_title(title.strip(" .:·*")):
        return by_title
    if "frontmatter" in common:
        return ChapterKind.FRONT, True
    return ChapterKind.BACK if "backmatter" in common else ChapterKind.CHAPTER, True


def _by_title(title: str) -> tuple[ChapterKind, bool] | None:
    if head := special(title):
        return head.kind, head.included
    if _SILENT_FRONT_TITLE.fullmatch(title):
        return ChapterKind.FRONT, False
    return (ChapterKind.BACK, False) if _SILENT_BACK_TITLE.fullmatch(title) else None


def _place(blocks: Sequence[Block]) -> ChapterKind:
    types = frozenset[str]().union(*(block.types for block in blocks))
    back = "backmatter" in types or (types & _SILENT_BACK and "frontmatter" not in types)
    return ChapterKind.BACK if back else ChapterKind.FRONT
