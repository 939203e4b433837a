"""When projects will be done, and what one more worker would change: ranges from measured speeds."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from farm.crew import classes_for, speed_of
from farm.fleet import Fleet
from farm.gpu import TYPICAL_SPEED
from farm.matching import misfit
from farm.sharing import spoken_in
from farm.tables import Project, Worker

MASTERING_SPEED = 100.0  # x realtime of one house process on one core, measured
SWIFT, SLOW = 0.9, 1.5  # the range that a forecast is given as
OVERHEAD_S = 15.0
WORTH = 0.95  # another worker that leaves more of the time than this is no help
NEWCOMER = 0  # no worker's id


@dataclass(frozen=True)
class OneMore:
    """With another worker of a class. `measured`: by the speed of those that are here, not a typical one."""

    gpu_class: str
    soonest_s: float
    latest_s: float
    measured: bool


@dataclass(frozen=True)
class Forecast:
    """In seconds from now, None when unknown. `spare_s` is left until the deadline, below 0 when missed."""

    soonest_s: float | None
    latest_s: float | None
    deadline: datetime | None
    spare_s: float | None
    one_more: OneMore | None

    @property
    def late(self) -> bool:
        return self.spare_s is not None and self.spare_s < 0

    @property
    def one_more_is_in_time(self) -> bool:
        """Whether the deadline that will be missed would be met with one more worker."""
        if self.one_more is None or self.spare_s is None or self.latest_s is None:
            return False
        return self.late and self.one_more.latest_s <= self.latest_s + self.spare_s


@dataclass(frozen=True)
class Newcomer:
    """A worker that does not exist. `ends`: project -> seconds until it is spoken with its help."""

    gpu_class: str
    measured: bool
    ends: Mapping[int, float]


def span(spoken_s: float, mastering_s: float) -> tuple[float, float]:
    """Soonest and latest, in seconds from now; mastering goes on beside the speaking and bounds it."""
    expected_s = max(spoken_s, mastering_s)
    return SWIFT * expected_s, SLOW * expected_s + OVERHEAD_S


class Forecaster:
    """Forecasts for many projects of one fleet; what is alike is computed once."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.speeds = {worker.id: speed_of(worker) for worker in fleet.live}
        self._newcomers: dict[Hashable, list[Newcomer]] = {}

    @cached_property
    def ends(self) -> dict[int, float]:
        return spoken_in(list(self.fleet.claims.values()), self.speeds)

    def of(self, project: Project, unmastered_s: float) -> Forecast:
        """When a running project will be done; `unmastered_s` of its audio are not mastered yet."""
        mastering_s = unmastered_s / MASTERING_SPEED
        left_s = self.fleet.unspoken_s.get(project.id, 0.0)
        spoken_s = self.ends.get(project.id) if left_s else 0.0
        if not unmastered_s:
            return Forecast(None, None, project.deadline, None, None)
        known = span(spoken_s, mastering_s) if spoken_s is not None else None
        soonest, latest = known or (None, None)
        wanted_s = (project.deadline - self.fleet.at).total_seconds() if project.deadline else None
        spare = wanted_s - latest if wanted_s is not None and latest is not None else None
        more = self.one_more(project, mastering_s, latest, wanted_s) if left_s else None
        return Forecast(soonest, latest, project.deadline, spare, more)

    def alone(self, project: Project, audio_s: float) -> tuple[float, float] | None:
        """When a project would be done that is started now as it is: beside those that run."""
        asked = self.fleet.claim(project, audio_s)
        spoken_s = spoken_in([*self.fleet.claims.values(), asked], self.speeds).get(project.id)
        return None if spoken_s is None else span(spoken_s, audio_s / MASTERING_SPEED)

    def one_more(
        self, project: Project, mastering_s: float, latest: float | None, wanted_s: float | None
    ) -> OneMore | None:
        """The smallest class with which the deadline is met; else the one that helps most, if any does."""
        found = []
        for newcomer in self.newcomers(project):
            if (spoken_s := newcomer.ends.get(project.id)) is not None:
                helped = OneMore(newcomer.gpu_class, *span(spoken_s, mastering_s), newcomer.measured)
                if latest is None or helped.latest_s < WORTH * latest:
                    found.append(helped)
        in_time = [helped for helped in found if wanted_s is not None and helped.latest_s <= wanted_s]
        return in_time[0] if in_time else min(found, key=lambda helped: helped.latest_s, default=None)

    def newcomers(self, project: Project) -> list[Newcomer]:
        """With one more worker of each class that may serve a project and whose speed is known."""
        need = self.fleet.need(project)
        if need not in self._newcomers:
            self._newcomers[need] = [
                Newcomer(gpu_class, measured, self.with_one_more(worker_like(project, gpu_class), speed))
                for gpu_class in classes_for(project)
                for speed, measured in [self.speed_of_class(project.engine, gpu_class)]
                if speed
            ]
        return self._newcomers[need]

    def with_one_more(self, newcomer: Worker, speed: float) -> dict[int, float]:
        """Project -> seconds until it is spoken, with the newcomer in the crews of those it may serve."""
        crews: dict[Hashable, frozenset[int]] = {}
        joined = []
        for project in self.fleet.running:
            claim, need = self.fleet.claims[project.id], self.fleet.need(project)
            if need not in crews:
                fits = misfit(newcomer, project, ()) is None
                crews[need] = claim.crew | {NEWCOMER} if fits else claim.crew
            joined.append(replace(claim, crew=crews[need]))
        return spoken_in(joined, {**self.speeds, NEWCOMER: speed})

    def speed_of_class(self, engine: str, gpu_class: str) -> tuple[float, bool]:
        """x realtime to expect of another worker of a class, 0 when unknown; and whether it was measured."""
        alike = [it for it in self.fleet.crew if (it.engine, it.gpu_class) == (engine, gpu_class)]
        measured = [speed for it in alike if (speed := it.speed or it.benchmark)]
        if measured:
            return sum(measured) / len(measured), True
        return TYPICAL_SPEED.get((engine, gpu_class), 0.0), False


def worker_like(project: Project, gpu_class: str) -> Worker:
    """A worker of that class that has what the project asks for; no row of the database."""
    fingerprint = project.pin.get("fingerprint", "")
    return Worker(
        id=NEWCOMER,
        name="",
        gpu_class=gpu_class,
        engine=project.engine,
        fingerprint=fingerprint,
        tags=project.tags,
        projects=[],
    )
