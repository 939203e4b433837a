"""Plain paragraphs into chapters: headings found, printed contents dropped, volumes named, nothing lost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from farm.errors import BadManuscript
from farm.manuscript.blocks import Account, join_titles
from farm.manuscript.contents import printed_contents
from farm.manuscript.find_heads import Heads, find_heads, names_below
from farm.manuscript.heading_rules import Head, Level, parse
from farm.manuscript.parts import Chapter, ChapterKind, visible
from farm.messages import Message

MOST_CHAPTERS = 10_000
SHORTEST_FRONT = 200
"""Characters; less than this before the first heading is left unticked."""

PRINTED_CONTENTS = Message("The printed table of contents")
VOLUME_HEADINGS = Message("Headings of volumes, which became the volume of the chapters below them")
HEADING_MARKS = Message("Marks and words around headings")
DOUBLED_HEADINGS = Message("Headings printed twice")

_FRONT = {"zh": "前言", "ja": "前書き", "ko": "머리말"}


@dataclass(frozen=True)
class Split:
    chapters: tuple[Chapter, ...]
    oddities: tuple[Message, ...] = ()


@dataclass
class _Section:
    """A heading and the paragraphs below it."""

    head: Head
    lines: list[str] = field(default_factory=list)


def split_chapters(paragraphs: Sequence[str], account: Account, *, title: str, language: str) -> Split:
    """Cut `paragraphs` (stripped, none empty) at their headings; without any, all is one chapter.

    What is dropped or added goes into `account`. Text before the first heading is kept as a FRONT chapter.
    Raises BadManuscript for more than MOST_CHAPTERS headings.
    """
    heads = find_heads(paragraphs)
    if len(heads) > MOST_CHAPTERS:
        raise BadManuscript(
            "{title} has {n} lines that look like chapter headings; {most} is the most. Split the file.",
            title=title,
            n=len(heads),
            most=MOST_CHAPTERS,
        )
    paragraphs, heads = _without_contents(paragraphs, heads, account)
    if not heads:
        whole = Chapter(account.add(title), "\n".join(paragraphs))
        return Split((whole,), (Message("No chapter headings were found: the whole text is one chapter."),))
    first = min(heads)
    front = _front(paragraphs[:first], account, language)
    sections = _without_doubles(_sections(paragraphs, heads, account), account)
    return Split(
        (*front.chapters, *_chapters(sections, account)),
        front.oddities,
    )


def front_title(language: str) -> str:
    """What the text before the first heading is called."""
    return _FRONT.get(language, "Front matter")


def _without_contents(
    paragraphs: Sequence[str], heads: Heads, account: Account
) -> tuple[Sequence[str], Heads]:
    dropped = printed_contents(paragraphs, heads)
    if not dropped:
        return paragraphs, heads
    for at in sorted(dropped):
        account.drop(PRINTED_CONTENTS, paragraphs[at])
    kept = [at for at in range(len(paragraphs)) if at not in dropped]
    return [paragraphs[at] for at in kept], {new: heads[old] for new, old in enumerate(kept) if old in heads}


def _front(lines: Sequence[str], account: Account, language: str) -> Split:
    if not lines:
        return Split(())
    text = "\n".join(lines)
    title = account.add(front_title(language))
    oddity = Message(
        "The {n} characters before the first heading are kept as “{title}”.",
        {"n": visible(text), "title": title},
    )
    included = visible(text) >= SHORTEST_FRONT
    return Split((Chapter(title, text, kind=ChapterKind.FRONT, included=included),), (oddity,))


def _sections(paragraphs: Sequence[str], heads: Heads, account: Account) -> Iterator[_Section]:
    names = names_below(paragraphs, heads)
    section: _Section | None = None
    for at in range(min(heads), len(paragraphs)):
        if at in heads and at not in names:
            if section:
                yield section
            section = _Section(_titled(heads[at], paragraphs[at : at + 1 + (at + 1 in names)], account))
        elif section and at not in names:
            section.lines.append(paragraphs[at])
    if section:
        yield section


def _titled(head: Head, lines: Sequence[str], account: Account) -> Head:
    """The heading with its full title; what stands around it on its line is dropped by name."""
    account.drop(VOLUME_HEADINGS, head.volume)
    account.drop(HEADING_MARKS, _without(_without(lines[0], head.title), head.volume))
    return replace(head, title=" ".join(join_titles((head.title, *lines[1:]), account).split()))


def _without(line: str, part: str) -> str:
    """`line` less the characters of `part`, which it contains in order, taken from the end."""
    left, wanted = [], [character for character in part if not character.isspace()]
    for character in reversed(line):
        if wanted and character == wanted[-1]:
            wanted.pop()
        else:
            left.append(character)
    return "".join(reversed(left))


def _without_doubles(sections: Iterable[_Section], account: Account) -> Iterator[_Section]:
    """Files put together from web pages have every heading twice, one right below the other."""
    before: _Section | None = None
    for section in sections:
        if before and not before.lines and _same(before.head, section.head):
            longer, shorter = sorted((before.head, section.head), key=lambda head: -len(head.title))
            account.drop(DOUBLED_HEADINGS, shorter.title)
            section.head = longer
        elif before:
            yield before
        before = section
    if before:
        yield before


def _same(one: Head, other: Head) -> bool:
    a, b = ("".join(head.title.split()).lower() for head in (one, other))
    return one.level is other.level and one.series == other.series and (a in b or b in a)


def _chapters(sections: Iterable[_Section], account: Account) -> Iterator[Chapter]:
    volumes: list[str] = []
    for section in sections:
        head, is_volume = section.head, section.head.level is Level.VOLUME
        if is_volume or head.volume:
            volumes = _entered(volumes, head.title if is_volume else head.volume)
        if is_volume and not section.lines:
            account.drop(VOLUME_HEADINGS, head.title)
            continue
        text = "\n".join(section.lines)
        volume = " · ".join(volumes)
        yield Chapter(head.title, text, volume, head.kind, included=head.included and bool(text))


def _entered(volumes: Sequence[str], volume: str) -> list[str]:
    """Volumes may lie in volumes: after BOOK ONE, PART I a PART II is still in BOOK ONE."""
    outer = [_unit(title) for title in volumes]
    inside = volumes[: outer.index(_unit(volume))] if _unit(volume) in outer else volumes
    return [*inside, volume]


def _unit(volume: str) -> str:
    head = parse(volume)
    return head.series if head else ""
