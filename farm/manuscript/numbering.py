"""What looks odd about chapters: numbers missing, doubled or out of order, sizes out of the ordinary."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from farm.manuscript.heading_rules import Head, listed, numeral, parse
from farm.manuscript.parts import Chapter, ChapterKind, visible
from farm.messages import Message

SHORT, LONG = 200, 30_000
"""Characters; a chapter outside may be a heading misread, or several chapters in one."""
_MOST = 10
_EMPTY = (
    Message("“{title}” has a heading but no text."),
    Message("{count} headings have no text; the first is “{title}”."),
)
_SHORT = (
    Message("“{title}” has only {n} characters."),
    Message("{count} chapters have fewer than {limit} characters; the first is “{title}”.", {"limit": SHORT}),
)
_LONG = (
    Message("“{title}” has {n} characters."),
    Message("{count} chapters have more than {limit} characters; the first is “{title}”.", {"limit": LONG}),
)


def chapter_oddities(chapters: Sequence[Chapter]) -> tuple[Message, ...]:
    """One sentence for each thing to look at before rendering; `chapters` in reading order.

    Numbers are read from the titles (第十六回, CHAPTER XVI); starting again at 1 in a new volume is not odd.
    """
    return (*_bounded(list(_numbering(chapters))), *_sizes(chapters))


def _bounded(messages: list[Message]) -> list[Message]:
    if len(messages) <= _MOST:
        return messages
    more = Message("The numbering has {n} more gaps or repetitions.", {"n": len(messages) - _MOST})
    return [*messages[:_MOST], more]


def _numbering(chapters: Iterable[Chapter]) -> Iterator[Message]:
    series: dict[str, list[tuple[Head, str]]] = {}
    for chapter in chapters:
        head = parse(chapter.title) or listed(chapter.title) or numeral(chapter.title)
        if head and head.number is not None:
            series.setdefault(head.series, []).append((head, chapter.volume))
    for name, heads in series.items():
        others = [head for other, found in series.items() if other != name for head, _ in found]
        yield from _series(heads, {head.number or 0 for head in others if head.level == heads[0][0].level})


def _series(heads: Sequence[tuple[Head, str]], elsewhere: set[int]) -> Iterator[Message]:
    """Cut where the numbering starts again, and look at each stretch by itself.

    Numbers `elsewhere` are not missing: a bilingual book counts 第一章, Chapter Two, 第三章.
    """

    def label(number: int) -> str:
        return heads[0][0].series.replace("#", str(number))

    stretch: list[int] = []
    for (head, volume), (_, volume_before) in zip(heads, [heads[0], *heads], strict=False):
        number = head.number or 0
        if stretch and number < stretch[-1] and (volume != volume_before or number <= 1):
            yield from _stretch(stretch, label, elsewhere)
            if volume == volume_before:
                values = {"label": head.label, "last": label(stretch[-1])}
                yield Message("The numbering starts again at {label} after {last}.", values)
            stretch = []
        stretch.append(number)
    if len(heads) > 1 and (heads[0][0].number or 0) > 1 and 1 not in elsewhere:
        yield Message("The numbering starts at {label}.", {"label": heads[0][0].label})
    yield from _stretch(stretch, label, elsewhere)


def _stretch(numbers: Sequence[int], label: Callable[[int], str], elsewhere: set[int]) -> Iterator[Message]:
    between = range(min(numbers, default=0), max(numbers, default=0))
    present = sorted({*numbers, *elsewhere.intersection(between)})
    gaps = {low + 1: high - 1 for low, high in pairwise(present) if high - low > 1}
    for number, times in sorted(Counter(numbers).items()):
        if times == 2 and gaps.get(number + 1) == number + 1:
            values: dict[str, object] = {"again": label(number), "missing": label(number + 1)}
            yield Message("{again} appears twice, {missing} is missing.", values)
            del gaps[number + 1]
        elif times == 2:
            yield Message("{again} appears twice.", {"again": label(number)})
        elif times > 2:
            yield Message("{again} appears {times} times.", {"again": label(number), "times": times})
    for first, last in gaps.items():
        if first == last:
            yield Message("{missing} is missing.", {"missing": label(first)})
        else:
            yield Message("{first} to {last} are missing.", {"first": label(first), "last": label(last)})
    for before, after in pairwise(numbers):
        if after < before:
            yield Message("{label} comes after {before}.", {"label": label(after), "before": label(before)})


def _sizes(chapters: Iterable[Chapter]) -> Iterator[Message]:
    sizes = [
        (chapter.title, visible(chapter.text)) for chapter in chapters if chapter.kind is ChapterKind.CHAPTER
    ]
    yield from _about([size for size in sizes if not size[1]], *_EMPTY)
    yield from _about([size for size in sizes if 0 < size[1] < SHORT], *_SHORT)
    yield from _about([size for size in sizes if size[1] > LONG], *_LONG)


def _about(found: Sequence[tuple[str, int]], one: Message, many: Message) -> Iterator[Message]:
    if len(found) == 1:
        yield replace(one, values={"title": found[0][0], "n": found[0][1]})
    elif found:
        yield replace(many, values={**many.values, "title": found[0][0], "count": len(found)})
