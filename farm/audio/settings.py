"""How a chapter is mastered: loudness, pauses, encoding; what a project stores and a person may change."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from farm.errors import Rejected

PAUSES_MS: Mapping[str, int] = {
    "phrase": 300,  # a sentence too long for one segment was cut here
    "sentence": 600,
    "paragraph": 900,
    "scene": 1500,
    "title": 1200,
}
"""After each boundary: the short set of the field's tools, and a clear breath after a chapter's title."""

RANGES: Mapping[str, tuple[float, float]] = {
    "lufs": (-30, -12),
    "true_peak_db": (-9, -1),
    "bitrate": (32_000, 192_000),
    "fade_ms": (0, 200),
    "head_s": (0, 10),
    "tail_s": (0, 30),
}
CHOICES: Mapping[str, tuple[int | str, ...]] = {
    "sample_rate": (22_050, 24_000, 32_000, 44_100, 48_000),
    "aac_coder": ("fast", "twoloop"),
}
LONGEST_PAUSE_MS = 30_000


@dataclass(frozen=True)
class MasteringSettings:
    """Raises Rejected when a value is out of range. Head and tail as ACX asks (0.5–1 s, 1–5 s)."""

    lufs: float = -19.0
    true_peak_db: float = -3.0
    sample_rate: int = 44_100
    bitrate: int = 64_000
    aac_coder: str = "fast"
    """On speech FFmpeg's twoloop costs four times as much, adds 10 dB more noise and overshoots by 3 dB."""
    fade_ms: float = 20
    head_s: float = 0.5
    tail_s: float = 2.0
    pauses_ms: Mapping[str, int] = field(default_factory=lambda: dict(PAUSES_MS))

    def __post_init__(self) -> None:
        for name, (lowest, highest) in RANGES.items():
            _check_range(name, getattr(self, name), lowest, highest)
        for name, choices in CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        for boundary in PAUSES_MS:
            _check_range(f"pauses_ms.{boundary}", self.pauses_ms.get(boundary), 0, LONGEST_PAUSE_MS)
        for boundary in self.pauses_ms:
            _check_choice("pauses_ms", boundary, tuple(PAUSES_MS))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "MasteringSettings":
        """Read what `to_json` wrote, or part of it: the rest is the default. Raises Rejected."""
        for name in stored:
            _check_choice("mastering", name, tuple(f.name for f in fields(cls)))
        pauses = stored.get("pauses_ms", {})
        if not isinstance(pauses, Mapping):
            raise Rejected("The setting {name} must be a table of pauses in milliseconds.", name="pauses_ms")
        return cls(**{**stored, "pauses_ms": {**PAUSES_MS, **pauses}})


def _check_range(name: str, value: object, lowest: float, highest: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not lowest <= value <= highest:  # type: ignore[operator]
        raise Rejected(
            "The setting {name} is {value}. Choose a number from {lowest} to {highest}.",
            name=name,
            value=value,
            lowest=lowest,
            highest=highest,
        )


def _check_choice(name: str, value: object, choices: tuple[int | str, ...]) -> None:
    if value not in choices:
        raise Rejected(
            "{value} is not a choice for {name}. Choose one of {choices}.",
            name=name,
            value=value,
            choices=", ".join(map(str, choices)),
        )
