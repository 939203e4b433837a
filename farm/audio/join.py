"""Takes become one stream: silent edges trimmed, ends faded, resampled, pauses by kind of boundary."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np

from farm.audio.decibels import DIGITAL_SILENCE_DB, ratio
from farm.audio.settings import MasteringSettings
from farm.engine import Audio, Samples

END = "end"
FRAME_S = 0.01
KEEP_S = 0.04
"""Left in front of and behind what is audible, for the soft consonants that do not reach the threshold."""
AUDIBLE_DB = -45.0
"""Of the take's loudest frame; a hiss below that is trimmed with the silence."""
PIECE = 1 << 16
"""The most samples that are handed on at once."""


SILENCE: Samples = np.zeros(PIECE, np.float32)


@dataclass(frozen=True)
class Clip:
    """One take (mono, about a minute at most), decoded only when it is its turn, and the boundary after it.

    Without `read` nothing is heard but the pause; pauses that meet do not add up, the longest counts.
    """

    read: Callable[[], Audio] | None
    after: str = "sentence"
    """phrase, sentence, paragraph, scene, title or end: the tail, which always follows the last clip."""


@dataclass(frozen=True)
class Placed:
    """Where a clip lies in the chapter; `trimmed_s` of the take's beginning was left out."""

    start_s: float
    end_s: float
    trimmed_s: float = 0.0


@dataclass(frozen=True)
class Piece:
    """A part of the stream. `clip` is set on a clip's first piece, where `length` counts the whole clip."""

    samples: Samples
    clip: int | None = None
    length: int = 0
    trimmed_s: float = 0.0


def join(clips: Sequence[Clip], settings: MasteringSettings) -> Iterator[Piece]:
    """The chapter from head to tail at the settings' sample rate; each clip appears once, in order."""
    pause = settings.head_s
    for index, clip in enumerate(clips):
        following = _pause_after(clip if index + 1 < len(clips) else None, settings)
        if clip.read is None:
            yield Piece(SILENCE[:0], index)
            pause = max(pause, following)
        else:
            yield from _silence(pause, settings.sample_rate)
            yield from _spoken(clip.read(), index, settings)
            pause = following
    yield from _silence(pause, settings.sample_rate)


def _pause_after(clip: Clip | None, settings: MasteringSettings) -> float:
    if clip is None or clip.after == END:
        return settings.tail_s
    return settings.pauses_ms[clip.after] / 1000


def _silence(seconds: float, sample_rate: int) -> Iterator[Piece]:
    left = round(seconds * sample_rate)
    while left > 0:
        yield Piece(SILENCE[:left])
        left -= PIECE


def _spoken(audio: Audio, index: int, settings: MasteringSettings) -> Iterator[Piece]:
    trimmed, cut_s = trim(audio)
    samples = resample(fade(trimmed, settings.fade_ms / 1000), settings.sample_rate).samples
    yield Piece(samples[:PIECE], index, len(samples), cut_s)
    for start in range(PIECE, len(samples), PIECE):
        yield Piece(samples[start : start + PIECE])


def trim(audio: Audio) -> tuple[Audio, float]:
    """Without its silent edges, and how many seconds were cut in front; all of it when nothing is audible."""
    hop = round(FRAME_S * audio.sample_rate)
    frames = np.pad(audio.samples, (0, -len(audio.samples) % hop)).reshape(-1, hop)
    power = np.einsum("th,th->t", frames, frames) / hop
    loudest = float(power.max(initial=0.0))
    audible = np.flatnonzero(power > loudest * ratio(AUDIBLE_DB) ** 2)
    if loudest < ratio(DIGITAL_SILENCE_DB) ** 2:
        return audio, 0.0
    keep = round(KEEP_S * audio.sample_rate)
    start = max(0, int(audible[0]) * hop - keep)
    end = (int(audible[-1]) + 1) * hop + keep
    return Audio(audio.samples[start:end], audio.sample_rate), start / audio.sample_rate


def fade(audio: Audio, seconds: float) -> Audio:
    """A raised cosine in and out, at most half of the audio each."""
    length = min(round(seconds * audio.sample_rate), len(audio.samples) // 2)
    rise = np.sin(np.linspace(0, np.pi / 2, length, endpoint=False, dtype=np.float32)) ** 2
    samples = audio.samples.copy()
    samples[:length] *= rise
    samples[len(samples) - length :] *= rise[::-1]
    return Audio(samples, audio.sample_rate)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """Exactly round(T * new / old) samples, so that a chapter of many clips never drifts."""
    if audio.sample_rate == sample_rate or not len(audio.samples):
        return Audio(audio.samples, sample_rate)
    converter = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    frame = av.AudioFrame.from_ndarray(audio.samples[None, :], format="flt", layout="mono")
    frame.sample_rate = audio.sample_rate
    frames = [*converter.resample(frame), *converter.resample(None)]
    samples = np.concatenate([np.zeros(0, np.float32), *(f.to_ndarray()[0] for f in frames)])
    wanted = round(len(audio.samples) * sample_rate / audio.sample_rate)
    return Audio(np.pad(samples[:wanted], (0, max(0, wanted - len(samples)))), sample_rate)
