"""How good a recording of a voice is: a handful of measures, and what a person can do about each."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from farm.audio.decibels import DIGITAL_SILENCE_DB
from farm.engine import Audio, Samples
from farm.messages import Message

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FRAME_S = 0.02
QUIETEST = 0.1  # the share of frames that tells the noise: even fluent speech pauses that often
FEWEST = 5  # frames
ABOVE_NOISE = 8.0  # speech against noise, in power (9 dB)
BELOW_LOUD = 10**-3.5  # the softest speech against loud speech, in power (35 dB)
PAUSE_S, BURST_S = 0.3, 0.06  # a shorter pause belongs to the speech, a shorter burst is none
FULL_SCALE = 0.999
FLAT, FLAT_RUN, LOUD = 1e-4, 4, 0.8  # a top is cut off where so many samples stay level near the peak
SILENCE = 10 ** (DIGITAL_SILENCE_DB / 10)

WINDOW_S = 0.043
SMOOTH_HZ = 150.0
DEEPEST = 1e-7  # of the loudest band (-70 dB): below that nothing is heard of a voice
HEARD = 2.0  # a band with a voice in it, against the noise there, in power (3 dB)


@dataclass(frozen=True)
class Quality:
    """Of a recording of `seconds`.

    `clipped` and `speech` are shares, of samples and of time. `noise_db` is the RMS of the pauses in dB of
    full scale, None where they are digital silence. `snr_db`: speech over the noise; None without speech or
    noise. `bandwidth_hz`: up to where a voice is heard.
    """

    seconds: float
    clipped: float
    noise_db: float | None
    snr_db: float | None
    bandwidth_hz: int
    speech: float


def measure(audio: Audio) -> Quality:
    """A recording of a tenth of a second at least."""
    power = powers(audio)
    noise = float(quietest(power).mean())
    heard = active(power)
    # Whatever is heard while someone speaks is speech and noise together.
    above = float(power[heard].mean()) - noise if heard.any() else 0.0
    return Quality(
        seconds=round(audio.seconds, 2),
        clipped=round(clipped_share(audio.samples), 5),
        noise_db=decibels(noise),
        snr_db=decibels(above / noise) if above > 0 and noise > SILENCE else None,
        bandwidth_hz=bandwidth(audio, heard),
        speech=round(float(joined(heard).mean()), 3),
    )


def powers(audio: Audio) -> Floats:
    """Mean square of each whole frame, (frames,), without what stands still."""
    size = max(1, round(FRAME_S * audio.sample_rate))
    whole = audio.samples[: len(audio.samples) // size * size].astype(np.float64)
    frames: Floats = (whole - audio.samples.mean(dtype=np.float64)).reshape(-1, size)
    return np.asarray(np.einsum("fs,fs->f", frames, frames) / size)


def quietest(power: Floats) -> Floats:
    """The lowest tenth of them."""
    return np.asarray(np.sort(power)[: max(FEWEST, round(QUIETEST * len(power)))])


def active(power: Floats) -> Mask:
    """In which frames somebody speaks, by their energy alone."""
    noise, loud = float(quietest(power).mean()), float(np.quantile(power, 0.95))
    return np.asarray(power > max(ABOVE_NOISE * noise, BELOW_LOUD * loud, SILENCE))


def joined(heard: Mask) -> Mask:
    """The same, short bursts left out and short pauses counted in."""
    kept = without_short(heard, round(BURST_S / FRAME_S))
    spoken = ~without_short(~kept, round(PAUSE_S / FRAME_S))
    # A pause at either end is none between words.
    edges = np.flatnonzero(kept)
    spoken[: edges[0] if len(edges) else len(spoken)] = False
    spoken[edges[-1] + 1 if len(edges) else 0 :] = False
    return np.asarray(spoken)


def without_short(mask: Mask, least: int) -> Mask:
    """`mask` without its runs of fewer than `least`."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    kept = np.zeros_like(mask)
    for start, end in zip(steps[::2], steps[1::2], strict=True):
        kept[start:end] = end - start >= least
    return kept


def clipped_share(samples: Samples) -> float:
    """Of samples at full scale, or on tops that are cut off below it, as when a recording was made softer."""
    magnitude = np.abs(samples)
    peak = float(magnitude.max(initial=0.0))
    if peak * peak < SILENCE:
        return 0.0
    level = (np.abs(np.diff(samples, prepend=np.nan)) < FLAT * peak) & (magnitude > LOUD * peak)
    flat = without_short(np.asarray(level), FLAT_RUN - 1)
    return float(np.mean(flat | (magnitude >= FULL_SCALE)))


def bandwidth(audio: Audio, heard: Mask) -> int:
    """The highest frequency, Hz, at which a voice is heard above the noise of its pauses."""
    spectra = spectrogram(audio)
    hop_s = len(audio.samples) / audio.sample_rate / max(1, len(spectra))
    frames = np.minimum((np.arange(len(spectra)) * hop_s / FRAME_S).astype(int), len(heard) - 1)
    loudness = spectra.sum(axis=1)
    spoken = spectra[heard[frames]].mean(axis=0) if heard[frames].any() else spectra.mean(axis=0)
    pauses = np.argsort(loudness)[: max(1, round(QUIETEST * len(loudness)))]
    noise = spectra[pauses].mean(axis=0) if heard[frames].any() else np.zeros_like(spoken)
    step_hz = audio.sample_rate / 2 / (len(spoken) - 1)
    width = max(1, round(SMOOTH_HZ / step_hz))
    window = np.ones(width) / width
    spoken, noise = np.convolve(spoken, window, "same"), np.convolve(noise, window, "same")
    found = np.flatnonzero((spoken > HEARD * noise) & (spoken > DEEPEST * spoken.max(initial=0.0)))
    return round(found[-1] * step_hz) if len(found) else 0


