"""A voice print: what the engine needs to know of a recording, and how it is heard.

Tm frames of the reference mel (86 Hz), Tw frames of features (50 Hz), D = gpt.model_dim,
C = dit.content_dim, M mel bands, S width of the style.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, Self, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn

from farm.engine import Audio
from farm.errors import Rejected
from models.indextts2 import recording, reference
from models.indextts2.campplus import STYLE, CAMPPlus
from models.indextts2.codec import Codec
from models.indextts2.conditioning import Conditioning
from models.indextts2.config import Config
from models.indextts2.recording import LONGEST_S
from models.indextts2.reference import SPEAKER_RATE
from models.indextts2.regulator import LengthRegulator
from models.indextts2.w2v import W2V, W2VConfig, normalised

FORMAT = "indextts2 voice 1 float32"
"""Part of every key: to be raised when prints come out otherwise than before."""
LARGEST = 64 * 2**20
"""Bytes of a stored print. Fifteen seconds take 3 MB."""

Net = TypeVar("Net", bound=nn.Module)


def key(audio: bytes, fingerprint: str) -> str:
    """Names the print of a recording by its file's bytes and the weights that hear it.

    Not by the decoded samples: another version of a decoder would give the same recording another name.
    The engine's precision is not in it, for prints are float32 under each (see Listener).
    """
    heard = [FORMAT, hashlib.sha256(audio).hexdigest(), fingerprint]
    return hashlib.sha256("\n".join(heard).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Voice:
    """float32 on the CPU, all finite. Not to be written to: several batches share one."""

    conditioning: Tensor
    """(32, D): the perceiver's latents, before an emotion is added."""
    own: Tensor
    """(D,): the emotion heard in the speaker's signal, from which a merge departs."""
    echo: Tensor
    """(D,): the emotion of the same recording heard as an emotion recording, which has another resampler."""
    style: Tensor
    """(S,): of CAM++."""
    mel: Tensor
    """(M, Tm): the prompt of the flow matching."""
    condition: Tensor
    """(Tm, C): what that prompt says."""

    def save(self, path: Path) -> None:
        """Whole or not at all; a file that was there is replaced."""
        data = safetensors.save(dict(vars(self)))
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path, config: Config) -> Self:
        """Raises Rejected: unreadable, or not a print for `config`. Raises FileNotFoundError."""
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        try:
            tensors = safetensors.load(data) if len(data) <= LARGEST else {}
        except (SafetensorError, KeyError, ValueError) as e:
            raise _damaged(path.name) from e
        if set(tensors) != {field.name for field in fields(cls)}:
            raise _damaged(path.name)
        voice = cls(**tensors)
        if not voice.fits(config):
            raise _damaged(path.name)
        return voice

    def fits(self, config: Config) -> bool:
        """Whether the shapes are those of `config`, and all numbers finite."""
        frames = self.mel.shape[-1] if self.mel.ndim else 0
        wanted = {
            "conditioning": (config.gpt.latents, config.gpt.model_dim),
            "own": (config.gpt.model_dim,),
            "echo": (config.gpt.model_dim,),
            "style": (STYLE,),
            "mel": (config.mel.n_mels, frames),
            "condition": (frames, config.regulator.channels),
        }
        return 0 < frames <= LONGEST_S * SPEAKER_RATE / config.mel.hop_length and all(
            tensor.dtype == torch.float32
            and tuple(tensor.shape) == wanted[name]
            and bool(tensor.isfinite().all())
            for name, tensor in vars(self).items()
        )


def _damaged(name: str) -> Rejected:
    return Rejected("{name} is no voice print of these weights, or damaged. Delete it.", name=name)


class Parts(Protocol):
    """A checkpoint as it is kept: state dicts by the names of their parts."""

    def part(self, name: str) -> Mapping[str, Tensor]: ...


