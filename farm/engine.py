"""The port every speaking engine fits: a batch of utterances in, speech out."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TITLES = {"indextts2": "IndexTTS-2"}
"""What people call the engines whose names are not words."""


def title(engine: str) -> str:
    """
    >>> title("indextts2"), title("preview")
    ('IndexTTS-2', 'preview')
    """
    return TITLES.get(engine, engine)


OFFERED = ("preview", "indextts2")
"""The engines that people choose from."""
LOADABLE = (*OFFERED, "simulated")
"""The engines that a worker can load: those of `models`, which the farm does not import."""
WITH_CHECKPOINT = frozenset({"indextts2"})
"""Engines whose weights a person has added to the machine (farm.checkpoints)."""
UNJUDGED: Mapping[str, Mapping[str, object]] = {"indextts2": {"guards": 0}}
"""Options by which an engine that judges what it spoke passes all of it, as while it is measured."""
PRESETS: Mapping[str, tuple[str, ...]] = {"indextts2": ("exact", "fast", "draft")}
"""How carefully an engine can speak: the first is its default. (Preset voices are something else.)"""
DIRECTED = frozenset({"indextts2", "simulated"})
"""Engines that do more of a direction than its pace."""
EMOTIONS = ("happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm")
"""In the order of IndexTTS-2's vectors."""
WITHOUT_PRECISION = frozenset({"preview"})
"""Engines that compute in none: on any card and on none, they speak alike."""


WITH_PRESETS = frozenset({"preview", "simulated"})
"""Engines that speak with preset voices (farm.voices)."""
CLONING = frozenset({"indextts2", "simulated"})
"""Engines that speak with a voice of which they are given a recording (farm.recordings)."""


def precision(engine: str, dtype: str) -> str:
    """What an engine computes in where a GPU class has `dtype`; "" where it does not matter.

    >>> precision("indextts2", "fp16"), precision("preview", "fp16")
    ('fp16', '')
    """
    return "" if engine in WITHOUT_PRECISION else dtype


def preset(engine: str, wanted: str = "") -> str:
    """Which of its presets an engine speaks with where `wanted` ("": none) was chosen; "" where it has none.

    >>> preset("indextts2"), preset("indextts2", "draft"), preset("preview")
    ('exact', 'draft', '')
    """
    known = PRESETS.get(engine, ())
    return wanted if wanted in known else next(iter(known), "")


@dataclass(frozen=True)
class Audio:
    """Mono samples in [-1, 1], shape (T,), and their rate in Hz."""

    samples: Samples
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class VoicePrint:
    """What an engine computed from a voice, so that it is computed once. `key` names it by content."""

    key: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The print whose key is the hash of `data` (anything JSON can say)."""
        content = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return cls(hashlib.sha256(content.encode()).hexdigest(), data)


@dataclass(frozen=True)
class Direction:
    """How a segment is to be spoken. An engine ignores what it cannot do but the pace, which all can.

    `pace` 1.0 is the engine's own tempo, 2.0 twice as fast (0.5 to 2.0); `seconds`: in exactly so many.
    `emotion` are weights in [0, 1] of IndexTTS-2's eight (happy, angry, sad, afraid, disgusted, melancholic,
    surprised, calm), × `intensity` (0.5 to 2.0); `words` describe one in a few words. `like` is a recording,
    as a cast has it, whose emotion is taken by `strength` (0 to 1).
    """

    pace: float = 1.0
    seconds: float | None = None
    emotion: Mapping[str, float] = field(default_factory=dict)
    intensity: float = 1.0
    words: str = ""
    like: Mapping[str, Any] = field(default_factory=dict)
    strength: float = 1.0


@dataclass(frozen=True)
class Utterance:
    """One segment, ready to be spoken. `language` is zh, en, ja or ko; `text` is the spoken text."""

    text: str
    language: str
    voice: VoicePrint
    direction: Direction = Direction()
    seed: int = 0
    preset: str = ""
    """Of the engine's presets, what the project's takes are made with; "": its default."""


@dataclass(frozen=True)
class Speech:
    """What was spoken. `seed` is the one that was used (a retry inside the engine derives a new one)."""

    audio: Audio
    seed: int


@dataclass(frozen=True)
class SpeechFailure:
    """Why an utterance could not be spoken. `kind` is one of text, voice, engine, memory, timeout.

    What is wrong with the text, or with the voice, is wrong on every machine.
    """

    kind: str
    reason: str


@runtime_checkable
class Staged(Protocol):
    """What an engine may be besides: one that says how long each stage of its work took."""

    @property
    def spent(self) -> Mapping[str, float]:
        """Seconds by stage since the engine was loaded. The names are short English words."""
        ...


class Engine(Protocol):
    """Speaks batches. The answer for an utterance may not depend on who shares its batch."""

    name: str
    sample_rate: int
    fingerprint: str
    """Of the weights (or of the library and its data): two workers with equal fingerprints speak alike."""
    languages: frozenset[str]

    def voice_print(self, voice: Mapping[str, Any]) -> VoicePrint:
        """The print of `voice` as a cast has it: a preset's parameters (farm.voices), or a recording.

        A recording comes as {"recording": sha256, "path": file}: the SHA-256 of the file, in hexadecimal, and
        the path (str) at which it lies on this machine: mono PCM WAV of at most 15 s, at the 8 to 48 kHz that
        it was recorded at. The worker has checked that the file has the hash. The path holds during this call
        alone and differs from machine to machine: the print's key follows from the hash, never from the path.
        Raises farm.errors.Rejected when the engine cannot speak with it.
        """
        ...

    def speak(
        self, batch: Sequence[Utterance], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
        """Yield (index into `batch`, result) as results are ready, in any order, each index once.

        `stop` is asked between micro-batches; once it is true nothing more is started.
        """
        ...

    def close(self) -> None:
        """Give back processes and memory."""
        ...
