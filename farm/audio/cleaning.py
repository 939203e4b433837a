"""What may be done to a voice's recording before an engine hears it: less noise, no silence at its ends."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from farm.audio.quality import FRAME_S, active, joined, powers, quietest
from farm.engine import Audio, Samples

LONGEST_S = 15.0
"""As much of a voice's recording is given to an engine; none makes use of more."""
BEFORE_S, AFTER_S = 0.15, 0.3  # left around the speech: breath, and the last sound's end
WINDOW_S = 0.032
OVERLAP = 4  # windows over each sample
MEMORY = 0.98  # of the estimate that the next window begins with
RATHER_MORE = 1.5  # the quietest windows are quieter than the noise is elsewhere
MOST_TAKEN = 10 ** (-18 / 20)  # a gate that shuts further leaves holes, and rings
SILENT, CLEAR = 1e-20, 1e12  # noise and ratio where there is no noise
Powers = NDArray[np.float32]


def denoised(audio: Audio) -> Audio:
    """With each band of the spectrum turned down by as much as noise is in it, never by more than 18 dB.

    A Wiener gain over the decision-directed a-priori ratio (Ephraim and Malah, IEEE Trans. ASSP 32, 1984,
    eq. 51 with alpha 0.98; the gain is Scalart's and Filho's, ICASSP 1996). The noise is what the quietest
    tenth of the windows has in each band, so it must be steady: hum, hiss and fans, not other voices.
    """
    size = 1 << round(np.log2(WINDOW_S * audio.sample_rate))
    hop = size // OVERLAP
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    padded = np.pad(audio.samples, (size, size + -len(audio.samples) % hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectra = np.fft.rfft(windows * shape, axis=1)  # (windows, bins)
    spectra *= gains(np.asarray(np.abs(spectra) ** 2, np.float32), len(audio.samples) // hop)
    quieter = np.fft.irfft(spectra, size, axis=1) * shape
    out, weight = np.zeros(len(padded), np.float32), np.zeros(len(padded), np.float32)
    for at, window in enumerate(quieter):
        out[at * hop : at * hop + size] += window
        weight[at * hop : at * hop + size] += shape * shape
    heard = slice(size, size + len(audio.samples))
    return Audio(out[heard] / weight[heard], audio.sample_rate)


def gains(power: Powers, whole: int) -> Powers:
    """(windows, bins) -> what to multiply each with. `whole` windows lie within the recording."""
    inside = power[OVERLAP : max(whole, OVERLAP + 1)]
    loudness = inside.sum(axis=1, dtype=np.float64)
    order = np.argsort(loudness)[: len(quietest(loudness))]
    noise = np.maximum(RATHER_MORE * inside[order].mean(axis=0), SILENT)
    wanted = np.empty_like(power)
    before = np.ones_like(noise)  # of the voice in the window before, against the noise
    for at, ratio in enumerate(np.minimum(power / noise, CLEAR)):
        prior = MEMORY * before + (1 - MEMORY) * np.maximum(ratio - 1, 0)
        wanted[at] = np.maximum(prior / (1 + prior), MOST_TAKEN)
        before = wanted[at] ** 2 * ratio
    return wanted


def speech_in(audio: Audio) -> tuple[float, float]:
    """From when to when someone speaks, in seconds, with a margin; all of it where nobody does."""
    spoken = np.flatnonzero(joined(active(powers(audio))))
    if not len(spoken):
        return 0.0, audio.seconds
    start_s, end_s = spoken[0] * FRAME_S - BEFORE_S, (spoken[-1] + 1) * FRAME_S + AFTER_S
    return max(0.0, float(start_s)), min(audio.seconds, float(end_s))


def cut(audio: Audio, start_s: float, end_s: float) -> Audio:
    """A part of it, `LONGEST_S` at most."""
    rate = audio.sample_rate
    samples: Samples = audio.samples[round(start_s * rate) : round(end_s * rate)]
    return Audio(samples[: round(LONGEST_S * rate)], rate)


@dataclass(frozen=True)
class Preparation:
    """What is done to a recording before engines hear it."""

    trim: bool = False
    denoise: bool = False


@dataclass(frozen=True)
class Given:
    """What engines are given of a recording: mono WAV. `start_s` and `end_s`: which part of it that is."""

    content: bytes
    audio: Audio
    start_s: float
    end_s: float

    @classmethod
    def of(cls, audio: Audio, wanted: Preparation) -> Self:
        """The first 15 s, or the first 15 s from where somebody speaks."""
        start_s, end_s = speech_in(audio) if wanted.trim else (0.0, audio.seconds)
        part = cut(denoised(audio) if wanted.denoise else audio, start_s, end_s)
        return cls(as_wav(part), part, round(start_s, 2), round(start_s + part.seconds, 2))

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def as_wav(audio: Audio) -> bytes:
    """24 bits a sample: what was recorded with 16 stays as it was, and the bytes are the same every time."""
    steps = np.clip(np.rint(audio.samples.astype(np.float64) * 2**23), -(2**23), 2**23 - 1)
    file = io.BytesIO()
    soundfile.write(file, steps.astype(np.int32) << 8, audio.sample_rate, format="WAV", subtype="PCM_24")
    return file.getvalue()
