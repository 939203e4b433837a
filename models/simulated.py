"""An engine for benches and fault tests: time passes as on a card, and beeps come out instead of speech."""

import hashlib
import math
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from farm.engine import Audio, Samples, Speech, SpeechFailure, Utterance, VoicePrint
from farm.errors import Rejected
from models.refusal import refuse

SAMPLE_RATE = 22050
CHARACTER_S = 0.22  # how long a Han character takes to say
LETTER = 0.35  # of a Han character
STOP_ASKED_S = 0.05
SYLLABLES = (0.5, 1.0, 0.4, 0.7, 0.3)
"""Levels of a second's beeps: peaks are as rare as in speech, so that mastering costs what it costs there."""
LETTERS = re.compile(r"[\x21-\x7e]")


class Simulated:
    """Speaks `speed` seconds of audio a second, `batch` utterances at once; inf takes no time.

    Every clip lasts `clip_s`, or with 0 as long as its text would take to say. A text with `fail` in it is
    not spoken, one with `mute` in it is silence, one with `poison` in it kills the process. With every batch
    it holds `leak_mb` MiB more, for ever.
    """

    name = "simulated"
    sample_rate = SAMPLE_RATE
    languages = frozenset({"zh", "en", "ja", "ko"})

    def __init__(
        self,
        speed: float = 60.0,
        batch: int = 16,
        clip_s: float = 0.0,
        fail: str = "",
        mute: str = "",
        poison: str = "",
        leak_mb: int = 0,
    ) -> None:
        if not (speed > 0 and batch > 0 and 0 <= clip_s < 3600):
            raise Rejected("The simulated engine needs a speed and a batch above 0, and a clip_s below 3600.")
        self._speed, self._batch, self._clip_s = speed, batch, clip_s
        self._fail, self._mute, self._poison = fail, mute, poison
        self._leak_mb, self._leaked = leak_mb, list[bytearray]()
        self.fingerprint = f"tones-3-{clip_s:g}"

    def voice_print(self, voice: Mapping[str, Any]) -> VoicePrint:
        """Any preset will do, and any recording: it sounds by its hash, but it must be there."""
        data = {name: value for name, value in voice.items() if name != "path"}
        if "recording" in data:
            heard = hashlib.sha256(content_of(str(voice.get("path")))).hexdigest()
            if heard != data["recording"]:
                raise Rejected("{path} is not the recording that it should be.", path=voice.get("path"))
        return VoicePrint.of(data)

    def speak(
        self, batch: Sequence[Utterance], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
        """What a micro-batch was doing when `stop` became true is lost, as on a card."""
        if self._leak_mb:
            self._leaked.append(bytearray(b"\1") * (self._leak_mb * 2**20))
        for start in range(0, len(batch), self._batch):
            results = [self._speak(utterance) for utterance in batch[start : start + self._batch]]
            seconds = sum(result.audio.seconds for result in results if isinstance(result, Speech))
            if stopped_within(seconds / self._speed, stop):
                return
            yield from enumerate(results, start)

    def close(self) -> None:
        pass

    def _speak(self, utterance: Utterance) -> Speech | SpeechFailure:
        if refused := refuse(self.name, self.languages, utterance):
            return refused
        if self._poison and self._poison in utterance.text:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fail and self._fail in utterance.text:
            return SpeechFailure("engine", f"The text contains {self._fail}.")
        seconds = self._clip_s or spoken_s(utterance.text) / utterance.direction.pace
        samples = tone(utterance, seconds)
        if self._mute and self._mute in utterance.text:
            samples = np.zeros_like(samples)
        return Speech(Audio(samples, SAMPLE_RATE), utterance.seed)


def content_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise Rejected("{path} cannot be read: {reason}.", path=path, reason=e.strerror) from e


def stopped_within(seconds: float, stop: Callable[[], bool]) -> bool:
    """Wait, asking `stop` at least once and again every 50 ms; whether it was true."""
    end = time.monotonic() + seconds
    while not stop():
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, STOP_ASKED_S))
    return True


def spoken_s(text: str) -> float:
    """How long `text` takes to say, at least a fifth of a second."""
    letters = len(LETTERS.findall(text))
    others = sum(not character.isspace() for character in text) - letters
    return max(0.2, CHARACTER_S * (others + LETTER * letters))


def tone(utterance: Utterance, seconds: float) -> Samples:
    """A tone whose pitch and phase follow from all that shapes a take, so that two takes differ."""
    content = repr(
        (utterance.text, utterance.language, utterance.voice.key, utterance.direction, utterance.seed)
    )
    digest = hashlib.sha256(content.encode(errors="backslashreplace")).digest()
    phase = int.from_bytes(digest[1:9], "big") % SAMPLE_RATE
    second = one_second(200 + 10 * (digest[0] % 32))
    return np.resize(np.roll(second, -phase), round(seconds * SAMPLE_RATE))


@lru_cache(maxsize=32)
def one_second(frequency: int) -> Samples:
    """Beeps of a whole number of Hz that swell and fade, so that seconds join without a click."""
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    swell = (
        np.repeat(SYLLABLES, SAMPLE_RATE // len(SYLLABLES)) * np.sin(math.pi * len(SYLLABLES) * time_s) ** 4
    )
    return np.asarray(0.5 * swell * np.sin(2 * math.pi * frequency * time_s), np.float32)
