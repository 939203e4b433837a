"""Directions: what people may ask of how something is spoken, and what they are warned of. Pure choices.

What is stored of one is what differs from the engine's own way, by the names of farm.engine.Direction: a
direction that asks for nothing is {}, and names the same takes as none.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

from farm.audio.qa import expected_s
from farm.engine import DIRECTED, EMOTIONS, TITLES
from farm.engine import title as engine_title
from farm.errors import Rejected
from farm.messages import Message
from farm.text.wordlists import rows

Stored = dict[str, Any]

PACES = INTENSITIES = (0.5, 2.0)
STRENGTHS = WEIGHTS = (0.0, 1.0)
SECONDS = (0.5, 60.0)
STRETCHES = (0.75, 1.25)
"""Of the length it would have: how far what is spoken is stretched without being heard to be."""
EVERYWHERE = frozenset({"pace"})
"""What every engine does."""
LONGEST_WORDS = 200  # characters that are taken
LONGEST_DESCRIPTION = 10
"""Characters; longer ones are read as a story, and mixed from too many emotions."""

WORDS: Mapping[str, tuple[str, ...]] = {name: tuple(words) for name, *words in rows("emotion_words")}
NEGATED = re.compile(r"(?:不|没有?|无|别|勿|非|\bnot |\bnever )$")
OPPOSED = frozenset(
    frozenset(pair)
    for pair in (
        *(("happy", other) for other in ("angry", "sad", "afraid", "disgusted", "melancholic")),
        *(("calm", other) for other in ("angry", "afraid", "surprised")),
        ("loud", "quiet"),
        ("fast", "slow"),
    )
)


def checked(engine: str, wanted: Mapping[str, Any]) -> Stored:
    """What is stored of `wanted`, where `like` is a cast's voice already. Raises Rejected.

    >>> checked("indextts2", {"pace": 1, "emotion": {"sad": 0.5, "calm": 0}, "strength": 0.5})
    {'emotion': {'sad': 0.5}}
    """
    found = {}
    for name, value in wanted.items():
        if name not in CHECKS:
            raise Rejected("A direction has no {name}. It has: {names}.", name=name, names=", ".join(CHECKS))
        if value is not None:
            found[name] = CHECKS[name](value)
    found = {name: value for name, value in found.items() if value not in (USUAL.get(name), {}, "")}
    if "seconds" in found:
        found.pop("pace", None)
    if not found.keys() & {"emotion", "words"}:
        found.pop("intensity", None)
    if "like" not in found:
        found.pop("strength", None)
    if engine not in DIRECTED and (more := sorted(found.keys() - EVERYWHERE)):
        raise Rejected(
            "The engine {engine} speaks faster or slower, but knows no {names}. Make the project with an "
            "engine that does: {engines}.",
            engine=engine_title(engine),
            names=", ".join(more),
            engines=", ".join(engine_title(name) for name in sorted(DIRECTED & TITLES.keys())),
        )
    return found


def warnings(engine: str, direction: Mapping[str, Any], natural_s: float | None = None) -> list[Message]:
    """What may be heard to be wrong with a stored direction; it is followed all the same.

    `natural_s`: how long what is directed would last without it, where that is known.
    """
    found = of_words(direction.get("words", ""))
    factor = 1 / direction.get("pace", 1.0) if engine in DIRECTED else 1.0
    if "seconds" in direction and natural_s:
        factor = direction["seconds"] / natural_s
    if not STRETCHES[0] <= round(factor, 3) <= STRETCHES[1]:
        least, most = (round(100 * bound) for bound in STRETCHES)
        found.append(
            Message(
                "It becomes {percent} % as long as it would be; {least} to {most} % sound natural.",
                {"percent": round(100 * factor), "least": least, "most": most},
            )
        )
    return found


def of_words(description: str) -> list[Message]:
    """Whether `description` is too long, or says opposite things.

    >>> of_words("愤怒地质问,声音颤抖"), [str(each) for each in of_words("高兴又悲伤")]
    ([], ['高兴 and 悲伤 contradict each other: what is heard is a mixture of both.'])
    """
    found = []
    length = len(description.strip())
    if length > LONGEST_DESCRIPTION:
        found.append(
            Message(
                "The description has {length} characters; up to {most} are understood best.",
                {"length": length, "most": LONGEST_DESCRIPTION},
            )
        )
    for (name, word), (other, opposite) in combinations(_named(description), 2):
        if frozenset({name, other}) in OPPOSED:
            found.append(
                Message(
                    "{one} and {other} contradict each other: what is heard is a mixture of both.",
                    {"one": word, "other": opposite},
                )
            )
    return found


def pace_of(direction: Mapping[str, Any], length: float, language: str) -> float:
    """How much faster than usual a segment of so many spoken characters becomes."""
    if seconds := direction.get("seconds"):
        return max(expected_s(length, language), 0.1) / float(seconds)
    return float(direction.get("pace", 1.0))


def of_a_part(direction: Mapping[str, Any], share: float) -> Stored:
    """The direction of a piece that a directed segment was cut into.

    >>> of_a_part({"seconds": 8.0, "words": "低声"}, 0.25)
    {'seconds': 2.0, 'words': '低声'}
    """
    part = dict(direction)
    if "seconds" in part:
        part["seconds"] = round(max(part["seconds"] * share, SECONDS[0]), 3)
    return part


def _number(name: str, value: Any, bounds: tuple[float, float]) -> float:
    """Rounded, so that what a slider gives names the same takes as what is typed. Raises Rejected."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not math.isfinite(value) or not bounds[0] <= value <= bounds[1]:
        raise Rejected(
            "The {name} of a direction is a number from {least} to {most}, not {value}.",
            name=name,
            least=bounds[0],
            most=bounds[1],
            value=str(value)[:40],
        )
    return round(float(value), 3)


