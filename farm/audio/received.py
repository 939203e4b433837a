"""Sounds that people send: any usual file is read to mono samples, within bounds, by demuxers named here.

FFmpeg is never left to guess what a file is: some of its formats are playlists, which read other files and
addresses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np

from farm.audio.encode import gathered
from farm.engine import Audio, Samples
from farm.errors import Rejected

KEPT_S = 60.0
"""As much is listened to, from the beginning; of what an engine is given, four times the most."""
LONGEST_TOLD_S = 24 * 3600.0
LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000  # Hz; what is above is resampled
MOST_CHANNELS = 8
NAMES = "WAV, FLAC, MP3, M4A, AAC, OGG, Opus, WebM, AIFF"


@dataclass(frozen=True)
class Format:
    """A kind of file: what people call it, FFmpeg's demuxer, how a stored one ends."""

    title: str
    demuxer: str
    ending: str


MPEG4, MATROSKA = Format("M4A", "mov", "m4a"), Format("WebM", "matroska", "webm")
SIGNS: tuple[tuple[int, bytes, Format], ...] = (
    (8, b"WAVE", Format("WAV", "wav", "wav")),
    (8, b"AIFF", Format("AIFF", "aiff", "aiff")),
    (8, b"AIFC", Format("AIFF", "aiff", "aiff")),
    (0, b"fLaC", Format("FLAC", "flac", "flac")),
    (0, b"OggS", Format("OGG", "ogg", "ogg")),
    (4, b"ftyp", MPEG4),
    (0, b"\x1a\x45\xdf\xa3", MATROSKA),
    (0, b"\xff\xf1", Format("AAC", "aac", "aac")),
    (0, b"\xff\xf9", Format("AAC", "aac", "aac")),
    (0, b"ID3", Format("MP3", "mp3", "mp3")),
    (0, b"\xff\xfb", Format("MP3", "mp3", "mp3")),
    (0, b"\xff\xfa", Format("MP3", "mp3", "mp3")),
    (0, b"\xff\xf3", Format("MP3", "mp3", "mp3")),
    (0, b"\xff\xf2", Format("MP3", "mp3", "mp3")),
)
"""Where in a file which bytes tell its kind."""
CODECS = frozenset({"aac", "alac", "flac", "mp2", "mp3", "mp3float", "opus", "libopus", "vorbis"})
"""Decoders that are let near a stranger's bytes, beside those of PCM."""


@dataclass(frozen=True)
class Received:
    """`audio` is the mean of its channels, `KEPT_S` of it at most; `seconds` is how long all of it is."""

    audio: Audio
    seconds: float
    format: Format


def read(source: BinaryIO, name: str) -> Received:
    """What was sent as a file called `name`. Raises Rejected, with the reason and the remedy."""
    found = recognised(source, name)
    try:
        # A tag that is not UTF-8 is no reason to refuse a voice.
        with av.open(source, "r", format=found.demuxer, metadata_errors="replace") as container:
            track = next(iter(container.streams.audio), None)
            if track is None:
                raise Rejected("{name} holds no sound. Send {formats}.", name=name, formats=NAMES)
            if not track.rate:
                raise ValueError("no rate")
            check(track, name)
            rate = min(track.rate, HIGHEST_RATE)
            samples = mono(container, track, rate)
            if not len(samples):
                raise ValueError("no samples")
            told_s = (container.duration or 0) / av.time_base
    except (av.FFmpegError, ValueError, EOFError) as e:
        raise Rejected(
            "{name} cannot be read as {format}. It may be damaged: save it again, as WAV if possible.",
            name=name,
            format=found.title,
        ) from e
    if not np.isfinite(samples).all():
        raise Rejected("{name} has samples that are not numbers. Save it again, as WAV.", name=name)
    heard_s = len(samples) / rate
    whole_s = max(heard_s, min(told_s, LONGEST_TOLD_S)) if heard_s >= KEPT_S else heard_s
    return Received(Audio(np.clip(samples, -1, 1), rate), whole_s, found)


def recognised(source: BinaryIO, name: str) -> Format:
    """By its first bytes, whatever it is called. Raises Rejected."""
    source.seek(0)
    start = source.read(16)
    source.seek(0)
    for at, sign, found in SIGNS:
        if start[at : at + len(sign)] == sign:
            return found
    raise Rejected("{name} is no sound file that is known here. Send {formats}.", name=name, formats=NAMES)


def check(track: av.AudioStream, name: str) -> None:
    codec = track.codec_context.name
    if codec not in CODECS and not codec.startswith("pcm_"):
        raise Rejected(
            "{name} holds sound as {codec}. Send {formats}.", name=name, codec=codec, formats=NAMES
        )
    if track.rate < LOWEST_RATE:
        raise Rejected(
            "{name} has {rate} samples a second, too few for a voice. Record at 16 000 or more.",
            name=name,
            rate=track.rate,
        )
    if not 0 < track.channels <= MOST_CHANNELS:
        raise Rejected("{name} has {n} channels. Send mono or stereo.", name=name, n=track.channels)


def mono(container: av.container.InputContainer, track: av.AudioStream, rate: int) -> Samples:
    """The mean of the channels, (T,) at `rate`, `KEPT_S` at most.

    Samples whose rate stays are as they were, to the last bit: FFmpeg only writes them as floats. Its own
    mixing to mono would add channels at 0.7, and clip.
    """
    most = math.ceil(KEPT_S * rate)
    written = av.AudioResampler(format="fltp", rate=rate)
    parts, length = list[Samples](), 0
    for frames in gathered(written_frames(container, track, written)):
        parts.append(np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames]))
        length += len(parts[-1])
        if length >= most:
            break
    return np.concatenate([*parts, np.zeros(0, np.float32)])[:most].astype(np.float32, copy=False)


def written_frames(
    container: av.container.InputContainer, track: av.AudioStream, written: av.AudioResampler
) -> Iterator[av.AudioFrame]:
    for frame in container.decode(track):
        yield from written.resample(frame)
    yield from written.resample(None)
