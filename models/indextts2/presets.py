"""How carefully the engine speaks: what a preset's name stands for. It is part of a take's key.

`exact` is the reference without its beams. `fast` and `draft` spend less on the mel, and may be heard to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farm.errors import Rejected
from models.indextts2.cfm import SCHEDULES, Schedule
from models.indextts2.sampling import Sampling


@dataclass(frozen=True)
class Preset:
    name: str
    sampling: Sampling
    schedule: Schedule


PRESETS: Mapping[str, Preset] = {
    name: Preset(name, Sampling(), schedule) for name, schedule in SCHEDULES.items()
}
DEFAULT = "exact"


def preset(name: str) -> Preset:
    """Raises Rejected, naming those there are."""
    if name not in PRESETS:
        raise Rejected(
            "There is no preset called {name}. There are: {names}.", name=name, names=", ".join(PRESETS)
        )
    return PRESETS[name]
