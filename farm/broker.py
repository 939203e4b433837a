"""Each worker's own user at the broker: it may take doorbells off its two queues, and nothing else.

BRPOP and PING are all that Celery 5.7 asks of Redis when it keeps nothing beside the queues (tasks/app.py).
Users belong to the whole Redis server, so one server serves one farm.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import redis

from farm.addresses import is_loopback
from farm.errors import Rejected, ServiceDown
from farm.jobs import render_queue
from farm.protocol import direct_queue
from farm.settings import Settings
from farm.tables import Desired, Worker

PREFIX = "farm-worker-"
CLASSES_BEFORE = "classes_before"
"""In a worker's profile: those it was of since it joined. It may ask there until it hears of the change; a
refusal would end Celery."""
COMMANDS = ("-@all", "+brpop", "+ping")
TIMEOUT_S = 5.0
NEWS = "broker"
"""What the clock is told when a worker's user is not as it should be."""


class Broker:
    """The broker's users. Raises ServiceDown; Rejected where it lets us make none."""

    def __init__(self, admin_url: str) -> None:
        self._redis = redis.Redis.from_url(
            admin_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True
        )
        self._run = ""
        self._admitted: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.close()

    def check(self) -> None:
        """Raises Rejected when users cannot be made here."""
        with answering():
            self._set(f"{PREFIX}check", ("reset",))
            self._redis.acl_deluser(f"{PREFIX}check")

    def admit(self, worker: Worker) -> None:
        """Let the worker in by its password's hash; with another one than before, cut its old connections."""
        user, wanted = user_of(worker.id), rules(worker)
        with answering():
            known: Any = self._redis.acl_getuser(user)
            if known and worker.broker_hash not in known["passwords"]:
                self._redis.acl_deluser(user)
            self._set(user, wanted)
        self._admitted[user] = wanted

    def expel(self, worker: Worker) -> None:
        """End the worker's user, which cuts its connections at once."""
        self._remove(user_of(worker.id))

    def has_restarted(self) -> bool:
        """Whether this is another run of the server than at the last `reconcile`: it has forgotten users."""
        return self._run != self._run_now()

    def reconcile(self, workers: Callable[[], Iterable[Worker]]) -> None:
        """Make the workers' users as they should be, after a restart of Redis too; touch no others.

        `workers` is asked after the users were listed, so that one who joins meanwhile is no stranger.
        """
        run = self._run_now()
        if run != self._run:
            self._admitted.clear()
        with answering():
            there = {str(user) for user in self._redis.acl_users() if str(user).startswith(PREFIX)}
        wanted = {user_of(worker.id): worker for worker in workers() if may_enter(worker)}
        for user in there - wanted.keys():
            self._remove(user)
        for user, worker in wanted.items():
            if user not in there or self._admitted.get(user) != rules(worker):
                self.admit(worker)
        self._run = run

    def _run_now(self) -> str:
        with answering():
            return str(self._redis.info("server")["run_id"])

    def _set(self, user: str, wanted: tuple[str, ...]) -> None:
        self._redis.execute_command("ACL SETUSER", user, *wanted)  # type: ignore[no-untyped-call]

    def _remove(self, user: str) -> None:
        with answering():
            self._redis.acl_deluser(user)
        self._admitted.pop(user, None)


@contextmanager
def answering() -> Iterator[None]:
    """What Redis answers in the farm's words."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as e:
        raise ServiceDown("The broker does not answer: {reason}", reason=str(e)) from e
    except redis.ResponseError as e:
        raise Rejected(
            "This Redis lets the farm make no users for its workers ({reason}). Give the user in "
            "FARM_BROKER_URL the right to ACL commands, or use a Redis of your own: without "
            "FARM_BROKER_URL the farm starts one.",
            reason=str(e),
        ) from e


def user_of(worker_id: int) -> str:
    return f"{PREFIX}{worker_id}"


def may_enter(worker: Worker) -> bool:
    return worker.broker_hash != "" and worker.desired != Desired.REVOKED


def rules(worker: Worker) -> tuple[str, ...]:
    """What ACL SETUSER makes of the worker's user, whatever it was before."""
    classes = (worker.gpu_class, *worker.profile.get(CLASSES_BEFORE, ()))
    keys = (f"~{queue}" for queue in (*map(render_queue, classes), direct_queue(worker.name)))
    return ("reset", "on", f"#{worker.broker_hash}", *keys, "resetchannels", *COMMANDS)


def url_for(config: Settings, worker: Worker, password: str) -> str:
    """Where the worker reaches its queues. Raises Rejected when that would be in clear on a network."""
    return as_user(config.broker_url if worker.local else public_url(config), worker.id, password)


def as_user(url: str, worker_id: int, password: str) -> str:
    """
    >>> as_user("redis://:admin@127.0.0.1:6379/0", 7, "pw")
    'redis://farm-worker-7:pw@127.0.0.1:6379/0'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user_of(worker_id)}:{password}@{host}"))


def public_url(config: Settings) -> str:
    """Where workers on other machines reach the broker. Raises Rejected when they cannot in private."""
    url = config.broker_public_url or config.broker_url
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") and not is_loopback(urlsplit(config.worker_api).hostname or ""):
        raise Rejected(
            "Other machines cannot reach this farm's broker: it listens on this one only. Start the farm "
            "with --listen, or set FARM_BROKER_PUBLIC_URL."
        )
    in_clear = parts.scheme != "rediss" and not is_loopback(parts.hostname or "")
    if in_clear and not config.broker_in_clear:
        raise Rejected(
            "Workers on other machines would reach Redis without TLS. Set FARM_BROKER_PUBLIC_URL to a "
            "rediss:// address, or FARM_BROKER_IN_CLEAR=yes if the network is yours alone."
        )
    return url
