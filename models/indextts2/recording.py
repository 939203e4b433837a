"""A recording as people have it, any format, as the first seconds of mono samples."""

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile

from farm.engine import Audio, Samples
from farm.errors import Rejected

LONGEST_S = 15.0
"""What the model listens to; the rest of a recording is not heard."""
SHORTEST_S = 0.25
"""Below it there is no voice to take from a recording. (Good ones have 5 s and more.)"""
MARGIN_S = 1.0
"""Read beyond the longest, so that a resampler sees what follows: cutting before it changes nothing."""
LARGEST = 256 * 2**20
"""Bytes of a file. A quarter of an hour of 24-bit stereo."""
RATES = (8_000, 384_000)  # Hz
MOST_CHANNELS = 16
SILENCE = 2.0**-12
"""A peak below it (−72 dBFS, eight steps of 16 bits) is silence."""
BLOCK = 16_384  # frames read at once

# Demuxers of files that hold their own sound. Those left out read lists of other files and addresses.
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)

Blocks = Iterator[tuple[int, Samples]]
"""The rate in Hz, and samples (channels, n)."""


def read(path: Path) -> bytes:
    """Raises Rejected: too large, or not to be read."""
    try:
        _check_size(path.stat().st_size)
        return path.read_bytes()
    except OSError as e:
        raise Rejected("{path} cannot be read: {reason}", path=str(path), reason=str(e)) from e


def decode(data: bytes) -> Audio:
    """The mean of the channels, at most 16 s of it, at the file's own rate.

    Raises Rejected: no format that is known, no sound, too short, silent, or damaged.
    """
    _check_size(len(data))
    audio = _joined(_blocks(data))
    if audio.seconds < SHORTEST_S:
        raise Rejected(
            "The recording lasts {seconds} s. Record 5 s or more: in {shortest} s there is no voice.",
            seconds=f"{audio.seconds:.2f}",
            shortest=SHORTEST_S,
        )
    if not np.isfinite(audio.samples).all():  # behind the fifteenth second, too: a resampler spreads them
        raise Rejected("The recording holds values that are no numbers. Export it again as 16-bit WAV.")
    if np.abs(audio.samples[: round(LONGEST_S * audio.sample_rate)]).max() < SILENCE:
        raise Rejected(
            "The first {seconds} s of the recording are silent, and no more is listened to. Trim it.",
            seconds=f"{min(audio.seconds, LONGEST_S):.0f}",
        )
    return audio


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise Rejected(
            "The recording has more than {most} MB. Only its first {seconds} s are listened to: cut it.",
            most=LARGEST // 2**20,
            seconds=f"{LONGEST_S:.0f}",
        )


def _joined(blocks: Blocks) -> Audio:
    """Only as much is decoded as is heard, whatever the file says of its length."""
    kept: list[Samples] = []
    rate = most = n_kept = 0
    for rate, block in blocks:
        kept.append(block.mean(axis=0, dtype=np.float32))
        n_kept += len(kept[-1])
        most = round((LONGEST_S + MARGIN_S) * rate)
        if n_kept >= most:
            break
    if not kept:
        raise Rejected("There is no sound in the recording. Choose another file.")
    return Audio(np.concatenate(kept)[:most], rate)


def _blocks(data: bytes) -> Blocks:
    """libsndfile first, as the reference does; FFmpeg for what it does not know (m4a, webm …)."""
    try:
        sound = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError:
        return _by_ffmpeg(data)
    return _by_libsndfile(sound)


def _by_libsndfile(sound: soundfile.SoundFile) -> Blocks:
    with sound:
        rate = _checked(sound.samplerate, sound.channels)
        try:
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                yield rate, block.T
        except soundfile.LibsndfileError as e:
            raise _unreadable() from e


def _by_ffmpeg(data: bytes) -> Blocks:
    converter = av.AudioResampler(format="fltp")
    try:
        with av.open(io.BytesIO(data), "r", options={"format_whitelist": CONTAINERS}) as container:
            for frame in container.decode(*container.streams.audio[:1]):
                rate = _checked(frame.sample_rate, frame.layout.nb_channels)
                yield from (
                    (rate, np.asarray(part.to_ndarray(), np.float32)) for part in converter.resample(frame)
                )
    except (av.FFmpegError, ValueError) as e:  # ValueError: the format changed on the way
        raise _unreadable() from e


def _checked(rate: int, channels: int) -> int:
    if not RATES[0] <= rate <= RATES[1]:
        raise Rejected(
            "The recording has {rate} Hz. Give one of {least} to {most} Hz.",
            rate=rate,
            least=RATES[0],
            most=RATES[1],
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise Rejected("The recording has {channels} channels. Mix it down to one or two.", channels=channels)
    return rate


def _unreadable() -> Rejected:
    return Rejected("The recording is damaged, or no audio file. Give it as WAV, FLAC, MP3, M4A or Ogg.")
