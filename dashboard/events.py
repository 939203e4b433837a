"""Server-sent events: which projects changed, told at once to the pages that are open on them."""

import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg
from flask import Response

from farm.errors import Transient

log = logging.getLogger(__name__)

_LOOK_S = 0.5  # how often the listener asks whether it is to stop
_LONGEST_PAUSE_S = 30.0
_RETRY_MS = 3000  # how long a browser waits before it opens a lost stream again
_MOST_PENDING = 500  # projects; a client that lags behind more is told to look at everything


@dataclass(frozen=True)
class Changed:
    """Something about this project changed; None: something about any, look at everything."""

    project: int | None


class Subscription:
    """What one open page is told: iterate it, close it when the page is gone.

    Changes are kept as the set of projects that changed, so a slow page gets the latest, not a backlog.
    """

    def __init__(self, project: int | None, heartbeat_s: float, gap_s: float) -> None:
        self._project = project
        self._heartbeat_s = heartbeat_s
        self._gap_s = gap_s
        self._changed = threading.Condition()
        self._due: dict[int | None, float] = {}  # project -> when it may be told, of time.monotonic()
        self._told: dict[int | None, float] = {}
        self.closed = False

    def tell(self, project: int | None) -> None:
        """Note that `project` changed (None: any), if this page is about it."""
        if self._project is not None:
            if project not in (None, self._project):
                return
            project = self._project
        with self._changed:
            if len(self._due) >= _MOST_PENDING:
                self._due.clear()
                project = None
            self._due.setdefault(project, self._told.get(project, -self._gap_s) + self._gap_s)
            self._changed.notify()

    def __iter__(self) -> Iterator[Changed | None]:
        """Changes as they come, at most one in `gap_s` a project; None is a heartbeat. Ends when closed."""
        while True:
            event = self._next()
            if self.closed:
                return
            yield event

    def _next(self) -> Changed | None:
        heartbeat = time.monotonic() + self._heartbeat_s
        with self._changed:
            while not self.closed and (now := time.monotonic()) < heartbeat:
                project, due = min(self._due.items(), key=lambda item: item[1], default=(None, heartbeat))
                if due <= now:
                    return self._take(project, now)
                self._changed.wait(min(due, heartbeat) - now)
        return None

    def _take(self, project: int | None, now: float) -> Changed:
        del self._due[project]
        self._told = {told: at for told, at in self._told.items() if at + self._gap_s > now}
        self._told[project] = now
        return Changed(project)

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Broadcaster:
    """One a process: listens to PostgreSQL in a thread that the first page starts, and tells every page.

    `database_url` is psycopg's. Streams may take half of the process's `threads`, so that no request starves.
    """

    def __init__(
        self, database_url: str, threads: int, *, heartbeat_s: float = 15.0, gap_s: float = 0.5
    ) -> None:
        self._database_url = database_url
        self._most = threads // 2
        self._heartbeat_s = heartbeat_s
        self._gap_s = gap_s
        self._lock = threading.Lock()
        # Weak, because a response that was never begun (HEAD, a client already gone) is not always closed.
        self._open: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self.told_at = time.monotonic()  # what was looked up before is out of date
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def subscribe(self, project: int | None = None) -> Subscription:
        """Changes of one project, or of all, beginning with one: the page may be older than the subscription.

        Raises Transient when too many pages are open; the page then polls.
        """
        with self._lock:
            if sum(not subscription.closed for subscription in self._open) >= self._most:
                raise Transient(
                    "Too many pages are open for live progress. This one asks now and then instead."
                )
            subscription = Subscription(project, self._heartbeat_s, self._gap_s)
            subscription.tell(None)
            self._open.add(subscription)
            self._listen_in_background()
        return subscription

    def stop(self) -> None:
        """End the thread and every stream. A later subscription starts afresh."""
        self._stopping.set()
        for subscription in self._subscriptions():
            subscription.close()
        if self._thread is not None:
            self._thread.join()

    def _subscriptions(self) -> list[Subscription]:
        with self._lock:
            return list(self._open)

    def _listen_in_background(self) -> None:
        alive = self._thread is not None and self._thread.is_alive()  # a fork leaves the thread behind
        if not alive or self._stopping.is_set():
            self._stopping = threading.Event()
            self._thread = threading.Thread(
                target=self._keep_listening, args=(self._stopping,), name="events", daemon=True
            )
            self._thread.start()

    def _keep_listening(self, stopping: threading.Event) -> None:
        pause_s = _LOOK_S
        while not stopping.is_set():
            try:
                with self._connect() as connection:
                    connection.execute("LISTEN farm")
                    pause_s = _LOOK_S
                    self._tell(None)  # what was said while nobody listened is lost
                    self._listen(connection, stopping)
            except psycopg.OperationalError as e:
                log.warning("no events for %s s, the database does not answer: %s", pause_s, e)
                stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._database_url,
            autocommit=True,
            application_name="farm events",
            connect_timeout=5,
            keepalives_idle=30,  # seconds; a host that vanished is noticed within a minute or so
            keepalives_count=3,
            keepalives_interval=10,
        )

    def _listen(self, connection: psycopg.Connection, stopping: threading.Event) -> None:
        while not stopping.is_set():
            for notice in connection.notifies(timeout=_LOOK_S):
                self._tell(_project(notice.payload))

    def _tell(self, project: int | None) -> None:
        self.told_at = time.monotonic()
        for subscription in self._subscriptions():
            subscription.tell(project)


def only_which(change: Changed) -> Iterable[bytes]:
    yield b"event: changed\ndata: %s\n\n" % json.dumps({"project": change.project}).encode()


def stream_response(
    events: Subscription, frames: Callable[[Changed], Iterable[bytes]] = only_which
) -> Response:
    """The subscription as text/event-stream, each change told in `frames`; closed with the response."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx
    response = Response(_stream(events, frames), mimetype="text/event-stream", headers=headers)
    response.call_on_close(events.close)
    return response


def _stream(
    events: Iterable[Changed | None], frames: Callable[[Changed], Iterable[bytes]]
) -> Iterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    with suppress(Transient):  # the stream ends, and the browser opens it again until the database answers
        for event in events:
            if event is None:
                yield b": still here\n\n"
            else:
                yield from frames(event)


def _project(payload: str) -> int | None:
    """The project a notification names; None (look at everything) when it names none."""
    try:
        project = json.loads(payload)["project"]
    except (ValueError, KeyError, TypeError):
        log.warning("not a notification of the farm: %.100r", payload)
        return None
    return project if isinstance(project, int) else None
