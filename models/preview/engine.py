"""The preview engine behind the port."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from farm.engine import Audio, Samples, Speech, SpeechFailure, Utterance, VoicePrint
from farm.errors import Rejected
from models.preview import spoken
from models.preview.espeak import fingerprint, installed
from models.preview.helper import Helper, HelperLost, Unspoken
from models.refusal import refuse

SAMPLE_RATE = 22050  # espeak-ng's own
LONGEST = 2000
"""Characters of one utterance; a request of that many still fits a pipe."""
SLOWEST, FASTEST = 80, 450  # words a minute: espeak-ng's own limits
SILENT = 16 / 32768


class Preview:
    """espeak-ng in `workers` helper processes. An utterance may take `timeout_s`, more when it is long."""

    name = "preview"
    sample_rate = SAMPLE_RATE
    languages = spoken.LANGUAGES

    def __init__(self, workers: int = 1, timeout_s: float = 20.0) -> None:
        """Raises Rejected when espeak-ng is not installed or does not start."""
        if workers < 1:
            raise Rejected("The preview engine needs at least one worker, not {workers}.", workers=workers)
        self._library = installed()
        self._timeout_s = timeout_s
        self.fingerprint = fingerprint(self._library, spoken.RULES)
        self._helpers = [Helper(self._library) for _ in range(workers)]
        self._idle: SimpleQueue[Helper] = SimpleQueue()
        for helper in self._helpers:
            self._idle.put(helper)
        self._threads = ThreadPoolExecutor(workers, "preview")
        self._check()

    def voice_print(self, voice: Mapping[str, Any]) -> VoicePrint:
        """`voice` as farm.voices.Timbre has it: variant, pitch and range (0 to 99), pace (0.5 to 2.0)."""
        try:
            data = {
                "variant": str(voice["variant"]),
                "pitch": _within(int(voice["pitch"]), 0, 99),
                "range": _within(int(voice["range"]), 0, 99),
                "pace": _within(float(voice["pace"]), 0.5, 2.0),
            }
        except (KeyError, TypeError, ValueError) as e:
            raise Rejected("The preview engine speaks with preset voices only. Choose one of them.") from e
        if data["variant"] not in self._library.variants:
            raise Rejected("espeak-ng has no voice variant {variant}.", variant=data["variant"])
        return VoicePrint.of(data)

    def speak(
        self, batch: Sequence[Utterance], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
        """Micro-batches of one utterance a helper, in order."""
        for start in range(0, len(batch), len(self._helpers)):
            if stop():
                return
            together = batch[start : start + len(self._helpers)]
            yield from enumerate(self._threads.map(self._speak, together), start)

    def close(self) -> None:
        self._threads.shutdown()
        for helper in self._helpers:
            helper.close()

    def _speak(self, utterance: Utterance) -> Speech | SpeechFailure:
        if refused := refuse(self.name, self.languages, utterance):
            return refused
        if len(utterance.text) > LONGEST:
            count = len(utterance.text)
            return SpeechFailure(
                "text", f"{count} characters are too many for one breath; {LONGEST} are the most."
            )
        try:
            samples = _decoded(self._say(self._request(utterance)))
        except Unspoken as e:
            return SpeechFailure(e.kind, str(e))
        except HelperLost:
            return SpeechFailure("engine", "The espeak-ng helper process died twice while speaking this.")
        if not len(samples) or np.abs(samples).max() < SILENT:
            return SpeechFailure("text", "There is nothing in this text that espeak-ng can say.")
        return Speech(Audio(samples, self.sample_rate), utterance.seed)

    def _check(self) -> None:
        try:
            sample_rate = self._helpers[0].start()
        except HelperLost as e:
            raise Rejected(
                "espeak-ng does not start from {path}. Install espeakng-loader again.",
                path=str(self._library.shared_object),
            ) from e
        if sample_rate != self.sample_rate:
            self.close()
            raise Rejected("This espeak-ng speaks at {rate} Hz, not 22050.", rate=sample_rate)

    def _request(self, utterance: Utterance) -> dict[str, Any]:
        voice = utterance.voice.data
        pace = utterance.direction.pace * voice["pace"]
        return {
            "runs": [
                (f"{tongue.voice}+{voice['variant']}", _rate(tongue.rate * pace), text)
                for tongue, text in _tongues(utterance)
            ],
            "pitch": voice["pitch"],
            "range": voice["range"],
            "seed": utterance.seed % 2**31,
            "timeout_s": self._timeout_s + len(utterance.text) / 100,
        }

    def _say(self, request: Mapping[str, Any]) -> bytes:
        """Ask an idle helper. One that was lost is asked once more: it may not be the text's fault."""
        helper = self._idle.get()
        try:
            return helper.say(request)
        except HelperLost:
            return helper.say(request)
        finally:
            self._idle.put(helper)


def _tongues(utterance: Utterance) -> Iterator[tuple[spoken.Tongue, str]]:
    for language, text in spoken.runs(utterance.text, utterance.language):
        yield spoken.TONGUES[language], text


def _rate(words_a_minute: float) -> int:
    return round(min(max(words_a_minute, SLOWEST), FASTEST))


def _decoded(content: bytes) -> Samples:
    return np.frombuffer(content, np.int16).astype(np.float32) / np.float32(32768)


def _within(value: Any, lowest: float, highest: float) -> Any:
    if not lowest <= value <= highest:
        raise ValueError
    return value