class Listener:
    """Hears recordings, with nets that are loaded when they are first needed (3 GB) and freed by `close`.

    In float32 whatever the engine speaks in: it is done once for a voice, a code of the codec changes with
    the last bits, and a print serves every precision. Not for several threads at once.
    """

    def __init__(self, parts: Parts, config: Config, device: torch.device | str = "cpu") -> None:
        self._parts = parts
        self._config = config
        self._device = torch.device(device)
        self._nets: dict[str, nn.Module] = {}
        self._stats: Mapping[str, Tensor] = {}

    def hear(self, audio: bytes | Path) -> Voice:
        """The print of a recording, of which the first 15 s count. Raises Rejected: no voice in it."""
        recorded = _recorded(audio)
        signal = reference.speaker_signal(recorded)
        listened = reference.downsampled(signal)
        mel = reference.mel(signal, self._config.mel)  # (1, M, Tm)
        with _exact():
            features = self._features(listened)  # (1, Tw, 1024)
            conditioning = self._conditioning
            _, quantized = self._codec.encode(features)  # (1, Tw, 1024)
            voice = Voice(
                conditioning=_kept(conditioning.speaker(features)),
                own=_kept(conditioning.emotion(features)),
                echo=self._emotion(recorded),
                style=_kept(self._campplus(reference.fbank(listened).to(self._device))),
                mel=_kept(mel),
                condition=_kept(self._regulated(quantized, mel.shape[-1])),
            )
        if not voice.fits(self._config):
            raise Rejected("The recording is too loud to compute with. Export it again as 16-bit WAV.")
        return voice

    def feel(self, audio: bytes | Path) -> Tensor:
        """The emotion (D,) of a recording, which may be another person's: equal to its voice's `echo`.

        Raises Rejected, as `hear` does.
        """
        with _exact():
            return self._emotion(_recorded(audio))

    def close(self) -> None:
        """Free the nets. Another call loads them again."""
        self._nets.clear()
        self._stats = {}
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _emotion(self, recorded: Audio) -> Tensor:
        return _kept(self._conditioning.emotion(self._features(reference.emotion_signal(recorded))))

    def _features(self, signal: Tensor) -> Tensor:
        """(1, N) of 16 kHz -> (1, Tw, 1024)"""
        features, mask = reference.seamless(signal)
        hidden = self._w2v(features.to(self._device), mask.to(self._device))
        if not self._stats:
            self._stats = {name: tensor.to(hidden) for name, tensor in self._parts.part("stats").items()}
        return normalised(hidden, self._stats["mean"], self._stats["var"])

    def _regulated(self, quantized: Tensor, frames: int) -> Tensor:
        """(1, Tw, 1024) -> (1, frames, C)"""
        lengths = (torch.tensor([n], device=self._device) for n in (quantized.shape[1], frames))
        return cast(Tensor, self._regulator(quantized, *lengths))

    @property
    def _w2v(self) -> W2V:
        return self._net("w2v", lambda state: W2V(W2VConfig.of(state)))

    @property
    def _codec(self) -> Codec:
        return self._net("codec", lambda _: Codec(self._config.codec))

    @property
    def _campplus(self) -> CAMPPlus:
        return self._net("campplus", lambda _: CAMPPlus())

    @property
    def _conditioning(self) -> Conditioning:
        return self._net("conditioning", lambda _: Conditioning(self._config.gpt))

    @property
    def _regulator(self) -> LengthRegulator:
        return self._net("regulator", lambda _: LengthRegulator(self._config.regulator))

    def _net(self, name: str, build: Callable[[Mapping[str, Tensor]], Net]) -> Net:
        if name not in self._nets:
            state = self._parts.part(name)
            with torch.device("meta"):  # no time and no memory for weights that are replaced
                net = build(state)
            net.load_state_dict(state, strict=True, assign=True)
            self._nets[name] = net.eval().requires_grad_(False).to(self._device, torch.float32)
        return cast(Net, self._nets[name])


def _recorded(audio: bytes | Path) -> Audio:
    return recording.decode(recording.read(audio) if isinstance(audio, Path) else audio)


def _kept(row: Tensor) -> Tensor:
    """The one row of a batch, alone on the CPU."""
    return row[0].float().cpu().clone(memory_format=torch.contiguous_format)


@contextmanager
def _exact() -> Iterator[None]:
    """No gradients, and no TF32: a card rounds what convolutions are given to ten bits unless told."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        cudnn = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.no_grad(), cudnn:
            yield
    finally:
        torch.set_float32_matmul_precision(before)
