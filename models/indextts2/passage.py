"""An utterance on its way through the nets: one part as a rule, several where it is too long for them."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from farm.engine import Audio, Samples, Speech, Utterance
from models.indextts2.segments import ENDS, split
from models.indextts2.text import SPACE

PAUSE_S = 0.2
"""Between two parts, where a sentence ends: as the reference joins its segments."""
TRIES = 3


@dataclass(frozen=True)
class Part:
    """`pieces` of the utterance `at` that go through the nets at once. `place` orders parts of parts."""

    at: int
    pieces: tuple[str, ...]
    place: tuple[int, ...] = ()
    tried: int = 0

    @property
    def text(self) -> str:
        """What it says, roughly: its pieces joined."""
        return "".join(self.pieces).replace(SPACE, " ").strip()

    def seed(self, of_utterance: int) -> int:
        """Its own; that of the utterance itself for a first try of the whole."""
        return derived(of_utterance, *self.place, *[-1] * self.tried)

    def again(self) -> "Part":
        return Part(self.at, self.pieces, self.place, self.tried + 1)

    def halves(self) -> list["Part"]:
        """The same pieces in parts about half as long, cut where the reference would."""
        if len(self.pieces) < 2:
            return [self]
        shorter = split(self.pieces, -(-len(self.pieces) // 2))
        return [Part(self.at, tuple(part), (*self.place, n)) for n, part in enumerate(shorter)]


@dataclass
class Passage:
    """What came of an utterance's parts so far."""

    utterance: Utterance
    expected: int
    """How many parts are to come."""
    spoken: dict[tuple[int, ...], tuple[Part, Samples, int]] = field(default_factory=dict)

    def put(self, part: Part, samples: Samples) -> None:
        self.spoken[part.place] = part, samples, part.seed(self.utterance.seed)

    def cut(self, into: int) -> None:
        """One of its parts is spoken in so many."""
        self.expected += into - 1

    @property
    def is_whole(self) -> bool:
        return len(self.spoken) == self.expected

    def speech(self, sample_rate: int) -> Speech:
        """All parts in their order."""
        said = [self.spoken[place] for place in sorted(self.spoken)]
        pieces = [pieces for part, samples, _ in said for pieces in (samples, _pause(part, sample_rate))]
        seed = said[0][2] if len(said) == 1 else self.utterance.seed
        return Speech(Audio(np.concatenate(pieces[:-1]), sample_rate), seed)


def derived(seed: int, *places: int) -> int:
    """A seed that follows from another and some numbers; `seed` itself without any.

    >>> derived(7), derived(7, 1) == derived(7, 1), derived(7, 1) == derived(7, 2)
    (7, True, False)
    """
    if not places:
        return seed
    digest = hashlib.sha256(repr((seed, places)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # generators take 63 bits


def _pause(part: Part, sample_rate: int) -> Samples:
    ends = part.pieces[-1] in (*ENDS, "▁!")
    return np.zeros(round(PAUSE_S * sample_rate) if ends else 0, np.float32)
