"""What lies between joining and work: the doctor, the measurement, a person's approval; each step is told."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

from farm import machine_doctor
from farm.api_client import ApiClient
from farm.doctor import Finding
from farm.errors import Rejected, Transient
from farm.machine import Papers, command, version
from farm.protocol import PROTOCOL
from farm.settings import Settings

WITH_CARD_S, WITHOUT_S = 60, 5
"""For how long an engine is measured; without a card there is no memory to explore."""

WAITING = "waiting for a checkpoint"

Tell = Callable[[str], None]


class Candidate:
    """A worker of this machine that joined and is not at work yet. What it does is told, here and there."""

    def __init__(self, papers: Papers, config: Settings, tell: Tell) -> None:
        self.papers = papers
        self.config = config
        self.tell = tell
        self.farm = ApiClient(papers.api_url, papers.secret, papers.tls_ca)

    def prepare(self, *, careless: bool) -> None:
        """Look at everything and measure. Raises Rejected when something is wrong, unless `careless`.

        Where nothing but the engine's weights is missing, it waits until a person has added them.
        """
        bad = [finding.part for finding in self._examine() if not finding.well]
        if bad == ["weights"] and not careless:
            self._await_weights()
        elif bad and not careless:
            raise Rejected(
                "{name} has joined, but cannot work yet ({parts}). Mend that, look again with "
                "`{farm} doctor --worker`, then start it with `{farm} work`.",
                name=self.papers.name,
                farm=command(self.config.home),
                parts=", ".join(bad),
            )
        try:
            self._measure()
        except Rejected:
            if not careless:
                raise

    def _examine(self) -> Iterator[Finding]:
        self.say("looking at this machine")
        for finding in machine_doctor.examine(self.papers, self.config):
            self.tell(f"  {finding}")
            yield finding

    def _await_weights(self) -> None:
        self.say(WAITING)
        while not machine_doctor.look("weights", self.papers, self.config).well:
            time.sleep(self.config.beat_s)
            with suppress(Transient):
                self.beat(WAITING)

    def _measure(self) -> None:
        self.say(f"loading {self.papers.engine}")
        step: Mapping[str, Any] = {}
        for step in measured(self.papers, self.config):
            self.say(
                f"measuring: {step['batch']} at once, {step['speed']:.1f}x realtime, {step['peak_mib']} MiB"
            )
        self.farm.post("worker/v1/measured", step)

    def is_approved(self, step: str) -> bool:
        """Raises Forbidden when the worker was revoked."""
        with suppress(Transient):  # the farm is away for a while: ask again
            return bool(self.beat(step).get("approved", True))
        return False

    def say(self, step: str) -> None:
        """Tell a step to who reads here, and to the farm; a farm that is away hears the next."""
        self.tell(f"{self.papers.name}: {step}")
        with suppress(Transient):
            self.beat(step)

    def beat(self, step: str) -> dict[str, Any]:
        report = {
            "state": "enrolled",
            "engine": self.papers.engine.partition(":")[0],
            "fingerprint": "",
            "protocol": PROTOCOL,
            "version": version(),
            "facts": {"step": step, "host": socket.gethostname()},
        }
        return self.farm.post("worker/v1/beat", report)


def await_approval(candidates: Sequence[Candidate]) -> None:
    """Until a person let each of them in."""
    waiting = [each for each in candidates if not each.is_approved("measured")]
    for each in waiting:
        each.say("waiting until you let it in, on the dashboard's page of workers")
    while waiting:
        time.sleep(waiting[0].config.beat_s)
        waiting = [each for each in waiting if not each.is_approved("waiting to be let in")]


def measured(papers: Papers, config: Settings) -> Iterator[dict[str, Any]]:
    """The steps that `tasks.measure` prints, the verdict last. Raises Rejected when the engine is mute."""
    seconds = WITH_CARD_S if papers.gpu else WITHOUT_S
    command = [sys.executable, "-m", "tasks.measure", papers.engine, "--seconds", str(seconds)]
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command,
            env=papers.environment(config),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
        if process.wait():
            complaints.seek(0)
            raise Rejected(
                "{engine} could not be measured: {reason}",
                engine=papers.engine,
                reason=last_line(complaints.read()),
            )


def last_line(text: str) -> str:
    """
    >>> last_line("Traceback …\\n  …\\nMemoryError: no more\\n\\n")
    'MemoryError: no more'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"
