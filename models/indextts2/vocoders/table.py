"""The vocoders there are, what mels they were made for, and whether IndexTTS-2's can be told to them.

Letters: B rows, M mel bands, T mel frames.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.config import BigVGANConfig, MelConfig
from models.indextts2.convert import stored
from models.indextts2.layout import read_json
from models.indextts2.tensor_files import load, state
from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.vocoders.hifigan import HiFiGAN, HiFiGANConfig
from models.indextts2.vocoders.layers import Generator
from models.indextts2.vocoders.melgan import MelGAN, MelGANConfig
from models.indextts2.weights import Reader, differences, fold, unwrapped


@dataclass(frozen=True)
class Mel:
    """How a mel spectrogram is made: rates in Hz, lengths in samples.

    Two agree where all but `logarithm` is equal; logarithms to other bases differ by a factor.
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 256
    n_mels: int = 80
    fmin: float = 0.0
    fmax: float = 11025.0
    floor: float = 1e-5
    """The least magnitude of a band, before the logarithm."""
    filters: Literal["slaney", "htk"] = "slaney"
    centered: bool = False
    """Whether frame t lies around sample hop * t; if not, the ends are mirrored by (n_fft - hop) / 2."""
    normalized: bool = False
    """Whether each band has its mean taken off, by a file of statistics."""
    logarithm: Literal["natural", "decimal"] = "natural"

    @classmethod
    def of(cls, config: MelConfig) -> Self:
        """What IndexTTS-2 makes."""
        fmax = config.sample_rate / 2 if config.fmax is None else config.fmax
        return cls(
            config.sample_rate,
            config.n_fft,
            config.win_length,
            config.hop_length,
            config.n_mels,
            config.fmin,
            fmax,
        )

    @classmethod
    def heard(cls, config: Mapping[str, Any]) -> Self:
        """What a config.json of HiFi-GAN or BigVGAN says."""
        rate = config["sampling_rate"]
        return cls(
            rate,
            config["n_fft"],
            config["win_size"],
            config["hop_size"],
            config["num_mels"],
            float(config["fmin"]),
            rate / 2 if config["fmax"] is None else float(config["fmax"]),
        )


NETS: Mapping[str, Callable[[Mapping[str, Any]], Generator]] = {
    "bigvgan": lambda entries: BigVGAN(BigVGANConfig.read(entries)),
    "hifigan": lambda entries: HiFiGAN(HiFiGANConfig.read(entries)),
    "melgan": lambda _: MelGAN(MelGANConfig()),
}
Read = TypeVar("Read")
MOST_NAMED = 3
"""Differences between a file and its net that are told."""
OURS = Mel()
"""IndexTTS-2's, by its published config."""


@dataclass(frozen=True)
class Verdict:
    """`factor`: what IndexTTS-2's mels are multiplied by; None: the vocoder cannot take them: `reasons`."""

    factor: float | None
    reasons: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["exact", "rescaled", "refused"]:
        if self.factor is None:
            return "refused"
        return "exact" if self.factor == 1 else "rescaled"


def verdict(theirs: Mel, ours: Mel = OURS) -> Verdict:
    """
    >>> verdict(Mel()).kind, verdict(Mel(fmax=8000.0)).reasons
    ('exact', ('fmax 8000.0, not 11025.0',))
    >>> round(verdict(Mel(logarithm="decimal")).factor, 6)
    0.434294
    """
    alike = replace(theirs, logarithm=ours.logarithm)
    reasons = tuple(
        f"{field.name} {getattr(alike, field.name)}, not {getattr(ours, field.name)}"
        for field in fields(Mel)
        if getattr(alike, field.name) != getattr(ours, field.name)
    )
    if reasons:
        return Verdict(None, reasons)
    nats = {"natural": 1.0, "decimal": math.log(10)}
    return Verdict(nats[ours.logarithm] / nats[theirs.logarithm])


@dataclass(frozen=True)
class Known:
    """A vocoder. `weights` and `config`: patterns of its files' names. `mel` None: its config alone says it.

    Where `kind` is None its format is not read here.
    """

    title: str
    kind: Literal["bigvgan", "hifigan", "melgan"] | None
    weights: tuple[str, ...]
    config: str | None
    mel: Mel | None


def _bigvgan(title: str, mel: Mel | None) -> Known:
    return Known(title, "bigvgan", ("bigvgan_generator*.pt", "g_*"), "config.json", mel)


def _hifigan(title: str, mel: Mel | None) -> Known:
    return Known(title, "hifigan", ("g_*", "generator*"), "config*.json", mel)


def _melgan(title: str, weights: str) -> Known:
    return Known(title, "melgan", (weights,), None, Mel(logarithm="decimal"))


DEFAULT = "bigvgan_v2_22khz_80band_256x"
TO_8K = Mel(fmax=8000.0)
TO_7600 = Mel(fmin=80.0, fmax=7600.0, floor=1e-10, centered=True, normalized=True, logarithm="decimal")
VOCOS_24K = Mel(24000, n_mels=100, fmax=12000.0, floor=1e-7, filters="htk", centered=True)

