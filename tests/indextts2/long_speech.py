"""`python -m tests.indextts2.long_speech DIRECTORY RECORDING SEGMENTS` speaks, and tells its memory.

A process of its own, because what the libraries keep is decided once in each. A line for every batch: how
many segments were spoken, how many of the batch failed, and the resident set in kB.
"""

import os
import random
import sys
from tempfile import TemporaryDirectory

import models
from farm.engine import Speech, Utterance
from tests.resident import resident_kb

BATCH = 64
SIGNS = "今天天气很好我们一起去公园散步吧你好世界"


def main(directory: str, recording: str, segments: int) -> None:
    """Texts of all lengths, with as many seeds: hardly two batches have the same shapes."""
    dice = random.Random(6)
    with TemporaryDirectory() as cache:
        engine = models.load(
            "indextts2", directory=directory, cache=cache, device="cpu", rows=BATCH, guards=0
        )
        voice = engine.voice_print({"recording": "", "path": recording})
        for done in range(0, segments, BATCH):
            texts = ["".join(dice.choices(SIGNS, k=dice.randint(1, 8))) for _ in range(BATCH)]
            batch = [
                Utterance(text, "zh", voice, seed=done + n, preset="draft") for n, text in enumerate(texts)
            ]
            outcomes = [outcome for _, outcome in engine.speak(batch, lambda: False)]
            failed = sum(not isinstance(outcome, Speech) for outcome in outcomes)
            sys.stdout.write(f"{done + len(outcomes)} {failed} {resident_kb(os.getpid())}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
