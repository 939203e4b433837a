"""One render job: the engine speaks while another thread delivers and a third keeps the lease."""

import hashlib
import io
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from farm.audio.flac import write_flac
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance
from farm.errors import FarmError, LeaseLost
from farm.storage.transfer import upload
from tasks.client import FarmClient

log = logging.getLogger(__name__)

MOST_TOGETHER = 16  # takes in one accept
MOST_WAITING = 64  # takes that may wait for delivery before the engine has to
FIRST_RENEWAL_S = 1.0
AGAIN_S = (0.5, 1, 2, 4, 8, 15)


@dataclass(frozen=True)
class Result:
    """What the engine made of a segment, after `busy_s` seconds of its time."""

    segment: int
    outcome: Speech | SpeechFailure
    busy_s: float


class Delivery:
    """Encodes, uploads and reports results in the order they come; `lost` once the job is somebody else's."""

    def __init__(
        self, client: FarmClient, work: Mapping[str, Any], token: str, store_root: Path | None
    ) -> None:
        self.client = client
        self.job_id = work["job"]
        self.token = token
        self.renew_s = float(work["renew_s"])
        self.store_root = store_root
        self.in_hand = [segment["id"] for segment in work["segments"]]
        self.spoken = 0
        self.lost = threading.Event()
        self._over = threading.Event()
        self._results: queue.Queue[Result | None] = queue.Queue(MOST_WAITING)
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._deliver, self._keep_lease)]

    def put(self, result: Result) -> None:
        self.spoken += 1
        while not self.lost.is_set():
            try:
                return self._results.put(result, timeout=1)
            except queue.Full:
                continue

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deliver what is left, end the job, and stop."""
        while not self.lost.is_set():
            try:
                self._results.put(None, timeout=1)
                break
            except queue.Full:
                continue
        self._threads[0].join()
        self._over.set()
        self._threads[1].join()

    def _deliver(self) -> None:
        last = False
        while not (last or self.lost.is_set()):
            batch, last = self._gather()
            self._insist(lambda batch=batch, last=last: self._send(batch, last))  # type: ignore[misc]

    def _gather(self) -> tuple[list[Result], bool]:
        """What has come since the last delivery, and whether it is the last of the job."""
        batch: list[Result] = []
        item = self._results.get()
        while item is not None:
            batch.append(item)
            if len(batch) == MOST_TOGETHER:
                return batch, False
            try:
                item = self._results.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _send(self, batch: list[Result], last: bool) -> None:
        takes = {r.segment: flac_of(r.outcome) for r in batch if isinstance(r.outcome, Speech)}
        if takes:
            sizes = {segment: len(content) for segment, content in takes.items()}
            leaves = self.client.uploads(self.job_id, self.token, sizes)
            for segment, leave in leaves.items():
                upload(leave, takes[segment], self.store_root)
        self.client.accept(self.job_id, self.token, [reported(r, takes) for r in batch], last=last)
        delivered = {result.segment for result in batch}
        self.in_hand = [segment for segment in self.in_hand if segment not in delivered]

    def _insist(self, send: Callable[[], None]) -> None:
        """Try until it works or the job is lost: what was spoken is not thrown away for a hiccup."""
        for wait_s in (*AGAIN_S, *[AGAIN_S[-1]] * 1000):
            try:
                return send()
            except LeaseLost:
                break
            except FarmError as e:
                log.warning("delivery of job %s is tried again: %s", self.job_id, e)
                if not e.transient:
                    break
            if self.lost.wait(wait_s):
                return
        self.lost.set()

    def _keep_lease(self) -> None:
        wait_s = FIRST_RENEWAL_S
        while not (self._over.wait(wait_s) or self.lost.is_set()):
            wait_s = self.renew_s
            try:
                self.client.renew(self.job_id, self.token, self.spoken, self.in_hand)
            except LeaseLost:
                self.lost.set()
            except FarmError as e:
                log.warning("lease of job %s not renewed: %s", self.job_id, e)


def flac_of(speech: Speech) -> bytes:
    content = io.BytesIO()
    write_flac(content, speech.audio)
    return content.getvalue()


def reported(result: Result, takes: Mapping[int, bytes]) -> dict[str, Any]:
    """The result as the worker API reads it."""
    outcome = result.outcome
    if isinstance(outcome, SpeechFailure):
        return {"segment": result.segment, "kind": outcome.kind, "reason": outcome.reason}
    content = takes[result.segment]
    return {
        "segment": result.segment,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "seconds": outcome.audio.seconds,
        "busy_s": result.busy_s,
        "seed": outcome.seed,
    }


def speak_job(
    client: FarmClient,
    engine: Engine,
    job_id: int,
    token: str,
    stopping: Callable[[], bool],
    store_root: Path | None = None,
) -> None:
    """Claim a job and speak it; what is not spoken when `stopping` goes back to the farm.

    When the engine itself breaks, what it had not spoken is reported as failed before the exception goes on.
    """
    work = client.claim(job_id, token)
    if work is None:
        return
    waiting = {at: segment["id"] for at, segment in enumerate(work["segments"])}
    with Delivery(client, work, token, store_root) as delivery:
        since = time.monotonic()
        try:
            batch = [utterance(engine, segment) for segment in work["segments"]]
            for at, outcome in engine.speak(batch, lambda: stopping() or delivery.lost.is_set()):
                delivery.put(Result(waiting.pop(at), outcome, time.monotonic() - since))
                since = time.monotonic()
        except Exception as e:
            broken = SpeechFailure("engine", f"{type(e).__name__}: {e}"[:1000])
            for segment in waiting.values():
                delivery.put(Result(segment, broken, 0.0))
            raise


def utterance(engine: Engine, segment: Mapping[str, Any]) -> Utterance:
    return Utterance(
        text=segment["text"],
        language=segment["language"],
        voice=engine.voice_print(segment["voice"]),
        direction=Direction(**segment["direction"]),
        seed=segment["seed"],
    )