KNOWN: Mapping[str, Known] = {
    DEFAULT: _bigvgan("BigVGAN v2", Mel()),
    "bigvgan_v2_22khz_80band_fmax8k_256x": _bigvgan("BigVGAN v2, to 8 kHz", TO_8K),
    "bigvgan_22khz_80band": _bigvgan("BigVGAN v1", TO_8K),
    "bigvgan_base_22khz_80band": _bigvgan("BigVGAN v1, base", TO_8K),
    "bigvgan": _bigvgan("a BigVGAN of your own", None),
    "hifigan_v1": _hifigan("HiFi-GAN V1", TO_8K),
    "hifigan_v2": _hifigan("HiFi-GAN V2", TO_8K),
    "hifigan_v3": _hifigan("HiFi-GAN V3", TO_8K),
    "hifigan_universal_v1": _hifigan("HiFi-GAN UNIVERSAL_V1", TO_8K),
    "hifigan": _hifigan("a HiFi-GAN of your own", None),
    "melgan_multi_speaker": _melgan("MelGAN, several speakers", "multi_speaker.pt"),
    "melgan_linda_johnson": _melgan("MelGAN, one speaker", "linda_johnson.pt"),
    "parallel_wavegan": Known(
        "Parallel WaveGAN and its kin", None, ("checkpoint-*steps.pkl",), "config.yml", TO_7600
    ),
    "vocos_mel_24khz": Known("Vocos, 24 kHz", None, ("pytorch_model.bin",), "config.yaml", VOCOS_24K),
    "vocos_mel_22khz": Known("Vocos, 22 kHz", None, ("pytorch_model.bin",), "config.yaml", TO_8K),
}


class Rescaled(Generator):
    """A vocoder whose mels have another unit than ours: M * factor."""

    def __init__(self, inner: Generator, factor: float) -> None:
        super().__init__(inner.sample_rate, inner.geometry)
        self.inner = inner
        self.factor = factor

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, T), ours -> samples (B, hop * T)"""
        samples: Tensor = self.inner(mel * self.factor)
        return samples


def open_vocoder(
    name: str,
    directory: Path,
    config: MelConfig,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Generator:
    """The vocoder `name` from the files in `directory`, ready for mels as `config` makes them.

    What its own config says of its mels counts, not what the table says. Matrices are held in `dtype`.
    Raises Rejected: unknown, made for other mels, not there, damaged, or not the net its name says.
    """
    known = _known(name)
    entries: Mapping[str, Any] = {}
    theirs, described = known.mel, directory
    if known.kind is not None and known.config is not None:
        described = _one(directory, (known.config,), known)
        entries = read_json(described)
        theirs = _entries(Mel.heard, entries, described)
    assert theirs is not None  # only a config takes the table's place
    factor = _factor(known, theirs, Mel.of(config))
    if known.kind is None:
        raise Rejected("Files of {title} cannot be read here. Take another vocoder.", title=known.title)
    weights = _one(directory, known.weights, known)
    with torch.device("meta"):
        made = _entries(NETS[known.kind], entries, described)
    _fill(made, _state(known, weights), known, weights, dtype)
    made.to(device).eval()
    return made if factor == 1 else Rescaled(made, factor)


def usable() -> tuple[str, ...]:
    """The published ones that can be given IndexTTS-2's mels."""
    return tuple(name for name, known in KNOWN.items() if known.mel and verdict(known.mel).factor is not None)


def _known(name: str) -> Known:
    if name not in KNOWN:
        names = ", ".join(KNOWN)
        raise Rejected("There is no vocoder called {name}. There are: {names}.", name=name, names=names)
    return KNOWN[name]


def _factor(known: Known, theirs: Mel, ours: Mel) -> float:
    found = verdict(theirs, ours)
    if found.factor is None:
        raise Rejected(
            "{title} was made for other mels than IndexTTS-2's: {reasons}. Take {usable}, or one that was "
            "trained on these mels.",
            title=known.title,
            reasons="; ".join(found.reasons),
            usable=", ".join(usable()),
        )
    return found.factor


def _one(directory: Path, patterns: tuple[str, ...], known: Known) -> Path:
    found = sorted({path for pattern in patterns for path in directory.glob(pattern) if path.is_file()})
    if not found:
        raise Rejected(
            "{directory} has no {files}. Put the files of {title} there.",
            directory=directory,
            files=" or ".join(patterns),
            title=known.title,
        )
    if len(found) > 1:
        raise Rejected(
            "{directory} has {files}. Leave one of them there.",
            directory=directory,
            files=", ".join(path.name for path in found),
        )
    return found[0]


def _entries(read: Callable[[Mapping[str, Any]], Read], entries: Mapping[str, Any], path: Path) -> Read:
    try:
        return read(entries)
    except KeyError as e:
        raise Rejected("{path} has no {entry}.", path=path, entry=str(e)) from e
    except (TypeError, ValueError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=path, reason=str(e)) from e


def _state(known: Known, path: Path) -> dict[str, Tensor]:
    """With weight norm folded. What lies beside the generator (a step, an optimiser) is not read."""
    if known.kind == "bigvgan":
        return Reader({"bigvgan": path}, 0).read("bigvgan").state()
    content = load(path)
    if isinstance(content, Mapping) and isinstance(content.get("generator"), Mapping):
        content = content["generator"]
    try:
        return fold(unwrapped(state(content)))
    except ValueError as e:
        raise Rejected("{path} cannot be read: {reason}", path=path, reason=str(e)) from e


def _fill(made: Generator, read: dict[str, Tensor], known: Known, path: Path, dtype: torch.dtype) -> None:
    expected = {key: tuple(tensor.shape) for key, tensor in made.state_dict().items()}
    wrong = list(differences(expected, {key: tuple(tensor.shape) for key, tensor in read.items()}))
    if wrong:
        raise Rejected(
            "{path} does not hold {title} as it is described: {wrong}.",
            path=path,
            title=known.title,
            wrong="; ".join(wrong[:MOST_NAMED]),
        )
    held = {key: tensor.to(stored(tensor.shape, dtype)) for key, tensor in read.items()}
    made.load_state_dict(held, assign=True)
