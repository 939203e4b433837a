"""How much work goes into one render job: batches are cut by time. Pure functions over plain values."""

from collections.abc import Sequence
from dataclasses import dataclass

SECONDS_PER_CHARACTER = 0.22  # of speech, one Han character at an audiobook's pace
MOST_SEGMENTS = 512
SHORT_SEGMENT = 40.0  # spoken characters; a novel's mean is 60 to 80
FEWEST_CANDIDATES = 16
UNKNOWN_SPEED = 1.0  # x realtime, until a worker was measured
PROBATION_S = 10.0  # the first batch of an unmeasured worker


FIRST_SHARE = 1 / 6
"""Of a batch: a project's first one is short, so that many new ones are all heard soon."""

LAST_SHARE = 1 / 10
"""Of a batch: how short the last ones become, so that all workers end together."""

COMPANY = (MOST_SEGMENTS, 16, 4, 1)
"""How many segments may travel together with one that was tried 0, 1, 2, 3 times: suspicion isolates, and the
last attempt is alone, so an innocent segment never fails for its company."""


@dataclass(frozen=True)
class Waiting:
    """A segment that waits to be spoken. `length` is in spoken characters, `failed_by` are workers."""

    id: int
    take_key: str
    length: float
    attempts: int = 0
    failed_by: frozenset[int] = frozenset()
    chapter_id: int = 0


def expected_seconds(length: float) -> float:
    """Seconds of audio that `length` spoken characters become."""
    return length * SECONDS_PER_CHARACTER


def target_seconds(batch_s: float, speed: float | None) -> float:
    """Seconds of audio that keep a worker of `speed` (x realtime; None: not measured) busy for a batch."""
    return batch_s * speed if speed else min(batch_s, PROBATION_S) * UNKNOWN_SPEED


def at_the_end(batch_s: float, left_s: float, speed: float) -> float:
    """Seconds of a batch when `left_s` of audio are left for workers of `speed` together: half of its share.

    >>> [at_the_end(30, left_s, speed=10) for left_s in (6000, 300, 1)]
    [30, 15.0, 3.0]
    """
    return min(batch_s, max(left_s / speed / 2, LAST_SHARE * batch_s))


def candidates(target_s: float) -> int:
    """How many waiting segments to look at for a batch: enough of them unless they are very short.

    >>> [candidates(target_s) for target_s in (10, 300, 10_000)]
    [16, 34, 512]
    """
    enough = round(target_s / expected_seconds(SHORT_SEGMENT))
    return min(max(enough, FEWEST_CANDIDATES), MOST_SEGMENTS)


def cut(waiting: Sequence[Waiting], target_s: float) -> list[Waiting]:
    """The first of `waiting` worth `target_s` of audio: at least one, each recipe once."""
    batch: list[Waiting] = []
    keys: set[str] = set()
    room = MOST_SEGMENTS
    left_s = target_s
    for segment in waiting:
        if segment.take_key in keys:
            continue
        room = min(room, COMPANY[min(segment.attempts, len(COMPANY) - 1)])
        left_s -= expected_seconds(segment.length)
        if batch and (len(batch) >= room or left_s < 0):
            break
        batch.append(segment)
        keys.add(segment.take_key)
    return batch
