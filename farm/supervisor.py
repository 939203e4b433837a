"""Starts the farm's processes, starts again what dies, and ends all of them when the farm ends."""

import fcntl
import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, NoReturn, Self

from farm.errors import Conflict, Forbidden, Rejected, ServiceDown
from farm.processes import (
    HEALTHY_S,
    Child,
    Process,
    end_leftovers,
    identity,
    is_alive,
    read_records,
    stop_together,
)
from farm.service_user import write_private

START_TIMEOUT_S = 120.0  # PostgreSQL may have to replay its log first
START_ATTEMPTS = 3
POLL_S = 0.1
ROTATE_EVERY_S = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessState:
    """One process of a running farm. `pid` is None while it waits to be started again, `since` is in UTC."""

    name: str
    pid: int | None
    since: datetime
    restarts: int


class Supervisor:
    """Holds a home and its processes: `with Supervisor(home) as farm: farm.start(…); farm.wait()`.

    One at a time: raises Conflict when another farm holds the home, Forbidden when it is another user's, and
    Rejected when it cannot be made.
    A process that lived for `healthy_s` is started again at once when it ends, others later and later.
    In the main thread SIGTERM and SIGHUP raise KeyboardInterrupt as SIGINT does: each leaves the `with`.
    """

    def __init__(self, home: Path, healthy_s: float = HEALTHY_S) -> None:
        self.home = home
        self.healthy_s = healthy_s
        self._groups: list[list[Child]] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        _make_folders(self.home)
        self._lock = _take_lock(self.home)
        end_leftovers(read_records(_state_file(self.home)))
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup
            self._handlers = {number: signal.signal(number, _leave) for number in heard}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)  # stopping is bounded already; nothing may interrupt it
        self._stopping.set()
        self._wake.set()
        self._ended.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._lock.truncate(0)
        self._lock.close()

    def start(self, *processes: Process) -> None:
        """Start them side by side and return when all are ready; raises ServiceDown if one never is.

        What was started together is stopped together, the last group first.
        """
        logs = self.home / "logs"
        group = [Child(process, logs / f"{process.name}.log", self.healthy_s) for process in processes]
        self._groups.append(group)
        self._wake.set()
        for child in group:
            self._await(child)

    @property
    def _children(self) -> list[Child]:
        return [child for group in self._groups for child in group]

    def wait(self) -> None:
        """Until a signal asks us to stop, or every process has ended as it meant to."""
        with suppress(KeyboardInterrupt):
            while not self._ended.wait(POLL_S):  # Thread.join, interrupted, would take the thread for ended
                if len(self.done()) == len(self._children):
                    return
            raise RuntimeError("the supervisor's thread has ended: its traceback is above")

    def done(self) -> dict[str, int]:
        """The processes that ended as they meant to, and with which of their `done_statuses`."""
        children = self._children
        return {c.process.name: c.done_status for c in children if c.done_status is not None}

    def _await(self, child: Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        ready = child.process.ready
        while not (child.pid and (ready is None or ready())):
            if child.done_status is not None:
                return
            if child.restarts >= START_ATTEMPTS or time.monotonic() > deadline or self._ended.is_set():
                raise ServiceDown(
                    "{name} does not start: {words} The whole story is in {log}.",
                    name=child.process.name,
                    words=child.last_words(),
                    log=child.log_file,
                )
            time.sleep(0.02)

    def _supervise(self) -> None:
        """Start everything from this one thread: children end with the thread that started them."""
        rotated = time.monotonic()
        try:
            while not self._stopping.is_set():
                changed = [child for child in self._children if child.tend(time.monotonic())]
                if changed:
                    self._write()
                if time.monotonic() - rotated > ROTATE_EVERY_S:
                    rotated = time.monotonic()
                    for child in self._children:
                        child.rotate_log()
                self._wake.wait(POLL_S)
                self._wake.clear()
        finally:
            try:
                for group in reversed(self._groups):
                    stop_together(group)
                _state_file(self.home).unlink(missing_ok=True)
            finally:
                self._ended.set()

    def _write(self) -> None:
        try:
            write_private(_state_file(self.home), json.dumps([child.record() for child in self._children]))
        except OSError as error:  # a full disk is no reason to stop a farm
            log.warning("The list of processes could not be written: %s", error)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _lock_file(home: Path) -> Path:
    return home / "run" / "farm.lock"


def _state_file(home: Path) -> Path:
    return home / "run" / "processes.json"


def _make_folders(home: Path) -> None:
    """The home and what is ours in it, closed to everybody else. A folder that exists is left as it is."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)  # root's servers, another user, pass through
        for folder in (home / "run", home / "logs"):
            folder.mkdir(mode=0o700, exist_ok=True)
        owner = (home / "run").stat().st_uid
    except OSError as e:
        raise Rejected(
            "{home} cannot be made or written: {reason}. Choose another FARM_HOME.",
            home=home,
            reason=e.strerror,
        ) from e
    if owner != os.geteuid():
        raise Forbidden(
            "The farm on {home} is of user {owner}. Run it as that user, or choose another FARM_HOME.",
            home=home,
            owner=owner,
        )


def _take_lock(home: Path) -> IO[str]:
    """The lock file, locked for as long as it is open, with our process in it."""
    lock = os.fdopen(os.open(_lock_file(home), os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        lock.close()
        raise Conflict(
            "A farm runs on {home} already (process {pid}). Use it, stop it, or choose another FARM_HOME.",
            home=home,
            pid=holder(home),
        ) from e
    lock.truncate()
    json.dump([{"pid": os.getpid(), "identity": identity(os.getpid())}], lock)
    lock.flush()
    return lock


def holder(home: Path) -> int | None:
    """The process id of the farm that runs on this home, if one does."""
    return next((entry["pid"] for entry in read_records(_lock_file(home)) if is_alive(entry)), None)


def processes(home: Path) -> list[ProcessState]:
    """The processes of the farm that runs on this home, in the order of their start; none when none does."""
    if holder(home) is None:
        return []
    return [
        ProcessState(item["name"], item["pid"], datetime.fromisoformat(item["since"]), item["restarts"])
        for item in read_records(_state_file(home))
    ]
