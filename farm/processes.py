"""One long-running process of the farm: how it is started, kept, stopped, and known again after a crash."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farm import tether

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HEALTHY_S = 60.0
LOG_LIMIT_BYTES = 10 * 2**20
LEFTOVER_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Process:
    """A command to keep running.

    `env` None is ours; `user` is whom root becomes for it; `ready` asks whether it serves; `stop_signal` asks
    it to end, and is what the kernel sends it when the supervisor is killed (Linux). Its umask is 077.
    One that exits with one of `done_statuses` meant to, and is not started again. `niceness` (0 to 19) is how
    far it gives way to others on the processor.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    ready: Callable[[], bool] | None = None
    done_statuses: frozenset[int] = frozenset()
    niceness: int = 0


def backoff_s(failures: int) -> float:
    """How long to wait after so many deaths in a row.

    >>> [backoff_s(n) for n in (1, 2, 3, 7, 100)]
    [0.5, 1.0, 2.0, 30.0, 30.0]
    """
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures - 1, 10)))


class Child:
    """A process and its lives, one after the other. Its methods belong to the supervisor's thread."""

    def __init__(self, process: Process, log_file: Path, healthy_s: float = HEALTHY_S) -> None:
        self.process = process
        self.healthy_s = healthy_s
        self.log_file = log_file
        self.restarts = 0
        self.done_status: int | None = None
        self.since = datetime.now(UTC)
        self._popen: subprocess.Popen[bytes] | None = None
        self._identity: str | None = None
        self._failures = 0
        self._started = 0.0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    def tend(self, now: float) -> bool:
        """Start it when its time has come, notice its end; whether either happened. `now`: monotonic s."""
        if self._popen is None:
            if now < self._start_at or self.done_status is not None:
                return False
            self._start(now)
            return True
        if self._popen.poll() is None:
            return False
        status = self._popen.returncode
        _kill_group(self._popen.pid)
        if status in self.process.done_statuses:
            self._popen, self.done_status, self.since = None, status, datetime.now(UTC)
            log.warning("%s ended (exit status %d), as it meant to", self.process.name, status)
        else:
            self._ended(f"exit status {status}", now)
        return True

    def _start(self, now: float) -> None:
        self._started, self.since = now, datetime.now(UTC)
        tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        manner = [str(self.process.stop_signal.value), self.process.user or "", str(self.process.niceness)]
        try:
            self.rotate_log()
            with open(os.open(self.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as out:
                self._popen = subprocess.Popen(
                    [*tethered, *manner, *self.process.command],
                    env=self.process.env,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that Ctrl-C reaches the supervisor alone
                )
        except OSError as error:  # no memory, no disk, no more processes: that may pass
            self._ended(str(error), now)
        else:
            self._identity = identity(self._popen.pid)

    def _ended(self, how: str, now: float) -> None:
        healthy = now - self._started >= self.healthy_s
        self._failures = 1 if healthy else self._failures + 1
        self._start_at = now + backoff_s(self._failures)
        self._popen = None
        self.restarts += 1
        self.since = datetime.now(UTC)
        log.warning("%s ended (%s); again in %.1f s", self.process.name, how, self._start_at - now)

    def ask_to_stop(self) -> None:
        if self._popen is not None:
            self._popen.send_signal(self.process.stop_signal)

    def await_end(self) -> None:
        """Insist after its time, and end whatever it started."""
        if self._popen is None:
            return
        try:
            self._popen.wait(self.process.stop_timeout_s)
        except subprocess.TimeoutExpired:
            log.warning(
                "%s did not end within %.0f s; killed", self.process.name, self.process.stop_timeout_s
            )
        _kill_group(self._popen.pid)
        self._popen.wait()
        self._popen = None

    def rotate_log(self) -> None:
        """Copy a long log aside and empty it: the process keeps its open file, which appends."""
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copy(self.log_file, self.log_file.with_suffix(".log.1"))
            os.truncate(self.log_file, 0)

    def last_words(self) -> str:
        if not self.log_file.exists():
            return "…"
        with self.log_file.open("rb") as file:
            file.seek(max(0, self.log_file.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "…")

    def record(self) -> dict[str, Any]:
        return {
            "name": self.process.name,
            "pid": self.pid,
            "identity": self._identity,
            "since": self.since.isoformat(),
            "restarts": self.restarts,
            "stop_signal": self.process.stop_signal.value,
        }


def stop_together(children: Iterable[Child]) -> None:
    """Ask all of them to end, then see each to its end."""
    asked = list(children)
    for child in asked:
        child.ask_to_stop()
    for child in asked:
        child.await_end()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a group of zombies
        os.killpg(pid, signal.SIGKILL)


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None once it has ended."""
    if not sys.platform.startswith("linux"):
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
        )
        return done.stdout.strip() or None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    started = fields[18]  # in clock ticks since the boot: field 22 of proc_pid_stat(5)
    return (
        None if state == "Z" else f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {started}"
    )


def is_alive(entry: Mapping[str, Any]) -> bool:
    """Whether the process of this record (`pid` and `identity`) still lives."""
    return entry["pid"] is not None and identity(entry["pid"]) == entry["identity"] is not None


def end_leftovers(entries: Iterable[Mapping[str, Any]]) -> None:
    """End what a killed supervisor left, by its records: never a process that only got the same number."""
    left = [entry for entry in entries if is_alive(entry)]
    for entry in left:
        log.warning(
            "%s (process %d) was left by a farm that was killed; ending it", entry["name"], entry["pid"]
        )
        with suppress(ProcessLookupError):
            os.kill(entry["pid"], entry["stop_signal"])
    _await_end(left)
    for entry in filter(is_alive, left):
        _kill_group(entry["pid"])
    _await_end(left)


def _await_end(entries: Sequence[Mapping[str, Any]]) -> None:
    deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
    while any(map(is_alive, entries)) and time.monotonic() < deadline:
        time.sleep(0.05)


def read_records(file: Path) -> list[dict[str, Any]]:
    """The records in `file`; none when it is missing, or was being written by somebody who was killed."""
    try:
        return list(json.loads(file.read_text()))
    except (FileNotFoundError, ValueError):
        return []
