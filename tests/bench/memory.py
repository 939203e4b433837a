"""The most memory each of the farm's processes takes on a long book."""

from collections.abc import Iterator
from pathlib import Path

from farm.oneshot import Request
from models.bench.figures import Figure
from models.simulated import spoken_s
from tests.bench import procfs
from tests.bench.options import Options
from tests.bench.whole_book import finish, real_farm
from tests.conftest import place

CHAPTER_S = 1800.0
SENTENCE = (
    "On day {n} the keeper of the lamp counted {m} ships and wrote down the name of each in the long book."
)
PARAGRAPH = 5  # sentences


def run(options: Options) -> list[Figure]:
    """The engine takes no time, so that as much as possible is under way at once."""
    with place() as folder:
        book = folder / "book.txt"
        book.write_text("\n\n".join(chapters(options.hours)))
        with (
            real_farm(folder / "home", "simulated:speed=inf") as farm,
            procfs.watching_memory(farm) as peaks,
        ):
            finish(farm, Request((Path(book),), engine="simulated"))
        return [Figure(name, peak, "MB", most=400) for name, peak in sorted(peaks.items())]


def chapters(hours: float) -> Iterator[str]:
    """Half-hour chapters; no sentence is there twice."""
    sentence_s, left_s, day, number = spoken_s(SENTENCE), hours * 3600, 0, 0
    while left_s > 0:
        number += 1
        sentences = round(min(left_s, CHAPTER_S) / sentence_s) or 1
        lines = [SENTENCE.format(n=day + at, m=(day + at) * 7 % 1000) for at in range(sentences)]
        paragraphs = [" ".join(lines[at : at + PARAGRAPH]) for at in range(0, sentences, PARAGRAPH)]
        yield "\n\n".join([f"Chapter {number}", *paragraphs])
        day += sentences
        left_s -= CHAPTER_S
