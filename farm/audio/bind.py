"""Mastered chapters become one M4B: their packets copied, never encoded again, with marks, cover and tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from farm.audio import atoms
from farm.audio.encode import replacing, scratch
from farm.audio.tags import BookTags, printable
from farm.errors import Rejected

if TYPE_CHECKING:
    from av.container.core import Chapter  # a name of the stubs only

FRAME = 1024
"""Samples in a packet of AAC-LC. The first packet of each encode primes the decoder and is not heard."""
LONGEST_TITLE = 255
"""Bytes; what the chapter list of an MP4 file holds."""
LARGEST_COVER = 16 << 20


@dataclass(frozen=True)
class ChapterMark:
    title: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Track:
    """What two chapters must have in common is in `format`."""

    path: Path
    packets: int
    sample_rate: int
    format: tuple[str, str | None, int, int, bytes | None]


def bind_m4b(
    chapters: Sequence[tuple[str, Path]], tags: BookTags, cover: bytes | None, out: Path
) -> list[ChapterMark]:
    """Bind (title, M4A) in order. Raises Rejected when a file is not a mastered chapter like the first.

    A chapter's n packets take n * 1024 samples, its priming first; as the file's edit list skips the
    priming of the first chapter, every mark falls on the first sample of its own.
    """
    _check(chapters, cover)
    tracks = [_inspect(path) for _, path in chapters]
    for track in tracks:
        if track.format != tracks[0].format:
            raise Rejected("{name} was encoded with other settings. Master it again.", name=track.path.name)
    marks = _marks([title for title, _ in chapters], tracks)
    with replacing(out) as finished, scratch(out, ".raw") as raw:
        _copy_packets(tracks, marks, tags, raw)
        atoms.finish(raw, finished, cover, tags.mp4_freeform())
    return marks


def _check(chapters: Sequence[tuple[str, Path]], cover: bytes | None) -> None:
    if not chapters:
        raise Rejected("There is no chapter to bind. Tick at least one.")
    if cover is not None and len(cover) > LARGEST_COVER:
        raise Rejected("The cover is larger than {n} MiB. Choose a smaller picture.", n=LARGEST_COVER >> 20)
    if cover is not None:
        atoms.image_type(cover)


def _inspect(path: Path) -> _Track:
    try:
        with _open_packets(path) as container:
            track = container.streams.audio[0]
            context = track.codec_context
            layout = (context.name, context.profile, context.sample_rate, context.channels, context.extradata)
            packets = track.frames
    except (av.FFmpegError, IndexError) as e:
        raise Rejected("{name} is not a mastered chapter. Master it again.", name=path.name) from e
    if layout[:2] != ("aac", "LC"):
        raise Rejected("{name} is not a mastered chapter. Master it again.", name=path.name)
    return _Track(path, packets, layout[2], layout)


def _open_packets(path: Path) -> av.container.InputContainer:
    """Without its edit list the file shows all its packets, priming included, from zero on."""
    return av.open(str(path), "r", options={"ignore_editlist": "1"})


def _marks(titles: Sequence[str], tracks: Sequence[_Track]) -> list[ChapterMark]:
    marks, start = [], 0
    last = sum(track.packets for track in tracks) * FRAME - FRAME
    for title, track in zip(titles, tracks, strict=True):
        end = min(start + track.packets * FRAME, last)
        marks.append(
            ChapterMark(_fitting(printable(title)), start / track.sample_rate, end / track.sample_rate)
        )
        start = end
    return marks


def _fitting(title: str) -> str:
    """At most LONGEST_TITLE bytes, and an ellipsis where that is less than all."""
    encoded = title.encode()
    if len(encoded) <= LONGEST_TITLE:
        return title
    return encoded[: LONGEST_TITLE - 3].decode(errors="ignore") + "…"


def _copy_packets(tracks: Sequence[_Track], marks: Sequence[ChapterMark], tags: BookTags, out: Path) -> None:
    rate = tracks[0].sample_rate
    options = {"fflags": "+bitexact", "movie_timescale": str(rate), "brand": "M4B "}
    with av.open(str(out), "w", format="ipod", options=options) as book:
        book.metadata.update(tags.mp4())
        book.set_chapters([_av_chapter(number, mark, rate) for number, mark in enumerate(marks)])
        with _open_packets(tracks[0].path) as first:
            track = book.add_stream_from_template(first.streams.audio[0])
            track.metadata["language"] = tags.track_language
            track.time_base = Fraction(1, rate)
            position = -FRAME
            for chapter in tracks:
                position = _append(chapter, position, book, track)


def _append(chapter: _Track, position: int, book: av.container.OutputContainer, track: av.AudioStream) -> int:
    """Copy a chapter's packets to `position`, in samples, and return where the next chapter goes."""
    end = position + chapter.packets * FRAME
    with _open_packets(chapter.path) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.size:
                packet.stream, packet.time_base = track, Fraction(1, chapter.sample_rate)
                packet.pts = packet.dts = position
                packet.duration = FRAME
                position += FRAME
                book.mux_one(packet)
    if position != end:
        raise Rejected("{name} is damaged. Master it again.", name=chapter.path.name)
    return position


def _av_chapter(number: int, mark: ChapterMark, rate: int) -> "Chapter":
    start, end = round(mark.start_s * rate), round(mark.end_s * rate)
    return {
        "id": number,
        "start": start,
        "end": end,
        "time_base": Fraction(1, rate),
        "metadata": {"title": mark.title},
    }