def _between(name: str, bounds: tuple[float, float]) -> Callable[[Any], float]:
    return lambda value: _number(name, value, bounds)


def _emotion(value: Any) -> dict[str, float]:
    """The weights that are above 0, in their usual order. Raises Rejected."""
    if not isinstance(value, Mapping):
        raise Rejected("Give emotions as weights by name: {names}.", names=", ".join(EMOTIONS))
    if unknown := [name for name in value if name not in EMOTIONS]:
        raise Rejected(
            "There is no emotion {name}. There are: {names}.",
            name=str(unknown[0])[:40],
            names=", ".join(EMOTIONS),
        )
    weights = {name: _number(name, value[name] or 0, WEIGHTS) for name in EMOTIONS if name in value}
    return {name: weight for name, weight in weights.items() if weight}


def _words(value: Any) -> str:
    plain = " ".join(value.split()) if isinstance(value, str) else None
    if plain is None or len(plain) > LONGEST_WORDS or not (plain.isprintable() or not plain):
        raise Rejected("Describe the emotion in at most {most} characters.", most=LONGEST_WORDS)
    return plain


def _named(description: str) -> Iterator[tuple[str, str]]:
    """(emotion or manner, the first word that names it); a word that is negated does not."""
    lowered = description.lower()
    for name, words in WORDS.items():
        for word in words:
            pattern = rf"\b{word}\b" if word.isascii() else word
            if any(not NEGATED.search(lowered[: match.start()]) for match in re.finditer(pattern, lowered)):
                yield name, word
                break


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "pace": _between("pace", PACES),
    "seconds": _between("seconds", SECONDS),
    "emotion": _emotion,
    "intensity": _between("intensity", INTENSITIES),
    "words": _words,
    "like": dict,
    "strength": _between("strength", STRENGTHS),
}
USUAL: Mapping[str, Any] = {"pace": 1.0, "intensity": 1.0, "strength": 1.0}
