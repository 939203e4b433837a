"""A farm under fault: its servers and processes, each to be killed, frozen or cut off, and books to speak."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from farm import oneshot, projects, supervisor
from farm.db import Begin, beginner, engine
from farm.errors import FarmError
from farm.oneshot import Request
from farm.processes import Process
from farm.schema import migrate
from farm.settings import Settings
from farm.storage import Store
from farm.storage.opening import store_of
from farm.supervisor import Supervisor
from farm.tables import Project, Segment, Worker
from farm.up import enrolled, process, with_ports, with_servers
from tests.chaos.clocks import WrongClock
from tests.chaos.road import Road
from tests.chaos.watch import spoken
from tests.conftest import place

SCALE = 10.0
"""Times and bars are production's divided by this."""

CARD_3060 = "simulated:speed=5.7,batch=8"
CARD_4090 = "simulated:speed=28,batch=16"
HEALTHY_S = 60.0 / SCALE
PER_CHAPTER = 50
BOOK, SHORT_BOOK = 600, 100  # segments


@dataclass(frozen=True)
class Card:
    """What a worker of the field is: the simulated engine it speaks with, and its class."""

    engine: str = CARD_4090
    gpu_class: str = "24g"


CREW = {
    "a3060": Card(CARD_3060, "12g"),
    "b3060": Card(CARD_3060, "12g"),
    "c4090": Card(),
    "d4090": Card(),
}


def scaled(home: Path) -> Settings:
    """Production's settings, every time a tenth."""
    usual = Settings()
    times = ("lease_s", "renew_s", "stall_s", "unclaimed_s", "beat_s", "batch_s")
    shorter = {name: getattr(usual, name) / SCALE for name in times}
    store = str(home / "store")
    return replace(
        usual, home=home, store_url=store, port=0, api_port=0, tick_s=0.25, log_level="INFO", **shorter
    )


@dataclass
class Field:
    """What the rows of the matrix act upon."""

    config: Settings
    keeper: Supervisor
    begin: Begin
    store: Store
    folder: Path
    book: int = BOOK
    roads: dict[str, Road] = field(default_factory=dict)
    crew: dict[str, Settings] = field(default_factory=dict)
    workers: dict[str, Process] = field(default_factory=dict)
    books: list[int] = field(default_factory=list)
    clocks: dict[str, WrongClock] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def add(self, crew: Mapping[str, Card], **also: Any) -> None:
        """Start render workers; `also` are settings of theirs."""
        self.keeper.start(*(self.worker(name, card, **also) for name, card in crew.items()))

    def worker(self, name: str, card: Card, **also: Any) -> Process:
        """What a new worker's process is to be."""
        config = replace(self.config, worker_name=name, worker_class=card.gpu_class, worker_secret="")
        config = replace(enrolled(config), engine=card.engine, home=self.folder / name, **also)
        for inside in ("run", "logs"):
            (config.home / inside).mkdir(parents=True, exist_ok=True)
        self.crew[name] = config
        made = process("render", config)
        odd = clock.environment if (clock := self.clocks.get(name)) else {}
        if road := self.roads.get("api"):
            odd = {**odd, "FARM_API_URL": f"http://127.0.0.1:{road.port}"}
        made = self.workers[name] = replace(made, name=name, env={**(made.env or {}), **odd})
        return made

    def pid(self, name: str) -> int:
        """Of a process of the field, as soon as it runs."""
        return eventually(lambda: self._pid(name))

    def _pid(self, name: str) -> int | None:
        return next((p.pid for p in supervisor.processes(self.config.home) if p.name == name), None)

    def upgrade(self, name: str) -> None:
        """End a worker's process as whoever brings new code does, and start it again."""
        self.kill(name, signal.SIGTERM)
        eventually(lambda: self._pid(name) is None)
        self.keeper.start(self.workers[name])

    def child(self, name: str) -> int:
        """The process that holds the worker's engine."""
        return eventually(lambda: max(children(self.pid(name)), default=None))

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the process's whole group a signal; the supervisor starts it again if it ends."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid(name), number)

    def start_book(self, segments: int | None = None, odd: Mapping[int, str] = MappingProxyType({})) -> int:
        """A book of so many sentences, each its own segment, none like another; read, reviewed and started.

        Without `segments` it is as long as is usual here. `odd`: what other words some have, by their number.
        """
        number = len(self.books) + 1
        path = self.folder / f"book-{number}.txt"
        path.write_text(manuscript(number, segments or self.book, odd))
        request = Request((path,), engine="simulated", changes={"one_sentence": True})
        project_id = eventually(lambda: oneshot.asked_for(self.begin, self.store, request))
        eventually(lambda: self.started(project_id, request))
        self.books.append(project_id)
        return project_id

    def started(self, project_id: int, request: Request) -> bool:
        with self.begin() as session:
            project = projects.find(session, project_id)
            if project.state == "review":
                oneshot.begin_work(session, project, request)
            planned = select(Segment.id).where(Segment.project_id == project_id).limit(1)
            return project.started_at is not None and session.scalar(planned) is not None

    def finished(self, project_id: int) -> bool:
        with self.begin() as session:
            project = session.get_one(Project, project_id)
            return project.state == "finished"

    def finish(self, within_s: float = 300) -> None:
        """Until every book is finished."""
        eventually(lambda: all(self.finished(book) for book in self.books), within_s)

    def pause(self, seconds: float, least: int = 100) -> None:
        """Let the farm work for a while; a book is added when fewer segments than `least` are left."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            done, total = eventually(lambda: spoken(self.begin))
            if total - done < min(least, self.book // 2):
                self.start_book(self.book // 2)
            time.sleep(min(left, 0.2))

    def worker_id(self, name: str) -> int:
        with self.begin() as session:
            return session.scalars(select(Worker.id).where(Worker.name == name)).one()

    @property
    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.config.broker_url, socket_timeout=5)

    @property
    def postmaster(self) -> int:
        """The pid of PostgreSQL itself."""
        return self.pid("postgres")


def manuscript(number: int, segments: int, odd: Mapping[int, str]) -> str:
    lines = []
    for at in range(segments):
        if at % PER_CHAPTER == 0:
            lines.append(f"Chapter {at // PER_CHAPTER + 1}")
        says = odd.get(at, "counted ship")
        lines.append(f"In book {number} of the sea the keeper {says} {at + 1}.")
    return "\n\n".join(lines)


def children(pid: int) -> list[int]:
    """Process ids of the children of `pid` (Linux)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


