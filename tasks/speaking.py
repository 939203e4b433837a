"""One render job: claimed, spoken and spooled, while earlier ones are still being delivered."""

import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance, VoicePrint
from tasks.client import FarmClient
from tasks.delivery import Delivery
from tasks.spool import NoRoom, Result
from tasks.writing import Writing

MOST_VOICES = 64  # voice prints kept
LATELY_S = 60.0


class Speaker:
    """An engine with the voices it keeps, and what it is doing."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.voices: OrderedDict[str, VoicePrint] = OrderedDict()
        self.doing: dict[str, Any] | None = None
        self._lately: deque[tuple[float, float, float]] = deque(maxlen=4096)  # ended, audio s, busy s

    def utterance(self, segment: Mapping[str, Any]) -> Utterance:
        return Utterance(
            text=segment["text"],
            language=segment["language"],
            voice=self.print_of(segment["voice"]),
            direction=Direction(**segment["direction"]),
            seed=segment["seed"],
        )

    def print_of(self, voice: Mapping[str, Any]) -> VoicePrint:
        """The voice's print, computed once."""
        key = json.dumps(voice, sort_keys=True)
        if key not in self.voices:
            self.voices[key] = self.engine.voice_print(voice)
        self.voices.move_to_end(key)
        if len(self.voices) > MOST_VOICES:
            self.voices.popitem(last=False)
        return self.voices[key]

    def spoke(self, result: Result) -> None:
        if isinstance(result.outcome, Speech):
            self._lately.append((time.monotonic(), result.outcome.audio.seconds, result.busy_s))

    def speed(self) -> float | None:
        """x realtime while it spoke in the last minute."""
        since = time.monotonic() - LATELY_S
        lately = [(audio_s, busy_s) for at, audio_s, busy_s in tuple(self._lately) if at > since]
        audio_s, busy_s = sum(a for a, _ in lately), sum(b for _, b in lately)
        return audio_s / busy_s if busy_s > 0 else None


def speak_job(
    client: FarmClient,
    speaker: Speaker,
    delivery: Delivery,
    job_id: int,
    token: str,
    stopped: Callable[[], bool],
) -> None:
    """Claim a job and speak it into the spool; what is not spoken when `stopped` goes back to the farm.

    When the engine itself breaks, what it had not spoken is reported as failed before the exception goes on.
    Raises NoRoom when the disk is full: what found no room goes back as well.
    """
    delivery.await_room(stopped)
    if stopped() or (work := client.claim(job_id, token)) is None:
        return
    try:
        job = delivery.begin(work, token)
    except NoRoom:
        client.accept(job_id, token, [], last=True)
        raise
    speaker.doing = {
        "project": work.get("project"),
        "segments": len(work["segments"]),
        "since": time.time(),  # of this machine's clock, for people only
    }
    try:
        with Writing(delivery, job, stopped) as writing:
            speak(speaker, writing, work["segments"], lambda: stopped() or writing.over)
    finally:
        speaker.doing = None
        delivery.end(job)


def speak(
    speaker: Speaker, writing: Writing, segments: Sequence[Mapping[str, Any]], stop: Callable[[], bool]
) -> None:
    waiting = {at: segment["id"] for at, segment in enumerate(segments)}
    since = time.monotonic()
    try:
        batch = [speaker.utterance(segment) for segment in segments]
        for at, outcome in speaker.engine.speak(batch, stop):
            result = Result(waiting.pop(at), outcome, time.monotonic() - since)
            speaker.spoke(result)
            writing.put(result)
            since = time.monotonic()
    except Exception as e:
        broken = SpeechFailure("engine", f"{type(e).__name__}: {e}"[:1000])
        for segment in waiting.values():
            writing.put(Result(segment, broken, 0.0))
        raise
