"""A chapter's takes become one file at the right loudness: measured, plain gain, limited, encoded once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farm.audio.decibels import ratio
from farm.audio.encode import Encoding, decode, encode, m4a, mp3, replacing
from farm.audio.join import Clip, Placed, join
from farm.audio.limiter import Limiter
from farm.audio.loudness import Integrated, Loudness, measure
from farm.audio.settings import MasteringSettings
from farm.engine import Samples
from farm.errors import Rejected

__all__ = ["Clip", "Mastered", "MasteringSettings", "Placed", "encode_mp3", "master"]

HEADROOM_DB = 0.5
"""Below the true-peak limit, because encoding raises peaks."""
MARGIN_DB = 0.3
TOLERANCE_LU = 0.5
ATTEMPTS = 4
SAMPLED = 10
"""Clips that are limited on trial, about a minute."""
MOST_GIVEN_LU = 2.0
"""What limiting takes beyond that is squashed, not lost: more gain would only squash more."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Mastered:
    """What became of a chapter. `placed` has an entry for each clip; `loudness` is the encoded file's."""

    duration_s: float
    placed: tuple[Placed, ...]
    loudness: Loudness


def master(
    clips: Sequence[Clip], out: Path, settings: MasteringSettings, on_progress: Progress = lambda done: None
) -> Mastered:
    """Write one M4A (AAC-LC, mono). The clips are read twice; memory does not grow with the chapter.

    `on_progress` hears how much is done, 0 to 1; what it raises stops the work and leaves no file.
    """
    gain_db, placed, duration_s = _survey(clips, settings, _between(0.0, 0.2, on_progress))
    gain_db += _taken_by_limiting(clips, gain_db, settings)
    loudness = _write(
        clips,
        gain_db,
        out,
        settings,
        m4a(settings.bitrate, settings.aac_coder, settings.sample_rate),
        _between(0.2, 1.0, on_progress),
    )
    on_progress(1.0)
    return Mastered(duration_s, placed, loudness)


def encode_mp3(
    clips: Sequence[Clip],
    gain_db: float,
    out: Path,
    settings: MasteringSettings,
    metadata: Mapping[str, str],
    on_progress: Progress = lambda done: None,
) -> Loudness:
    """Write an MP3 (192 kb/s, constant) from the takes, not the AAC, with the gain that mastering found."""
    return _write(clips, gain_db, out, settings, mp3(metadata), on_progress)


def _survey(
    clips: Sequence[Clip], settings: MasteringSettings, on_progress: Progress
) -> tuple[float, tuple[Placed, ...], float]:
    """The gain in dB that the chapter needs, where each clip lies, and the length in seconds."""
    rate, position = settings.sample_rate, 0
    meter, placed = Integrated(rate), []
    for piece in join(clips, settings):
        if piece.clip is not None:
            placed.append(Placed(position / rate, (position + piece.length) / rate, piece.trimmed_s))
            on_progress(piece.clip / len(clips))
        meter.feed(piece.samples)
        position += len(piece.samples)
    if not position:
        raise Rejected("The chapter has no audio. Give it text, or silence at its ends.")
    lufs = meter.finish()
    return 0.0 if lufs is None else settings.lufs - lufs, tuple(placed), position / rate


def _taken_by_limiting(clips: Sequence[Clip], gain_db: float, settings: MasteringSettings) -> float:
    """How many LU the limiter takes from a sample of the clips, so that the gain can give them beforehand."""
    spoken = [clip for clip in clips if clip.read is not None]
    sample = spoken[:: len(spoken) // SAMPLED + 1]
    plain, limited = Integrated(settings.sample_rate), Integrated(settings.sample_rate)
    limiter = Limiter(settings.true_peak_db - HEADROOM_DB, settings.sample_rate)
    for piece in join(sample, settings):
        loud = piece.samples * ratio(gain_db)
        plain.feed(loud)
        limited.feed(limiter.feed(loud))
    limited.feed(limiter.flush())
    before, after = plain.finish(), limited.finish()
    return 0.0 if before is None or after is None else min(max(before - after, 0.0), MOST_GIVEN_LU)


def _write(
    clips: Sequence[Clip],
    gain_db: float,
    out: Path,
    settings: MasteringSettings,
    encoding: Encoding,
    on_progress: Progress,
) -> Loudness:
    """Encode and listen to the result; when limiting or encoding moved it out of bounds, encode anew."""
    ceiling_db = settings.true_peak_db - HEADROOM_DB
    with replacing(out) as partial:
        for attempt in range(ATTEMPTS):
            left = 0.2**attempt
            limiter = Limiter(ceiling_db, settings.sample_rate)
            progress = _between(1 - left, 1 - 0.2 * left, on_progress)
            stream = _limited(clips, gain_db, limiter, settings, progress)
            encode(stream, settings.sample_rate, partial, encoding)
            heard = measure(decode(partial), settings.sample_rate)
            limited_s = limiter.limited / settings.sample_rate
            loudness = replace(heard, gain_db=round(gain_db, 2), limited_s=round(limited_s, 3))
            up_db, down_db = _corrections(heard, settings)
            if attempt:
                up_db = 0.0  # what one more gain did not reach, the limiter would only squash
            if not up_db and not down_db:
                break
            gain_db, ceiling_db = gain_db + up_db, ceiling_db - down_db
    return loudness


def _corrections(heard: Loudness, settings: MasteringSettings) -> tuple[float, float]:
    """How many dB the gain must rise and the ceiling sink; zeros when the result is right."""
    quiet = 0.0 if heard.lufs is None else settings.lufs - heard.lufs
    high = 0.0 if heard.true_peak_db is None else heard.true_peak_db - settings.true_peak_db
    return quiet if abs(quiet) > TOLERANCE_LU else 0.0, high + MARGIN_DB if high > 0 else 0.0


def _limited(
    clips: Sequence[Clip],
    gain_db: float,
    limiter: Limiter,
    settings: MasteringSettings,
    on_progress: Progress,
) -> Iterator[Samples]:
    gain = ratio(gain_db)
    for piece in join(clips, settings):
        if piece.clip is not None:
            on_progress(piece.clip / len(clips))
        yield limiter.feed(piece.samples * gain)
    yield limiter.flush()


def _between(start: float, end: float, on_progress: Progress) -> Progress:
    """Progress of a part of the work, told as progress of the whole."""
    return lambda done: on_progress(start + (end - start) * done)
