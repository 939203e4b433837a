"""The fault matrix: each row breaks one thing many times while books are spoken, and says what it cost."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import faults, mixture
from tests.chaos.field import BOOK, CREW, SCALE, SHORT_BOOK, Card, Field, field_up
from tests.chaos.watch import Watch, audit, blamed, spoken, tallied, wasted


@dataclass(frozen=True)
class Row:
    """`number` is FARM.md's. `inject` breaks things `times` times and says what it measured beside the usual.

    `bars`: what was promised, by the name of the figure, in production's seconds or counts; those of
    `unscaled` do not follow from leases and hold here as they are.
    """

    number: str
    fault: str
    inject: Callable[[Field, int], Mapping[str, float]]
    times: int = 10
    short: int = 2
    long_book: int = BOOK  # segments
    bars: Mapping[str, float] = field(default_factory=dict)
    unscaled: frozenset[str] = frozenset()
    crew: Mapping[str, Card] = field(default_factory=lambda: CREW)
    setup: Mapping[str, Any] = field(default_factory=dict)
    fails: bool = False  # each fault fails a segment for good
    around: Callable[[ExitStack], Mapping[str, Any]] | None = None
    """Makes what the field needs before it starts (a store of its own, …): more of `setup`."""

    def bar(self, name: str) -> float:
        """As it is held here."""
        return self.bars[name] / (1 if name in self.unscaled else SCALE)


@dataclass(frozen=True)
class Outcome:
    """`wrong` is what the audit found; `figures` were measured, in seconds and counts."""

    row: Row
    faults: int
    segments: int
    wrong: list[str]
    figures: Mapping[str, float]

    @property
    def missed(self) -> list[str]:
        """The promises that were not held."""
        return [name for name in self.row.bars if self.figures[name] > self.row.bar(name)]


FINISH_S = 900.0


def run(row: Row, times: int) -> Outcome:
    """Raises AssertionError when the books are not finished in time."""
    with ExitStack() as stack:
        made = row.around(stack) if row.around else {}
        book = row.long_book if times >= row.times else SHORT_BOOK
        here = stack.enter_context(field_up(row.crew, book=book, **{**row.setup, **made}))
        with Watch(here.begin) as watch:
            measured = row.inject(here, times)
            here.finish(FINISH_S)
        done, _ = spoken(here.begin)
        counts = tallied(here.begin)
        figures = {
            "stall_s": watch.stall_s,
            "wasted": wasted(here.begin, here.store),
            "refused": counts["fence_refusals"],
            "expired": counts["leases_expired"],
            "blamed": blamed(here.begin),
            **measured,
        }
        return Outcome(row, times, done, audit(here.begin, here.store, times if row.fails else 0), figures)


ROWS = (
    Row(
        "1",
        "kill -9 of the process that holds the engine",
        faults.kill_child,
        bars={"released_s": 5.0},
        unscaled=frozenset({"released_s"}),
    ),
    Row("2", "kill -9 of a whole worker", faults.kill_worker, times=30, bars={"released_s": 75.0}),
    Row("3", "worker frozen for two minutes", faults.freeze_worker, bars={"late": 0}),
    Row(
        "4",
        "Redis killed and restarted with its log",
        faults.restart_redis,
        bars={"stall_s": 30.0},
        unscaled=frozenset({"stall_s"}),
    ),
    Row(
        "5",
        "Redis wiped, or restarted empty",
        faults.wipe_redis,
        bars={"stall_s": 75.0},
        unscaled=frozenset({"stall_s"}),
    ),
    Row(
        "6",
        "Redis away for ten minutes",
        faults.lose_redis,
        setup={"broker_road": True},
        bars={"back_s": 30.0},
        unscaled=frozenset({"back_s"}),
    ),
    Row(
        "7",
        "PostgreSQL restarted without mercy",
        faults.restart_postgres,
        bars={"stall_s": 30.0},
        unscaled=frozenset({"stall_s"}),
    ),
    Row(
        "9",
        "the farm's answer is lost, 5 % of them",
        faults.lose_answers,
        times=20,
        setup={"api_road": True},
        bars={"blamed": 0},
    ),
    Row(
        "11",
        "doorbells doubled, reordered, a week old",
        faults.ring_and_time,
        times=10_000,
        short=500,
        bars={"claimed": 0, "each_ms": 5.0},
        unscaled=frozenset({"each_ms"}),
    ),
    Row(
        "12",
        "two clocks; kill -9 of the one that ticks",
        faults.kill_clock,
        bars={"stall_s": 5.0},
        unscaled=frozenset({"stall_s"}),
    ),
    Row(
        "13",
        "a sentence that kills the process",
        faults.poison,
        times=3,
        short=1,
        crew={name: Card(card.engine + ",poison=arsenic", card.gpu_class) for name, card in CREW.items()},
        fails=True,
        bars={"held": 0, "deaths_each": 4},
        unscaled=frozenset({"deaths_each"}),
    ),
    Row(
        "14",
        "a worker that fails everything, or speaks wrongly",
        faults.bad_worker,
        times=10,
        bars={"noticed_s": 60.0},
        unscaled=frozenset({"noticed_s"}),
    ),
    Row(
        "16",
        "the store away for ten minutes; 5 % of its answers lost",
        faults.lose_store,
        around=faults.bucket_by_road,
        bars={"blamed": 0, "wasted": 0, "expired": 0},
    ),
    Row(
        "17",
        "disks full: worker's, Redis's, PostgreSQL's",
        faults.fill_disks,
        times=12,
        short=3,
        setup={"prepare": faults.small_disks, "spool_mb": 16},
        bars={"noticed_s": 60.0},
        unscaled=frozenset({"noticed_s"}),
    ),
    Row(
        "18",
        "a worker's clock five minutes off",
        faults.wrong_clock,
        setup={"clocks": True},
        bars={"blamed": 0, "expired": 0},
    ),
    Row(
        "19",
        "drain, sleep and upgrade, worker after worker",
        faults.rolling,
        times=12,
        short=4,
        bars={"blamed": 0, "away_s": 30.0},
        unscaled=frozenset({"away_s"}),
    ),
    Row(
        "22",
        "one long book beside twenty short ones",
        faults.compete,
        times=20,
        short=4,
        bars={"late": 0},
    ),
    Row(
        "mixed",
        "all kinds, one after the other",
        mixture.everything,
        times=32,
        short=10,
        long_book=190,
        setup={"api_road": True, "broker_road": True},
    ),
)