T = TypeVar("T")


def eventually(true: Callable[[], T | None], within_s: float = 120) -> T:
    """What `true` returns once it is neither false nor raising for a server that is away."""
    deadline = time.monotonic() + within_s
    while True:
        with suppress(FarmError, DBAPIError, psycopg.Error, redis.RedisError):
            if found := true():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {within_s:.0f} s")
        time.sleep(0.05)


@contextmanager
def field_up(
    crew: Mapping[str, Card] = CREW,
    *,
    api_road: bool = False,
    broker_road: bool = False,
    more_roads: Mapping[str, Road] = MappingProxyType({}),
    prepare: Callable[[ExitStack, Path], None] | None = None,
    clocks: bool = False,
    book: int = BOOK,
    **settings: Any,
) -> Iterator[Field]:
    """A farm with workers; on request they reach its API, and everybody the broker, by a road.

    `prepare` is given the folder in which everything will lie; with `clocks` each worker's can be put wrong.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(place())
        if prepare:
            prepare(stack, folder)
        config = replace(scaled(folder / "farm"), **settings)
        keeper = stack.enter_context(Supervisor(config.home, healthy_s=HEALTHY_S))
        config = with_ports(with_servers(config, keeper), ("api",))
        roads = dict(more_roads)
        if api_road:
            roads["api"] = stack.enter_context(Road(("127.0.0.1", config.api_port)))
        if broker_road:
            broker = urlsplit(config.broker_url)
            roads["broker"] = stack.enter_context(Road(("127.0.0.1", broker.port or 0)))
            by_road = f"{broker.username or ''}:{broker.password}@127.0.0.1:{roads['broker'].port}"
            config = replace(config, broker_url=urlunsplit(broker._replace(netloc=by_road)))
        migrate(config.database_url)
        stack.callback(engine(config.database_url).dispose)
        keeper.start(process("api", config))
        keeper.start(process("clock", config), process("house", config))
        begin, store = beginner(config.database_url), store_of(config)
        made = Field(config, keeper, begin, store, folder, book, roads)
        if clocks:
            made.clocks = {name: WrongClock(folder / f"{name}.offset") for name in crew}
        made.add(crew)
        yield made
