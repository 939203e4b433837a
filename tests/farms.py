"""Whole farms as processes, for the tests that need one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from farm import embedded, supervisor
from farm.db import Begin, beginner
from farm.storage import Store
from farm.storage.opening import open_store

ROOT = Path(__file__).parent.parent
SHORT = {
    "FARM_LEASE_S": "6",
    "FARM_RENEW_S": "1.5",
    "FARM_STALL_S": "30",
    "FARM_UNCLAIMED_S": "6",
    "FARM_TICK_S": "0.5",
    "FARM_BEAT_S": "0.5",
    "FARM_BATCH_S": "2",
}
"""Production's times, divided by ten or so."""
PORTS = ("FARM_PORT", "FARM_API_PORT", "FARM_BROKER_PORT")


class Farm:
    """A farm started by `farm up` (with `options`) in a process of its own."""

    def __init__(self, home: Path, settings: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self.home = home
        self.options = options
        self.environment = {**os.environ, **SHORT, **dict.fromkeys(PORTS, "0"), **settings}
        self.environment["FARM_HOME"] = str(home)
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []

    def start(self) -> "Farm":
        """Returns once it is up."""
        command = [sys.executable, "-m", "farm.cli", "up", *self.options]
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Ctrl-C"):
                return self
        raise AssertionError(f"the farm did not start: {''.join(self.said)}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            assert self.process.stdout is not None
            self.process.stdout.close()

    @property
    def begin(self) -> Begin:
        servers = embedded.running(self.home)
        assert servers is not None, "the farm's servers do not answer"
        return beginner(servers.database_url)

    @property
    def store(self) -> Store:
        return open_store(str(self.home / "store"), secret=b"unused", public_url="http://unused")

    @property
    def dashboard_url(self) -> str:
        """As it was printed with the sign-in link."""
        (link,) = [line.split()[-1] for line in self.said if "/sign-in/" in line]
        return link.partition("/sign-in/")[0]

    def run(self, *arguments: str) -> str:
        """What `farm …` prints."""
        command = [sys.executable, "-m", "farm.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def pid(self, name: str) -> int | None:
        return next((p.pid for p in supervisor.processes(self.home) if p.name == name), None)

    def kill(self, name: str) -> None:
        """kill -9, and wait until the supervisor has started another."""
        before = self.pid(name)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pid(name) not in (before, None))

    def kill_everything(self) -> None:
        """The power goes: supervisor first, so that it can mend nothing."""
        assert self.process is not None
        pids = [p.pid for p in supervisor.processes(self.home) if p.pid]
        self.process.kill()
        for pid in pids:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def eventually(true: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until `true()`; AssertionError when that takes too long."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def farm_up(home: Path, *options: str, **settings: str) -> Iterator[Farm]:
    farm = Farm(home, settings, options).start()
    try:
        yield farm
    finally:
        farm.stop()
