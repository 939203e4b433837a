"""Before the start: what a project would be cut for, when it would be done, and what each class changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from farm import crew
from farm.fleet import Fleet
from farm.forecast import Forecaster
from farm.gpu import CLASSES
from farm.tables import Project


@dataclass(frozen=True)
class Prospect:
    """`longest_segment` is None when nobody may serve it; seconds from the start, None when unknown."""

    longest_segment: float | None = None
    soonest_s: float | None = None
    latest_s: float | None = None

    @property
    def middle_s(self) -> float | None:
        if self.soonest_s is None or self.latest_s is None:
            return None
        return (self.soonest_s + self.latest_s) / 2


@dataclass(frozen=True)
class Choice:
    """A class that the farm has for the engine: its workers, and what it is with and without them."""

    gpu_class: str
    workers: int
    allowed: bool
    with_it: Prospect
    without_it: Prospect


@dataclass(frozen=True)
class Outlook:
    """As the project is set now, and class by class."""

    prospect: Prospect
    choices: tuple[Choice, ...]


def of(fleet: Fleet, project: Project, audio_s: float) -> Outlook:
    """`audio_s`: seconds of audio of the ticked chapters."""
    forecaster = Forecaster(fleet)
    mine = [worker.gpu_class for worker in fleet.crew if worker.engine == project.engine]
    present = [name for name in CLASSES if name in mine]
    ticked = [name for name in present if not project.classes or name in project.classes]

    def prospect(classes: Sequence[str]) -> Prospect:
        return with_classes(forecaster, project, audio_s, classes)

    choices = tuple(
        Choice(
            name,
            mine.count(name),
            name in ticked,
            prospect([*ticked, name]),
            prospect([other for other in ticked if other != name]),
        )
        for name in present
    )
    return Outlook(prospect(ticked), choices)


def with_classes(
    forecaster: Forecaster, project: Project, audio_s: float, classes: Sequence[str]
) -> Prospect:
    """What it would be if it were started now with these classes alone."""
    asked = crew.supposing(project, classes=list(classes))
    fleet = forecaster.fleet
    able = crew.allowed(fleet.crew, asked, fleet.blocked) if classes else []
    if not able:
        return Prospect()
    terms = crew.terms(able)
    span = forecaster.alone(crew.started_with(asked, terms), audio_s)
    return Prospect(terms.longest_segment, *(span or (None, None)))
