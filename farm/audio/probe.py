"""What a player sees of an audio file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av

from farm.audio.bind import ChapterMark
from farm.errors import Rejected

if TYPE_CHECKING:
    from av.container.core import Chapter  # a name of the stubs only


@dataclass(frozen=True)
class Probe:
    """`language` is the track's (ISO 639-2); `cover` the attached picture's bytes."""

    codec: str
    sample_rate: int
    channels: int
    bit_rate: int
    duration_s: float
    language: str
    tags: Mapping[str, str]
    chapters: tuple[ChapterMark, ...]
    cover: bytes | None


def probe(path: Path) -> Probe:
    """Raises Rejected when `path` is not an audio file."""
    try:
        with av.open(str(path)) as container:
            track = container.streams.audio[0]
            return Probe(
                codec=track.codec_context.name,
                sample_rate=track.rate,
                channels=track.channels,
                bit_rate=container.bit_rate,
                duration_s=(container.duration or 0) / av.time_base,
                language=track.metadata.get("language", "und"),
                tags=dict(container.metadata),
                chapters=tuple(_mark(chapter) for chapter in container.chapters()),
                cover=_cover(container),
            )
    except (av.FFmpegError, IndexError) as e:
        raise Rejected("{name} is not an audio file. Choose another one.", name=path.name) from e


def _mark(chapter: "Chapter") -> ChapterMark:
    base = chapter["time_base"] or 0
    title = chapter["metadata"].get("title", "")
    return ChapterMark(title, float(chapter["start"] * base), float(chapter["end"] * base))


def _cover(container: av.container.InputContainer) -> bytes | None:
    for picture in container.streams.video:
        for packet in container.demux(picture):
            return bytes(packet)
    return None
