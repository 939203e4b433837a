"""A round of the dispatcher: the farm as it stands, read once, and where a project's next job goes."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from farm import blocks, jobs, turns
from farm.gpu import CLASSES
from farm.matching import Pair, can_serve
from farm.mishaps import Verdict
from farm.protocol import direct_queue
from farm.tables import (
    Desired,
    Job,
    JobKind,
    Project,
    ProjectState,
    Segment,
    SegmentState,
    Worker,
    WorkerState,
)
from farm.turns import Rotation

ASKED = (
    Project.title,
    Project.state,
    Project.engine,
    Project.pin,
    Project.cast,
    Project.longest_segment,
    Project.priority,
    Project.weight,
    Project.classes,
    Project.tags,
    Project.most_workers,
)
"""What of a project is asked in a round; the rest of its row may be large."""


@dataclass(frozen=True)
class OpenJob:
    """A render job that waits in `queue`, or that a worker has."""

    id: int
    project_id: int
    queue: str
    worker_id: int | None
    priority: int

    @property
    def is_queued(self) -> bool:
        return self.worker_id is None


@dataclass(frozen=True)
class Destination:
    """A queue, and the workers that will take from it."""

    queue: str
    workers: tuple[Worker, ...]

    @property
    def speed(self) -> float | None:
        """x realtime of the fastest; None while none was measured."""
        return max((worker.speed for worker in self.workers if worker.speed), default=None)


@dataclass
class Round:
    """`listeners` take from the queues, `live` (ids) are those of them that are to be given work.

    `projects` are those that run, `waiting` those of them that have ready segments, `tried` those that have
    some which failed before, `urgent` those with some on which a worker's good name depends. `verdicts` are
    on the doubted workers.
    """

    listeners: list[Worker]
    live: set[int]
    blocked: set[Pair]
    projects: dict[int, Project]
    waiting: set[int]
    tried: set[int]
    open: list[OpenJob]
    rotations: dict[str, Rotation]
    urgent: set[int] = field(default_factory=set)
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.audiences: dict[str, list[Worker]] = {}
        for worker in self.listeners:
            self.audiences.setdefault(worker.gpu_class, []).append(worker)
        self.queues = {
            gpu_class: {
                jobs.render_queue(gpu_class),
                *(direct_queue(worker.name) for worker in audience),
            }
            for gpu_class, audience in self.audiences.items()
        }
        self.sort_crews()

    def sort_crews(self) -> None:
        """By class, and by what decides which projects they may serve: many workers are of few kinds."""
        self.crews: dict[str, list[Worker]] = {name: [] for name in self.audiences}
        self.kinds: dict[object, list[Worker]] = {}
        self.able: dict[int, dict[str, list[Worker]]] = {}
        for worker in self.listeners:
            if worker.id in self.live:
                self.crews[worker.gpu_class].append(worker)
                self.kinds.setdefault(kind_of(worker), []).append(worker)

    def dismiss(self, worker: Worker) -> None:
        """Give it nothing in this round."""
        self.live.discard(worker.id)
        self.sort_crews()

    def able_by_class(self, project: Project) -> dict[str, list[Worker]]:
        """The live workers that may serve a project."""
        if project.id not in self.able:
            kept_off = {worker for kept_from, worker in self.blocked if kept_from == project.id}
            able = self.able[project.id] = {}
            for alike in self.kinds.values():
                if can_serve(alike[0], project):
                    fit = [w for w in alike if w.id not in kept_off] if kept_off else alike
                    able[alike[0].gpu_class] = able.get(alike[0].gpu_class, []) + fit
        return self.able[project.id]

    def able_in(self, project: Project, gpu_class: str) -> list[Worker]:
        return self.able_by_class(project).get(gpu_class, [])

    def able_anywhere(self, project: Project) -> list[Worker]:
        return [worker for able in self.able_by_class(project).values() for worker in able]

    def smallest_class(self, project: Project) -> str:
        """The smallest class of a live worker that may serve the project."""
        able = self.able_by_class(project)
        return min((name for name in able if able[name]), key=lambda name: CLASSES[name].least_gib)

    def queued(self, gpu_class: str) -> list[OpenJob]:
        """What waits for the workers of a class, the oldest first."""
        return [job for job in self.open if job.is_queued and job.queue in self.queues[gpu_class]]

    def destination(self, project: Project, gpu_class: str) -> Destination | None:
        """Where a project's untried segments go: to the class, if all who listen there may speak them."""
        able = self.able_in(project, gpu_class)
        together = len(able) == len(self.audiences[gpu_class]) and project.most_workers is None
        if together and not any(worker.id in self.verdicts for worker in able):
            return Destination(jobs.render_queue(gpu_class), tuple(able))
        able = [worker for worker in able if self.verdicts.get(worker.id) != Verdict.WAIT]
        return next((direct(worker) for worker in self.free(project, able)), None)

    def for_the_tried(
        self, project: Project, gpu_class: str, failed_by: Collection[int]
    ) -> Destination | None:
        """Where a segment goes that some workers failed: to another, or to whoever there is."""
        able = self.able_anywhere(project)
        others = [worker for worker in able if worker.id not in failed_by]
        willing = others or [w for w in able if self.verdicts.get(w.id) != Verdict.WAIT]
        here = [worker for worker in willing if worker.gpu_class == gpu_class]
        return next((direct(worker) for worker in self.free(project, here)), None)

    def free(self, project: Project, able: Iterable[Worker]) -> list[Worker]:
        """Those of `able` with no job in their own queue, idle ones first, as the project's limit allows."""
        taken = {job.queue for job in self.open if job.is_queued}
        allowed = self.within_limit(project, able)
        free = [worker for worker in allowed if direct_queue(worker.name) not in taken]
        load = Counter(job.worker_id for job in self.open)
        return sorted(free, key=lambda w: (w.state != WorkerState.READY, load[w.id], w.id))

    def within_limit(self, project: Project, able: Iterable[Worker]) -> list[Worker]:
        """Those who may be given the project's next job, though it has only so many workers at once."""
        if project.most_workers is None:
            return list(able)
        mine = [job for job in self.open if job.project_id == project.id]
        if len(mine) > project.most_workers:
            return []
        queues = {job.queue for job in mine if job.is_queued}
        on = {job.worker_id for job in mine} | {
            worker.id for worker in self.listeners if direct_queue(worker.name) in queues
        }
        full = len(on - {None}) >= project.most_workers
        return [worker for worker in able if worker.id in on or not full]


