"""What players and libraries show of a book, and under which names they look for it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

ISO_639_2 = {"zh": "zho", "en": "eng", "ja": "jpn", "ko": "kor"}
AUDIOBOOK = "2"
"""The value of `stik` by which players file it under audiobooks and keep the place."""


@dataclass(frozen=True)
class BookTags:
    """An empty string means that the tag is left out. `extra` holds tags of any name, such as AIGC."""

    title: str
    author: str = ""
    narrator: str = ""
    language: str = ""
    """zh, en, ja or ko"""
    description: str = ""
    year: str = ""
    genre: str = "Audiobook"
    publisher: str = ""
    series: str = ""
    series_part: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def track_language(self) -> str:
        return ISO_639_2.get(self.language[:2], "und")

    def common(self) -> dict[str, str]:
        """The tags that MP4 and ID3 both have; Audiobookshelf takes the composer for the narrator."""
        series = f"{self.series} #{self.series_part}" if self.series_part else self.series
        return _filled(
            {
                "title": self.title,
                "album": self.title,
                "artist": self.author,
                "album_artist": self.author,
                "composer": self.narrator,
                "date": self.year,
                "genre": self.genre,
                "comment": self.description,
                "grouping": series,
            }
        )

    def mp4(self) -> dict[str, str]:
        return {**self.common(), **_filled({"description": self.description}), "media_type": AUDIOBOOK}

    def mp4_freeform(self) -> dict[str, str]:
        """Tags that MP4 knows by name only."""
        names = {
            "PUBLISHER": self.publisher,
            "LANGUAGE": self.language,
            "SERIES": self.series,
            "SERIES-PART": self.series_part,
        }
        return _filled({**names, **self.extra})

    def mp3(self, chapter: str, number: int, count: int) -> dict[str, str]:
        """For one chapter's file: its own title, the book as album."""
        names = {"publisher": self.publisher, "language": self.track_language, **self.extra}
        return {**self.common(), **_filled(names), "title": printable(chapter), "track": f"{number}/{count}"}


def printable(text: str) -> str:
    """Without control characters and halves of characters, which no player shows and some stop at."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def _filled(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: printable(value) for name, value in tags.items() if value.strip()}
