"""What workers say of themselves, as far as it can be true: a worker is a stranger's machine."""

from collections.abc import Mapping
from typing import Any

NUMBERS = (
    *("vram_used_mib", "vram_total_mib", "utilisation", "celsius", "watts"),
    *("speed_now", "rss_mib", "spooled_mib"),
)
WORDS = ("step", "host", "gpu", "trouble")
LONGEST_WORD = 200  # characters of what a worker says of itself
MOST_STAGES, LONGEST_STAGE = 12, 40
LARGEST_NUMBER = 1e9


def facts(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a worker says of itself, as far as it can be true: numbers or None, texts, the voices it holds,
    seconds by stage of its engine.
    """
    numbers = {name: number(said.get(name)) for name in NUMBERS}
    texts = {name: words(said.get(name)) for name in WORDS}
    voices = said.get("voices")
    held = len(voices) if isinstance(voices, list) else number(voices)
    return {**numbers, **texts, "voices": held, "stages": stages(said)}


def stages(said: Mapping[str, Any]) -> dict[str, float]:
    """Seconds by stage of the engine's work since it was loaded.

    >>> stages({"stages": {"mel": 2, "wave": -1, "x" * 99: 1}}), stages({"stages": [7]})
    ({'mel': 2.0}, {})
    """
    told = said.get("stages")
    found = {
        stage: seconds
        for stage, value in (told.items() if isinstance(told, dict) else ())
        if len(stage) <= LONGEST_STAGE and (seconds := number(value)) is not None
    }
    return dict(list(found.items())[:MOST_STAGES])


def number(value: object) -> float | None:
    """
    >>> [number(value) for value in (3, -1, True, "7", float("nan"), 10**400, None)]
    [3.0, None, None, None, None, None, None]
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LARGEST_NUMBER else None


def words(value: object) -> str:
    return value[:LONGEST_WORD] if isinstance(value, str) else ""
