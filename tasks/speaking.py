"""One render job: claimed, spoken and spooled, while earlier ones are still being delivered."""

import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farm.casting import recording_of
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance, VoicePrint
from farm.errors import FarmError, NotFound, Rejected
from tasks.client import FarmClient
from tasks.delivery import Delivery
from tasks.recorded import Found, Recorded
from tasks.spool import NoRoom, Result
from tasks.writing import Writing

MOST_VOICES = 64  # voice prints kept
LATELY_S = 60.0


class Speaker:
    """An engine with the voices it keeps, and what it is doing."""

    def __init__(self, engine: Engine, recorded: Recorded | None = None) -> None:
        """`recorded`: where it keeps the recordings that voices are; None: it speaks with presets alone."""
        self.engine = engine
        self.recorded = recorded
        self.voices: OrderedDict[str, VoicePrint] = OrderedDict()
        self.doing: dict[str, Any] | None = None
        self._lately: deque[tuple[float, float, float]] = deque(maxlen=4096)  # ended, audio s, busy s

    def recordings(self, work: Mapping[str, Any], stopped: Callable[[], bool]) -> Found:
        """Those of a job's that the engine has not heard yet. Raises Transient, NoRoom."""
        voices = [segment["voice"] for segment in work["segments"]]
        sounds = [voice for voice in voices if name_of(voice) not in self.voices]
        sounds += [segment["direction"].get("like") or {} for segment in work["segments"]]
        wanted = {recording_of(sound) for sound in sounds}
        needed = {sha256: at for sha256, at in work.get("recordings", {}).items() if sha256 in wanted}
        return self.recorded.find(needed, stopped) if self.recorded else {}

    def prints(self, segments: Sequence[Mapping[str, Any]], here: Found) -> dict[str, VoicePrint | FarmError]:
        """The print of each voice, computed once; or why the engine cannot speak with it."""
        found: dict[str, VoicePrint | FarmError] = {}
        for voice in (segment["voice"] for segment in segments):
            if (name := name_of(voice)) not in found:
                try:
                    found[name] = self.print_of(voice, here)
                except (NotFound, Rejected) as e:
                    found[name] = e
        return found

    def print_of(self, voice: Mapping[str, Any], here: Found) -> VoicePrint:
        """Raises NotFound, Rejected."""
        name = name_of(voice)
        if name not in self.voices:
            self.voices[name] = self.engine.voice_print(located(voice, here))
        self.voices.move_to_end(name)
        if len(self.voices) > MOST_VOICES:
            self.voices.popitem(last=False)
        return self.voices[name]

    def spoke(self, result: Result) -> None:
        if isinstance(result.outcome, Speech):
            self._lately.append((time.monotonic(), result.outcome.audio.seconds, result.busy_s))

    def speed(self) -> float | None:
        """x realtime while it spoke in the last minute."""
        since = time.monotonic() - LATELY_S
        lately = [(audio_s, busy_s) for at, audio_s, busy_s in tuple(self._lately) if at > since]
        audio_s, busy_s = sum(a for a, _ in lately), sum(b for _, b in lately)
        return audio_s / busy_s if busy_s > 0 else None


def name_of(voice: Mapping[str, Any]) -> str:
    return json.dumps(voice, sort_keys=True)


def located(voice: Mapping[str, Any], here: Found) -> Mapping[str, Any]:
    """The voice with the path of its recording, if it is one. Raises NotFound, Rejected."""
    sha256 = recording_of(voice)
    if sha256 is None:
        return voice
    found = here.get(sha256)
    if found is None:
        raise Rejected("This worker was not told where the recording {sha256} is.", sha256=sha256[:12])
    if isinstance(found, FarmError):
        raise found
    return {**voice, "path": str(found)}


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
    Raises NoRoom when the disk is full, Transient when a recording is not to be had now: what is not spoken
    goes back as well.
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
        here = speaker.recordings(work, stopped)
        with Writing(delivery, job, stopped) as writing:
            speak(speaker, writing, work, here, lambda: stopped() or writing.over)
    finally:
        speaker.doing = None
        delivery.end(job)


def speak(
    speaker: Speaker,
    writing: Writing,
    work: Mapping[str, Any],
    here: Found,
    stop: Callable[[], bool],
) -> None:
    segments, preset = work["segments"], work.get("pin", {}).get("preset", "")
    waiting = [segment["id"] for segment in segments]

    def answer(segment: int, outcome: Speech | SpeechFailure, busy_s: float) -> None:
        waiting.remove(segment)
        result = Result(segment, outcome, busy_s)
        speaker.spoke(result)
        writing.put(result)

    since = time.monotonic()
    try:
        prints = speaker.prints(segments, here)
        batch: list[tuple[int, Utterance]] = []
        for segment in segments:
            try:
                batch.append((segment["id"], utterance(segment, prints, here, preset)))
            except (NotFound, Rejected) as e:
                answer(segment["id"], SpeechFailure("voice", str(e)[:1000]), 0.0)
        for at, outcome in speaker.engine.speak([said for _, said in batch], stop):
            answer(batch[at][0], outcome, time.monotonic() - since)
            since = time.monotonic()
    except Exception as e:
        broken = SpeechFailure("engine", f"{type(e).__name__}: {e}"[:1000])
        for segment in tuple(waiting):
            writing.put(Result(segment, broken, 0.0))
        raise


def utterance(
    segment: Mapping[str, Any], prints: Mapping[str, VoicePrint | FarmError], here: Found, preset: str = ""
) -> Utterance:
    """Raises NotFound, Rejected where a recording is not to be had, or the engine cannot speak with it."""
    voice = prints[name_of(segment["voice"])]
    if isinstance(voice, FarmError):
        raise voice
    direction = dict(segment["direction"])
    if like := direction.get("like"):
        direction["like"] = located(like, here)
    said = segment["text"], segment["language"]
    return Utterance(*said, voice, Direction(**direction), segment["seed"], preset)
