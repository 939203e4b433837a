"""What the nets are given of a recording: two resampled signals, and three kinds of features.

N samples, Tw frames of 50 Hz, F frames of 100 Hz, Tm frames of the reference mel (86 Hz), M mel bands.
Everything is computed in float32 on the CPU unless said.
"""

import math
from functools import cache

import numpy as np
import soxr
import torch
from torch import Tensor
from torch.nn import functional
from transformers import SeamlessM4TFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from farm.engine import Audio
from models.indextts2.config import MelConfig
from models.indextts2.recording import LONGEST_S

SPEAKER_RATE = 22_050  # Hz
LISTENING_RATE = 16_000  # Hz, of w2v-BERT and CAMPPlus

# The second resampling of the speaker's signal, 22 050 -> 16 000 Hz, in lowest terms.
UP, DOWN = 320, 441
ZEROS = 6  # of the sinc, to each side
ROLLOFF = 0.99
REACH = math.ceil(ZEROS * DOWN / (ROLLOFF * UP))  # samples to each side

FRAME, HOP, FFT = 400, 160, 512  # Kaldi's 25 and 10 ms
PREEMPHASIS = 0.97
BANDS = 80
LOWEST, HIGHEST = 20.0, 8000.0  # Hz


def speaker_signal(audio: Audio) -> Tensor:
    """The first 15 s at 22 050 Hz. (1, N)"""
    return _resampled(audio, SPEAKER_RATE)


def emotion_signal(audio: Audio) -> Tensor:
    """The first 15 s at 16 000 Hz, straight from the recording: not the same as `downsampled`. (1, N)"""
    return _resampled(audio, LISTENING_RATE)


def downsampled(signal: Tensor) -> Tensor:
    """22 050 -> 16 000 Hz by the windowed sinc of the reference. (1, N) -> (1, ceil(320 N / 441))"""
    length = math.ceil(UP * signal.shape[-1] / DOWN)
    padded = functional.pad(signal[:, None], (REACH, REACH + DOWN))  # (1, 1, N + 459)
    phases = functional.conv1d(padded, _sinc_taps(), stride=DOWN)  # (1, UP, n)
    return phases.transpose(1, 2).reshape(1, -1)[:, :length]


def seamless(signal: Tensor) -> tuple[Tensor, Tensor]:
    """What w2v-BERT hears: features (1, Tw, 160) of a signal (1, N) of 16 kHz, and their mask (1, Tw).

    The mask is 0 at the end of a signal with an odd number of frames.
    """
    found = _extractor()(signal[0].numpy(), sampling_rate=LISTENING_RATE, return_tensors="pt")
    return found["input_features"], found["attention_mask"]


def mel(signal: Tensor, config: MelConfig) -> Tensor:
    """The natural logarithm of the Slaney mel. (1, N) -> (1, M, Tm), Tm = N // hop"""
    sides = (config.n_fft - config.hop_length) // 2
    padded = functional.pad(signal[:, None], (sides, sides), mode="reflect")[:, 0]  # (1, N + 2 sides)
    spectrum = torch.stft(
        padded,
        config.n_fft,
        config.hop_length,
        config.win_length,
        torch.hann_window(config.win_length),
        center=False,
        return_complex=True,
    )  # (1, n_fft/2 + 1, Tm)
    magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
    energies: Tensor = slaney_bank(config) @ magnitude  # (1, M, Tm)
    return energies.clamp_min(1e-5).log()


def fbank(signal: Tensor) -> Tensor:
    """Kaldi's log mel energies (no dither), less their mean over time. (1, N) of 16 kHz -> (1, F, 80)"""
    frames = signal.unfold(1, FRAME, HOP)  # (1, F, FRAME)
    frames = frames - frames.mean(-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], -1)
    window = torch.hann_window(FRAME, periodic=False) ** 0.85  # Povey's
    power = torch.fft.rfft((frames - PREEMPHASIS * before) * window, FFT).abs() ** 2  # (1, F, FFT/2 + 1)
    energies: Tensor = (power @ kaldi_bank()).clamp_min(torch.finfo(torch.float32).eps).log()  # (1, F, 80)
    return energies - energies.mean(1, keepdim=True)


@cache
def slaney_bank(config: MelConfig) -> Tensor:
    """Triangles of equal area, linear below 1 kHz and logarithmic above. (M, n_fft/2 + 1)"""
    bank = mel_filter_bank(
        config.n_fft // 2 + 1,
        config.n_mels,
        config.fmin,
        config.fmax or config.sample_rate / 2,
        config.sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(bank.T).float().contiguous()


@cache
def kaldi_bank() -> Tensor:
    """Triangles over 1127 ln(1 + f/700), their height 1. (FFT/2 + 1, 80)

    In float32, as the reference computes it: another rounding here moves energies by 3e-5.
    """
    low, high = (1127 * math.log(1 + frequency / 700) for frequency in (LOWEST, HIGHEST))
    step = (high - low) / (BANDS + 1)
    left, centre, right = (low + (torch.arange(BANDS) + k) * step for k in range(3))
    bins = torch.arange(FFT // 2 + 1)[:, None] * (LISTENING_RATE / FFT)
    heights = 1127 * (1 + bins / 700).log()  # (FFT/2 + 1, 1)
    return torch.minimum((heights - left) / (centre - left), (right - heights) / (right - centre)).clamp_min(
        0
    )


@cache
def _extractor() -> SeamlessM4TFeatureExtractor:
    # The frame that fills up an odd number of them is 1 throughout.
    return SeamlessM4TFeatureExtractor(  # type: ignore[no-untyped-call]
        feature_size=BANDS, num_mel_bins=BANDS, sampling_rate=LISTENING_RATE, padding_value=1.0, stride=2
    )


@cache
def _sinc_taps() -> Tensor:
    """The UP phases of a sinc under a Hann window. (UP, 1, 2 REACH + DOWN)"""
    cutoff = ROLLOFF * UP
    phase = (torch.arange(UP) / UP).double()[:, None]  # divided in float32, as the reference does
    tap = torch.arange(-REACH, REACH + DOWN, dtype=torch.float64)[None]
    at = ((tap / DOWN - phase) * cutoff).clamp(-ZEROS, ZEROS)
    taps = torch.sinc(at) * torch.cos(math.pi * at / (2 * ZEROS)) ** 2 * (cutoff / DOWN)
    return taps[:, None].float()


def _resampled(audio: Audio, rate: int) -> Tensor:
    samples = audio.samples
    if audio.sample_rate != rate:
        # soxr rounds a length, the reference rounds it up: what is missing at the end is zero.
        length = math.ceil(len(samples) * rate / audio.sample_rate)
        samples = soxr.resample(samples, audio.sample_rate, rate, quality="HQ")[:length]
        samples = np.pad(samples, (0, length - len(samples)))
    return torch.from_numpy(samples[: round(LONGEST_S * rate)].copy())[None]
