"""Paragraphs and headings as they come out of a laid-out file, and the account of what did not come out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from farm.manuscript.parts import Removed, visible
from farm.messages import Message

SCENE_BREAK = "* * *"
SAMPLE = 80

_EAST = "\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_LINE_END_IN_EAST_ASIAN = re.compile(rf"(?<=[{_EAST}])[ \t]*[\r\n]\s*(?=[{_EAST}])")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]+")
_ENDS_LIKE_A_SENTENCE = re.compile(r"[.,:;!?…—。．，、：；！？·\-][\s”’\"'」』）)\]】》]*$")
_ENDS_A_SENTENCE = re.compile(r"[.!?…。！？][\s”’\"'」』）)\]]*$")
_EAST_ASIAN_END = re.compile(rf"[{_EAST}]\W*$")


@dataclass(frozen=True)
class Block:
    """One paragraph (level 0), heading (level 1 to 9) or drawn scene break (BREAK), white space folded.

    `types` are the EPUB structural semantics that enclose it, such as {"frontmatter", "copyright-page"}.
    """

    text: str
    level: int = 0
    types: frozenset[str] = frozenset()


BREAK = Block("", -1)


@dataclass
class Account:
    """What was left out of the source, by reason, and how many characters were put in."""

    added: int = 0
    _dropped: dict[str, tuple[Message, int, str]] = field(default_factory=dict)

    def add(self, text: str) -> str:
        self.added += visible(text)
        return text

    def drop(self, reason: Message, text: str) -> None:
        self.carry(Removed(reason, visible(text), " ".join(text[: 4 * SAMPLE].split())))

    def carry(self, part: Removed) -> None:
        """Add what another account lists as removed."""
        if not part.characters:
            return
        _, before, sample = self._dropped.get(str(part.reason), (part.reason, 0, ""))
        sample = f"{sample} {part.sample}".strip()[:SAMPLE]
        self._dropped[str(part.reason)] = (part.reason, before + part.characters, sample)

    def merge(self, other: "Account") -> None:
        self.added += other.added
        for part in other.removed:
            self.carry(part)

    @property
    def removed(self) -> tuple[Removed, ...]:
        return tuple(
            Removed(reason, characters, sample) for reason, characters, sample in self._dropped.values()
        )


INVISIBLE = Message("Characters nobody sees (soft hyphens, zero-width spaces)")


def fold(raw: str, account: Account) -> str:
    """Fold white space as a browser would: a line end between two East Asian characters is none."""
    if hidden := _INVISIBLE.findall(raw):
        account.drop(INVISIBLE, "".join(hidden))
        raw = _INVISIBLE.sub("", raw)
    return " ".join(_LINE_END_IN_EAST_ASIAN.sub("", raw).split())


def paragraphs(lines: Iterable[str], account: Account, *, apart: bool = False) -> Iterator[str]:
    """Lines that end a sentence, are indented or set apart are paragraphs; verse goes on after a space.

    `lines` are what stands between forced line ends; with `apart` each is a paragraph.
    """
    paragraph = ""
    for raw in lines:
        line = fold(raw, account)
        begins = apart or not line or raw.lstrip("\r\n\t ").startswith("\u3000")
        if paragraph and (begins or _ENDS_A_SENTENCE.search(paragraph)):
            yield paragraph
            paragraph = ""
        paragraph = f"{paragraph} {line}".strip()
    if paragraph:
        yield paragraph


def join_titles(parts: Iterable[str], account: Account) -> str:
    """CHAPTER 1 and Loomings make "CHAPTER 1. Loomings"; 第一回 and 甄士隐 need a space only."""
    title = ""
    for part in parts:
        if not part:
            continue
        if title and not _ENDS_LIKE_A_SENTENCE.search(title) and not _EAST_ASIAN_END.search(title):
            title += account.add(".")
        title = f"{title} {part}" if title else part
    return title


def join_cells(cells: Iterable[str], account: Account) -> str:
    """Read a table's row as a list: a comma after each cell that has no mark of its own."""
    row = ""
    for cell in cells:
        if row and not _ENDS_LIKE_A_SENTENCE.search(row):
            row += account.add("，" if _EAST_ASIAN_END.search(row) else ",")
        row = f"{row} {cell}" if row else cell
    return row
