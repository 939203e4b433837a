"""What this machine can do: its engine speaks ever larger batches until time, memory or use says stop.

`python -m tasks.measure ENGINE` prints a line of JSON for each batch size, {batch, speed, peak_mib}; the last
line is what counts: the best speed, the largest batch that fitted, the most memory.
"""

import hashlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import click

from farm.cards import reading
from farm.engine import UNJUDGED, WITH_PRESETS, Engine, Speech, SpeechFailure, Utterance, VoicePrint
from farm.errors import FarmError, Rejected
from farm.gpu import CLASSES
from farm.settings import Settings, settings, show_only
from farm.text.lengths import spoken_length
from farm.voices import SAMPLES, preset
from tasks.flags import resident_mib
from tasks.loading import load
from tasks.stand_in import recording

SENTENCES = {
    **{language: (sample,) for language, sample in SAMPLES.items()},
    "zh": (
        "雨停了。",
        "他沿着河慢慢往回走，",
        "水面上浮着几片叶子。",
        "桥头的灯还亮着，",
        "没有一个人说话。",
    ),
    "en": ("The rain was over. ", "He walked home by the river, ", "slowly, ", "and nobody said a word. "),
}
PREFERRED = ("zh", "en")
MOST_TOGETHER = 512
FULL = 0.9  # of a card's memory: what is left is for a longer sentence
GAIN = 1.05  # a larger batch that is no faster than this is of no use
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Step:
    """A batch that fitted: its size, seconds of audio per second, and the most memory in use meanwhile."""

    batch: int
    speed: float
    peak_mib: int


class Memory:
    """Watches the memory that a card has in use, or without one this process, while the block runs."""

    def __init__(self, gpu: str) -> None:
        self.gpu = gpu
        self.peak_mib = 0
        self.share = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        seen = reading(self.gpu) if self.gpu else None
        if seen is None:
            used_mib = resident_mib() or 0
        else:
            used_mib = seen.used_mib
            self.share = max(self.share, seen.used_mib / seen.total_mib)
        self.peak_mib = max(self.peak_mib, used_mib)


def measure(engine: Engine, longest: float, gpu: str, seconds: float) -> Iterator[Step]:
    """A step for each batch size that fits. Raises Rejected when the engine cannot even speak one segment."""
    voice = voice_of(engine)
    languages = readable(engine, voice)
    started, steps = time.monotonic(), list[Step]()
    list(speak(engine, utterances(languages, voice, 0, 1)))  # the first call compiles and fills caches
    while True:
        size = 2 * steps[-1].batch if steps else 1
        since = time.monotonic()
        with Memory(gpu) as memory:
            outcomes = list(speak(engine, utterances(languages, voice, longest, size)))
        now = time.monotonic()
        if not fits(engine, outcomes, first=not steps):
            return
        audio_s = sum(outcome for outcome in outcomes if isinstance(outcome, float))
        steps.append(Step(size, round(audio_s / max(now - since, 1e-3), 3), memory.peak_mib))
        yield steps[-1]
        left_s = seconds - (now - started)
        if left_s < 2 * (now - since) or memory.share >= FULL or not is_of_use(steps):
            return


def voice_of(engine: Engine) -> VoicePrint:
    """The usual preset's, or a stand-in's where an engine knows recordings alone. Raises Rejected."""
    if engine.name in WITH_PRESETS:
        return engine.voice_print(preset("narrator").to_json())
    content = recording()
    with TemporaryDirectory(prefix="voicefarm-") as folder:
        path = Path(folder) / "nobody.wav"
        path.write_bytes(content)
        return engine.voice_print({"recording": hashlib.sha256(content).hexdigest(), "path": str(path)})


