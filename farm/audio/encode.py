"""Samples become files through PyAV: AAC in MP4 for listening, MP3 for those who ask; and back."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import av
import numpy as np
import soundfile

from farm.engine import Samples
from farm.errors import Rejected

FRAMES_AT_ONCE = 48
MP3_BITRATE = 192_000
"""What ACX-level files ask for, at a constant rate."""


@dataclass(frozen=True)
class Encoding:
    """What kind of file. Neither time nor library versions go in: the same samples give the same bytes."""

    codec: str
    container: str
    bitrate: int
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def m4a(bitrate: int, aac_coder: str, sample_rate: int) -> Encoding:
    """AAC-LC, the index first, so that a player can start early; times in samples, not milliseconds."""
    container_options = {"movflags": "+faststart", "movie_timescale": str(sample_rate)}
    return Encoding("aac", "ipod", bitrate, {"aac_coder": aac_coder}, container_options)


def mp3(metadata: Mapping[str, str]) -> Encoding:
    return Encoding("libmp3lame", "mp3", MP3_BITRATE, metadata=metadata)


def encode(stream: Iterable[Samples], sample_rate: int, out: Path, encoding: Encoding) -> int:
    """Write mono samples to `out` and return how many there were."""
    options = {"fflags": "+bitexact", **encoding.container_options}
    written = 0
    with av.open(str(out), "w", format=encoding.container, options=options) as container:
        container.metadata.update(encoding.metadata)
        track = container.add_stream(
            encoding.codec, rate=sample_rate, options=dict(encoding.options), layout="mono"
        )
        assert isinstance(track, av.AudioStream)
        track.bit_rate = encoding.bitrate
        track.codec_context.flags |= av.codec.context.Flags.bitexact
        for samples in filter(len, stream):
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
            frame.sample_rate = sample_rate
            frame.pts = written
            written += len(samples)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return written


def encode_flac(stream: Iterable[Samples], sample_rate: int, out: Path) -> None:
    """Write 16-bit mono FLAC of any length."""
    with soundfile.SoundFile(out, "w", sample_rate, 1, subtype="PCM_16", format="FLAC") as file:
        for samples in stream:
            file.write(samples)


def decode(path: Path) -> Iterator[Samples]:
    """The mono samples that a player hears. Raises Rejected when the file is not audio."""
    try:
        with av.open(str(path)) as container:
            track = container.streams.audio[0]
            left = _samples_in(track)
            for frames in gathered(container.decode(track)):
                samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])[:left]
                left -= len(samples)
                yield samples.astype(np.float32, copy=False)
    except (av.FFmpegError, IndexError) as e:
        raise Rejected("{name} is not an audio file. Master the chapter again.", name=path.name) from e


def gathered(frames: Iterator[av.AudioFrame]) -> Iterator[list[av.AudioFrame]]:
    """A frame is a fortieth of a second; what follows is cheaper by the second."""
    while some := list(islice(frames, FRAMES_AT_ONCE)):
        yield some


def _samples_in(track: av.AudioStream) -> int:
    """The decoder does not drop the padding of the last frame; the container knows where the audio ends."""
    if track.duration is None or track.time_base is None:
        return 1 << 62
    return round(track.duration * track.time_base * track.rate)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A path to write to that becomes `out` when all went well, and vanishes when it did not."""
    with scratch(out, ".part") as partial:
        yield partial
        os.replace(partial, out)


@contextmanager
def scratch(out: Path, suffix: str) -> Iterator[Path]:
    """A path beside `out` that is gone afterwards."""
    path = out.with_name(out.name + suffix)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
