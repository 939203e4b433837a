"""What tells speech from a runaway: how long a text should take, and codes or samples that say it went wrong.

A language model over codes may fail to stop, loop, or fall silent. The thresholds are wide: nobody's reading
may be taken for a failure.
"""

import re
from collections.abc import Sequence

import numpy as np

from farm.engine import Samples

CODES_PER_S = 22050 / 256 / 1.72
"""50.08 codes make a second of speech."""
HAN_S, LETTER_S, DIGIT_S = 0.22, 0.068, 0.25
"""How long one takes to say, and a pause at punctuation."""
PAUSE_S = 0.25
SHORTEST_S = 0.4
SHORTER, LONGER = 0.5, 2.5
"""A take lasts between so many times of what its text should take."""
SLACK_S = 1.0
"""Short texts vary more than their share: an interjection may be drawn out."""
MOST_FACTOR, MOST_MORE = 3.2, 40
"""Decoding stops after so many times the expected codes, and so many more."""
LONGEST_BLOCK = 16
REPEATS_S = 2.4
"""Codes that go round in a block for so long are a loop; no phoneme is held for so long."""
SILENCE_S = 4.0
QUIET = 10 ** (-50 / 20)
FRAME_S = 0.02

HAN = re.compile(r"[\u3400-\u9fff]")
LETTER = re.compile(r"[A-Za-z]")
DIGIT = re.compile(r"[0-9]")
PAUSE = re.compile(r"[，。！？；：、…—,.!?;:]")


def expected_s(text: str, factor: float = 1.0) -> float:
    """How long `text` should take to say, in seconds; `factor` 2.0 is twice as long.

    >>> round(expected_s("今天天气很好，我们去公园。"), 2), round(expected_s("Hello"), 2)
    (2.92, 0.4)
    """
    counts = ((HAN, HAN_S), (LETTER, LETTER_S), (DIGIT, DIGIT_S), (PAUSE, PAUSE_S))
    return factor * max(SHORTEST_S, sum(seconds * len(kind.findall(text)) for kind, seconds in counts))


def most_codes(text: str, limit: int) -> int:
    """Where decoding gives up, at `limit` at the latest.

    >>> most_codes("今天天气很好，我们去公园。", 1500), most_codes("好" * 1000, 1500)
    (508, 1500)
    """
    return min(limit, round(MOST_FACTOR * CODES_PER_S * expected_s(text)) + MOST_MORE)


def loops(codes: Sequence[int]) -> bool:
    """Whether the codes end in a block that goes round: one to sixteen codes, again and again.

    >>> loops([1, 2, 3] * 60), loops([7] * 121), loops(list(range(200)))
    (True, True, False)
    """
    needed = round(REPEATS_S * CODES_PER_S)
    if len(codes) < needed:
        return False
    tail = np.asarray(codes[-needed:])
    return any(bool((tail[block:] == tail[:-block]).all()) for block in range(1, LONGEST_BLOCK + 1))


def fault(text: str, samples: Samples, sample_rate: int, factor: float = 1.0) -> str:
    """Why this cannot be a reading of `text`, in English; "" when it may be one."""
    seconds, expected = len(samples) / sample_rate, expected_s(text, factor)
    if seconds < SHORTER * expected - SLACK_S:
        return f"{seconds:.1f} s are too short for this text: about {expected:.1f} s were expected."
    if seconds > LONGER * expected + SLACK_S:
        return f"{seconds:.1f} s are too long for this text: about {expected:.1f} s were expected."
    if (silence := longest_silence(samples, sample_rate)) > SILENCE_S:
        return f"The voice falls silent for {silence:.1f} s."
    return ""


def longest_silence(samples: Samples, sample_rate: int) -> float:
    """Seconds of the longest stretch below -50 dBFS.

    >>> rate = 1000
    >>> longest_silence(np.concatenate([np.ones(500), np.zeros(2000), np.ones(500)]).astype(np.float32), rate)
    2.0
    """
    frame = max(1, round(FRAME_S * sample_rate))
    whole = len(samples) // frame * frame
    loud = np.abs(samples[:whole]).reshape(-1, frame).max(1) >= QUIET
    edges = np.flatnonzero(np.concatenate([[True], loud, [True]]))
    return float((np.diff(edges).max(initial=1) - 1) * frame / sample_rate)
