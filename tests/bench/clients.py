"""Many workers as protocol clients in one process: they beat, claim, wait as a card would, and accept."""

import base64
import hashlib
import io
import json
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis

import models
from farm.audio.flac import write_flac
from farm.engine import Speech, Utterance, VoicePrint
from farm.errors import FarmError, Transient
from farm.protocol import PROTOCOL
from tasks.client import FarmClient
from tasks.delivery import MOST_TOGETHER

SPEED = 5.7
RENEW_S = 15.0
BEAT_S = 5.0
QUEUE = "render.12g"

SPREAD_S = 50.0
"""Over which they are switched on; more than a job takes, so that they do not all end theirs together."""


class Crew:
    """The clients, and what they measured in milliseconds, by what they asked for."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.end = time.monotonic() + given["seconds"]
        self.took: dict[str, list[float]] = {f"{ask}_ms": [] for ask in ("claim", "renew", "beat", "accept")}
        self.errors = 0
        self.doorbells: queue.Queue[tuple[int, str]] = queue.Queue()
        self.content, self.result = take(given["fingerprint"].rpartition("-")[2])
        self.clients = [FarmClient(given["api"], secret) for secret in given["secrets"]]
        self.states: list[str | None] = [None] * len(self.clients)  # None: not switched on yet

    @contextmanager
    def timed(self, ask: str) -> Iterator[None]:
        since = time.monotonic()
        try:
            yield
        except Transient:
            raise
        except FarmError:
            self.errors += 1
            raise
        finally:
            self.took[f"{ask}_ms"].append(1000 * (time.monotonic() - since))

    def over(self) -> bool:
        return time.monotonic() > self.end

    def run(self) -> None:
        threads = [threading.Thread(target=self.listen), threading.Thread(target=self.beat)]
        threads += [threading.Thread(target=self.work, args=(at,)) for at in range(len(self.clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def listen(self) -> None:
        """Take a doorbell only for a client that is free, as workers do."""
        broker = redis.Redis.from_url(self.given["broker"])
        while not self.over():
            if self.doorbells.qsize() == 0 and "ready" in self.states:
                found = broker.brpop([QUEUE], timeout=1)
                if found:
                    args, *_ = json.loads(base64.b64decode(json.loads(found[1])["body"]))
                    self.doorbells.put((args[0], args[1]))
            else:
                time.sleep(0.005)

    def beat(self) -> None:
        """Of all, spread over the time between two beats."""
        while not self.over():
            for at, state in enumerate(self.states):
                since = time.monotonic()
                if state:
                    self.report(at, state)
                time.sleep(max(0.0, BEAT_S / len(self.clients) - (time.monotonic() - since)))

    def report(self, at: int, state: str) -> None:
        said = {"engine": "simulated", "fingerprint": self.given["fingerprint"], "protocol": PROTOCOL}
        with self.timed("beat"):
            self.clients[at].beat({**said, "state": state, "facts": {}})

    def work(self, at: int) -> None:
        time.sleep(at * SPREAD_S / len(self.clients))
        self.report(at, "ready")  # whoever claims has said what it is
        self.states[at] = "ready"
        while not self.over():
            try:
                job, token = self.doorbells.get(timeout=1)
            except queue.Empty:
                continue
            self.states[at] = "busy"
            try:
                self.speak(self.clients[at], job, token)
            finally:
                self.states[at] = "ready"

    def speak(self, client: FarmClient, job: int, token: str) -> None:
        with self.timed("claim"):
            work = client.claim(job, token)
        if work is None:
            return
        segments = [segment["id"] for segment in work["segments"]]
        renewed = time.monotonic()
        for start in range(0, len(segments), MOST_TOGETHER):
            batch = segments[start : start + MOST_TOGETHER]
            time.sleep(len(batch) * self.result["seconds"] / SPEED)
            if self.over():
                return
            if time.monotonic() - renewed > RENEW_S:
                with self.timed("renew"):
                    client.renew(job, token, float(start), segments[start:])
                renewed = time.monotonic()
            self.put(client, job, token, batch)
            results = [{"segment": segment, **self.result} for segment in batch]
            self.hand_in(client, job, token, results, last=start + MOST_TOGETHER >= len(segments))

    def hand_in(
        self, client: FarmClient, job: int, token: str, results: list[dict[str, Any]], *, last: bool
    ) -> None:
        """Again while the farm is busy with others' takes, as workers do."""
        while not self.over():
            with suppress(Transient), self.timed("accept"):
                client.accept(job, token, results, last=last)
                return
            time.sleep(1.0)

    def put(self, client: FarmClient, job: int, token: str, batch: Sequence[int]) -> None:
        leaves = client.uploads(job, token, dict.fromkeys(batch, len(self.content)))
        for leave in leaves.values():
            path = Path(unquote(urlsplit(leave.url).path))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content)


def take(clip_s: str) -> tuple[bytes, dict[str, Any]]:
    """One take, and what a worker says of it."""
    engine = models.load(f"simulated:speed=inf,clip_s={clip_s}")
    ((_, speech),) = engine.speak([Utterance("一", "zh", VoicePrint.of({}))], lambda: False)
    assert isinstance(speech, Speech)
    content = io.BytesIO()
    write_flac(content, speech.audio)
    said = content.getvalue()
    seconds = speech.audio.seconds
    return said, {
        "size": len(said),
        "sha256": hashlib.sha256(said).hexdigest(),
        "seconds": seconds,
        "busy_s": seconds / SPEED,
        "seed": 0,
    }


def main() -> None:
    crew = Crew(json.loads(sys.stdin.read()))
    crew.run()
    sys.stdout.write(json.dumps({**crew.took, "errors": crew.errors}))


if __name__ == "__main__":
    main()