def kind_of(worker: Worker) -> object:
    """What of a worker decides which projects it may serve, but for the blocks."""
    pinned = (worker.engine, worker.fingerprint, worker.gpu_class, worker.protocol)
    return *pinned, tuple(worker.tags), tuple(worker.projects)


def direct(worker: Worker) -> Destination:
    return Destination(direct_queue(worker.name), (worker,))


def look(session: Session, heard: Sequence[tuple[Worker, Desired]]) -> Round:
    """A handful of queries, however many projects, segments and workers there are."""
    # The first of each: for a mere EXISTS every ready segment is hashed, unordered the table is scanned.
    ready = select(Segment.id).where(Segment.project_id == Project.id, Segment.state == SegmentState.READY)
    ready = ready.order_by(Segment.rank).limit(1)
    tried = ready.where(Segment.attempts > 0)
    statement = select(Project, ready.scalar_subquery(), tried.scalar_subquery())
    running = statement.where(Project.state == ProjectState.RUNNING).order_by(Project.id)
    found = session.execute(running.options(load_only(*ASKED))).all()
    return Round(
        listeners=[worker for worker, _ in heard],
        live={worker.id for worker, desired in heard if desired == Desired.RUN},
        blocked=blocks.pairs(session),
        projects={project.id: project for project, _, _ in found},
        waiting={project.id for project, first, _ in found if first},
        tried={project.id for project, _, tried in found if tried},
        open=open_jobs(session),
        rotations=turns.read(session),
    )


def open_jobs(session: Session) -> list[OpenJob]:
    """The render jobs that wait or are being spoken."""
    columns = select(Job.id, Job.project_id, Job.queue, Job.worker_id, Project.priority).join(Project)
    statement = columns.where(Job.kind == JobKind.RENDER, Job.state.in_(jobs.OPEN)).order_by(Job.id)
    return [OpenJob(*found) for found in session.execute(statement)]
