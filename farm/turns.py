"""Turns: whose work is next. Start-time fair queueing (Goyal, Vin and Cheng, 1996), apart for each GPU class.

A job moves its project's mark on by the job's seconds ÷ the project's weight; the lowest mark is next. A
project that comes late or was away begins where the others are: it waits a round at most, is owed nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from farm.tables import Job, Project, ProjectState, Turn


@dataclass(frozen=True)
class Mark:
    """Where a project's latest job began and ends, in seconds of rendering ÷ weight."""

    start: float
    finish: float


@dataclass
class Rotation:
    """The marks of one class, by project. `now` is where the latest job began: nobody is behind that."""

    marks: dict[int, Mark] = field(default_factory=dict)
    now: float = 0.0

    def note(self, project_id: int, mark: Mark) -> None:
        self.marks[project_id] = mark
        self.now = max(self.now, mark.start)

    def is_new(self, project_id: int) -> bool:
        return project_id not in self.marks

    def place(self, project_id: int) -> tuple[float, float]:
        """The lowest is next; of those that are level, the one that was served the longest ago."""
        mark = self.marks.get(project_id)
        return (max(mark.finish, self.now), mark.start) if mark else (self.now, -1.0)

    def advance(self, project_id: int, cost: float) -> Mark:
        """The mark of a project that gets a job of `cost` seconds ÷ weight."""
        start, _ = self.place(project_id)
        mark = Mark(start, start + cost)
        self.note(project_id, mark)
        return mark


def read(session: Session) -> dict[str, Rotation]:
    """By class, of the running projects."""
    running = select(Turn.gpu_class, Turn.project_id, Turn.start, Turn.finish).join(Project)
    rotations: dict[str, Rotation] = {}
    for gpu_class, project, start, finish in session.execute(
        running.where(Project.state == ProjectState.RUNNING)
    ):
        rotations.setdefault(gpu_class, Rotation()).note(project, Mark(start, finish))
    return rotations


def write(session: Session, project_id: int, gpu_class: str, mark: Mark) -> None:
    values = {"start": mark.start, "finish": mark.finish}
    statement = insert(Turn).values(project_id=project_id, gpu_class=gpu_class, **values)
    session.execute(
        statement.on_conflict_do_update(index_elements=[Turn.project_id, Turn.gpu_class], set_=values)
    )


def refund(session: Session, unclaimed: Sequence[Job]) -> None:
    """Take back what jobs that nobody spoke anything of moved their projects' marks on."""
    for job in unclaimed:
        weight = select(Project.weight).where(Project.id == job.project_id).scalar_subquery()
        theirs = (Turn.project_id == job.project_id, Turn.gpu_class == job.payload.get("gpu_class"))
        session.execute(
            update(Turn)
            .where(*theirs)
            .values(finish=Turn.finish - job.cost_s / weight)
            .execution_options(synchronize_session=False)
        )