def readable(engine: Engine, voice: VoicePrint) -> list[str]:
    """The languages to measure with, Chinese and English if it can: those whose sentences it does not refuse.

    A checkpoint's vocabulary may lack what they are written with. Raises Rejected when none is left.
    """
    known = sorted(engine.languages & SENTENCES.keys())
    known = [language for language in PREFERRED if language in known] or known
    every = [Utterance("".join(SENTENCES[language]), language, voice) for language in known]
    refused = {at: said for at, said in engine.speak(every, at_once) if isinstance(said, SpeechFailure)}
    left = [language for at, language in enumerate(known) if at not in refused]
    if not left:
        reason = next((said.reason for said in refused.values()), "it knows none of our languages")
        raise Rejected("The engine {engine} cannot speak here: {reason}", engine=engine.name, reason=reason)
    return left


def speak(engine: Engine, batch: Sequence[Utterance]) -> Iterator[float | SpeechFailure]:
    """Seconds of audio, or why there are none; the audio itself is let go at once."""
    for _, outcome in engine.speak(batch, never):
        yield outcome.audio.seconds if isinstance(outcome, Speech) else outcome


def never() -> bool:
    return False


def at_once() -> bool:
    """Stops an engine before it speaks: what it refuses it has said by then."""
    return True


def fits(engine: Engine, outcomes: Sequence[float | SpeechFailure], *, first: bool) -> bool:
    """Whether all of a batch was spoken; False when there was no memory for it. Else raises Rejected."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, SpeechFailure)]
    if failures and (first or any(failure.kind != "memory" for failure in failures)):
        raise Rejected(
            "The engine {engine} cannot speak here: {reason}", engine=engine.name, reason=failures[0].reason
        )
    return not failures


def is_of_use(steps: Sequence[Step]) -> bool:
    """Whether still larger batches may be faster: the last two were not both as slow as those before.

    >>> [is_of_use([Step(1, speed, 0) for speed in speeds]) for speeds in ((5, 5), (5, 5, 5), (5, 5, 6))]
    [True, False, True]
    """
    if steps[-1].batch >= MOST_TOGETHER:
        return False
    return len(steps) < 3 or max(step.speed for step in steps[-2:]) > GAIN * steps[-3].speed


def utterances(languages: Sequence[str], voice: VoicePrint, longest: float, count: int) -> list[Utterance]:
    """`count` different ones of the longest length, in each of the languages in turn."""
    batch = islice(cycle([(passage(language, longest), language) for language in languages]), count)
    return [Utterance(text, language, voice, seed=at) for at, (text, language) in enumerate(batch)]


def passage(language: str, longest: float) -> str:
    """Sentences of at most `longest` spoken characters together, one at least.

    >>> passage("zh", 20), passage("zh", 1)
    ('雨停了。他沿着河慢慢往回走，', '雨停了。')
    """
    text = ""
    for sentence in cycle(SENTENCES[language]):
        if text and spoken_length(text + sentence) > longest:
            break
        text += sentence
    return text


def verdict(steps: Sequence[Step]) -> Step:
    """The best speed, the largest batch and the most memory of all steps."""
    return Step(
        max(step.batch for step in steps),
        max(step.speed for step in steps),
        max(step.peak_mib for step in steps),
    )


def measured(name: str, config: Settings, seconds: float, tell: Callable[[Step], None]) -> Step:
    if config.worker_class not in CLASSES:
        raise Rejected("There is no GPU class {name}.", name=config.worker_class)
    longest = CLASSES[config.worker_class].longest_segment
    show_only(config.gpu)
    engine = load(name, config, **UNJUDGED.get(name.partition(":")[0], {}))
    try:
        steps = []
        for step in measure(engine, longest, config.gpu, seconds):
            steps.append(step)
            tell(step)
        return verdict(steps)
    finally:
        engine.close()


def say(step: Step) -> None:
    click.echo(json.dumps(asdict(step)))
    sys.stdout.flush()


@click.command()
@click.argument("engine")
@click.option("--seconds", type=click.FloatRange(0, 3600), default=60.0, show_default=True)
def main(engine: str, seconds: float) -> None:
    """Measure ENGINE with this machine's settings, for about so many seconds."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        say(measured(engine, settings(), seconds, say))
    except FarmError as e:
        click.echo(str(e), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