def spectrogram(audio: Audio) -> Samples:
    """Power of Hann windows that overlap by half, (windows, bins); one window at least."""
    size = 1 << round(np.log2(WINDOW_S * audio.sample_rate))
    padded = np.pad(audio.samples, (0, max(0, size - len(audio.samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    return np.asarray(np.abs(np.fft.rfft(windows * shape, axis=1)) ** 2)


def decibels(power: float) -> float | None:
    """To 0.1; None for digital silence."""
    return round(10 * math.log10(power), 1) if power > SILENCE else None


class Grade(StrEnum):
    """A recording in one word."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class Advice:
    """A sentence on what is not as it should be, and what it makes of the recording."""

    grade: Grade
    says: Message


SHORT_S, BEST_S = 3.0, 6.0
CLIPPED, MUCH_CLIPPED = 5e-4, 1e-2
NOISY_DB, VERY_NOISY_DB, LOUD_NOISE_DB = 25.0, 15.0, -50.0
NARROW_HZ, TELEPHONE_HZ = 7_000, 4_500
MOSTLY_PAUSES = 0.5
"""Where good ends and where poor begins. Ours, by ear; the noise is 10 dB above what ACX lets pass."""


def advice(quality: Quality, *, trimmed: bool = False, denoised: bool = False) -> list[Advice]:
    """What could be better, and how; nothing for a good recording. The worst comes first.

    What was done already (`trimmed`, `denoised`) is not advised again.
    Several speakers are not looked for: that takes a speaker net, which the farm's side does not load.
    """
    found = (on_length(quality), on_clipping(quality), on_noise(quality, denoised), on_bandwidth(quality))
    said = [one for one in (*found, on_pauses(quality, trimmed)) if one]
    return sorted(said, key=lambda one: one.grade != Grade.POOR)


def grade(quality: Quality) -> Grade:
    """That of the worst advice."""
    said = advice(quality)
    return said[0].grade if said else Grade.GOOD


def on_length(quality: Quality) -> Advice | None:
    if quality.seconds >= BEST_S:
        return None
    too_short = quality.seconds < SHORT_S
    says = Message("It lasts {s} s; from 6 to 15 s hold a voice best.", {"s": round(quality.seconds, 1)})
    return Advice(Grade.POOR if too_short else Grade.FAIR, says)


def on_clipping(quality: Quality) -> Advice | None:
    if quality.clipped < CLIPPED:
        return None
    percent = {"percent": round(100 * quality.clipped, 1) or 0.1}
    says = Message(
        "It is clipped: {percent} % of it is cut off at the top. Record again with less gain, or further "
        "from the microphone.",
        percent,
    )
    return Advice(Grade.POOR if quality.clipped >= MUCH_CLIPPED else Grade.FAIR, says)


def on_noise(quality: Quality, denoised: bool) -> Advice | None:
    if not quality.speech:
        says = Message("No speech stands out in it. Record one person who speaks, with short pauses.")
        return Advice(Grade.POOR, says)
    room = Message("Record in a quieter room.")
    remedy = {"remedy": room if denoised else Message("Denoise it here, or record in a quieter room.")}
    if quality.snr_db is not None and quality.snr_db < NOISY_DB:
        heard = {"db": round(quality.snr_db), **remedy}
        says = Message("The voice is only {db} dB above the noise. {remedy}", heard)
        return Advice(Grade.POOR if quality.snr_db < VERY_NOISY_DB else Grade.FAIR, says)
    if quality.noise_db is not None and quality.noise_db > LOUD_NOISE_DB:
        heard = {"db": round(quality.noise_db), **remedy}
        says = Message("Its pauses are as loud as {db} dB of full scale. {remedy}", heard)
        return Advice(Grade.FAIR, says)
    return None


def on_bandwidth(quality: Quality) -> Advice | None:
    if not quality.speech or quality.bandwidth_hz >= NARROW_HZ:
        return None
    says = Message(
        "Nothing of the voice is heard above {khz} kHz, as on a telephone. Use a file that was not sent "
        "through a call or a messenger.",
        {"khz": round(quality.bandwidth_hz / 1000, 1)},
    )
    return Advice(Grade.POOR if quality.bandwidth_hz < TELEPHONE_HZ else Grade.FAIR, says)


def on_pauses(quality: Quality, trimmed: bool) -> Advice | None:
    if not 0 < quality.speech < MOSTLY_PAUSES:
        return None
    again = Message("Record without long pauses.")
    remedy = again if trimmed else Message("Trim the silence here, or record without long pauses.")
    heard = {"percent": round(100 * quality.speech), "remedy": remedy}
    return Advice(Grade.FAIR, Message("Only {percent} % of it is speech. {remedy}", heard))
