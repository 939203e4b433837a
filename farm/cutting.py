"""Cutting: which project's segments go into a GPU class's next render jobs, and for whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, and_, any_, false, func, literal, select, true, union_all
from sqlalchemy.orm import Session

from farm import batching, chapters, jobs, rendering, states, turns
from farm.batching import Waiting
from farm.db import among
from farm.gpu import CLASSES
from farm.mishaps import Verdict
from farm.round import Destination, OpenJob, Round
from farm.tables import (
    Chapter,
    ChapterState,
    Job,
    JobKind,
    JobState,
    Project,
    Segment,
    SegmentState,
    Take,
    WorkerState,
)
from farm.turns import Rotation

SPARE = 8  # jobs, and workers for each of which there is one more: so many end within a second or two
END_CANDIDATES = 4096  # with so many segments waiting the end of a project is not near


@dataclass
class Cutter:
    """Writes the render jobs of one class."""

    session: Session
    seen: Round
    gpu_class: str
    batch_s: float

    def fill(self) -> None:
        """Keep a few jobs waiting: enough for whoever is free before the next round, and no more.

        Shallow, so that pause and priority act at once.
        """
        depth = self.depth()
        queued = self.seen.queued(self.gpu_class)
        if len(queued) >= depth and not self.is_pressed(queued):
            return
        found = [self.seen.projects[project_id] for project_id in self.seen.waiting]
        waiting = [project for project in found if self.seen.able_in(project, self.gpu_class)]
        if waiting:
            self.make_way(min(waiting, key=self.order))
        while waiting and len(self.seen.queued(self.gpu_class)) < depth:
            project = min(waiting, key=self.order)
            if not self.cut(project, alone=len(waiting) == 1):
                waiting.remove(project)

    def depth(self) -> int:
        """A job for each idle worker and each that may end its own at any moment, but not two for anybody."""
        crew = self.seen.crews[self.gpu_class]
        idle = sum(worker.state == WorkerState.READY for worker in crew)
        return min(len(crew) + 1, idle + SPARE + len(crew) // SPARE)

    def is_pressed(self, queued: Sequence[OpenJob]) -> bool:
        """Whether a project that has nothing in the full queue may be one that others give way to."""
        served, lowest = {job.project_id for job in queued}, min(job.priority for job in queued)
        others = [self.seen.projects[id] for id in self.seen.waiting - served]
        return bool(self.seen.urgent) or any(
            (project.priority > lowest or self.rotation.is_new(project.id))
            and self.seen.able_in(project, self.gpu_class)
            for project in others
        )

    def order(self, project: Project) -> tuple[Any, ...]:
        """The smallest is next: by priority, then what no smaller card can do, then by turn."""
        needed = project.id not in self.seen.urgent
        shared = self.seen.smallest_class(project) != self.gpu_class
        return needed, -project.priority, shared, *self.rotation.place(project.id), project.id

    @property
    def rotation(self) -> Rotation:
        return self.seen.rotations.setdefault(self.gpu_class, Rotation())

    def make_way(self, first: Project) -> None:
        """Recall what waits before the project that is to go first, if it has nothing in the queue itself."""
        queued = self.seen.queued(self.gpu_class)
        if any(job.project_id == first.id for job in queued):
            return
        behind = [job for job in queued if self.goes_before(first, job)]
        if behind and self.cut(first):
            recall(self.session, self.seen, behind)

    def goes_before(self, first: Project, job: OpenJob) -> bool:
        """Whether a job that waits gives way: to a higher priority, or to the first job of a new project."""
        others = sum(open.project_id == job.project_id for open in self.seen.open) - 1
        new = self.rotation.is_new(first.id) and others > 0
        return job.priority < first.priority or (job.priority == first.priority and new)

    def cut(self, project: Project, *, alone: bool = False) -> bool:
        """Write the project's next job; False when it has nothing for the class. `alone`: no other has.

        What was tried goes first; but a doubted worker that nobody can judge shows itself on something new.
        """
        if Verdict.WORK in self.seen.verdicts.values():
            return self.cut_untried(project, alone) or self.cut_tried(project)
        return self.cut_tried(project) or self.cut_untried(project, alone)

    def cut_tried(self, project: Project) -> bool:
        """A job of segments that failed before, for a worker that did not fail them."""
        if project.id not in self.seen.tried:
            return False
        found = self.free(project, Segment.attempts > 0, batching.MOST_SEGMENTS)
        groups: dict[frozenset[int], list[Waiting]] = {}
        for segment in found:
            groups.setdefault(segment.failed_by, []).append(segment)
        for failed_by, group in groups.items():
            to = self.seen.for_the_tried(project, self.gpu_class, failed_by)
            if to and self.write(project, group, to, self.batch_s):
                return True
        return False

    def cut_untried(self, project: Project, alone: bool) -> bool:
        to = self.seen.destination(project, self.gpu_class)
        if to is None:
            return False
        batch_s = self.seconds(project, alone)
        most = batching.candidates(batching.target_seconds(batch_s, to.speed))
        return self.write(project, self.free(project, Segment.attempts == 0, most), to, batch_s)

    def seconds(self, project: Project, alone: bool) -> float:
        """Of rendering in the next batch: a project's first one is short, and its last if nothing follows."""
        if self.rotation.is_new(project.id):
            return self.batch_s * batching.FIRST_SHARE
        return self.batch_s if not alone else self.seconds_at_the_end(project)

    def seconds_at_the_end(self, project: Project) -> float:
        first = select(Segment.length).where(ready(project)).limit(END_CANDIDATES).subquery()
        count, length = self.session.execute(select(func.count(), func.sum(first.c.length))).one()
        if not 0 < count < END_CANDIDATES:
            return self.batch_s
        speed = sum(worker.speed or batching.UNKNOWN_SPEED for worker in self.seen.able_anywhere(project))
        return batching.at_the_end(self.batch_s, batching.expected_seconds(length), speed)

    def free(self, project: Project, which: ColumnElement[bool], most: int) -> list[Waiting]:
        return free_segments(
            self.session,
            project,
            and_(which, Segment.length <= CLASSES[self.gpu_class].longest_segment),
            most,
        )

    def write(self, project: Project, waiting: Sequence[Waiting], to: Destination, batch_s: float) -> bool:
        batch = batching.cut(waiting, batching.target_seconds(batch_s, to.speed))
        if not batch:
            return False
        job = lease(self.session, project, batch, to.queue, self.gpu_class, to.speed)
        self.seen.open.append(OpenJob(job.id, project.id, job.queue, None, project.priority))
        mark = self.rotation.advance(project.id, job.cost_s / project.weight)
        turns.write(self.session, project.id, self.gpu_class, mark)
        return True


def ready(project: Project) -> ColumnElement[bool]:
    return and_(Segment.project_id == project.id, Segment.state == SegmentState.READY)


def free_segments(session: Session, project: Project, which: ColumnElement[bool], most: int) -> list[Waiting]:
    """The project's first ready segments, `most` at most; those whose take exists by now are marked done.

    A recipe that is being spoken is left out.
    """
    columns = (Segment.id, Segment.take_key, Segment.length, Segment.attempts, Segment.failed_by)
    first = select(*columns, Segment.chapter_id).where(ready(project), which)
    found = [
        Waiting(id, key or "", length, attempts, frozenset(failed_by), chapter)
        for id, key, length, attempts, failed_by, chapter in session.execute(
            first.order_by(Segment.rank).limit(most)
        )
    ]
    if not found:
        return []
    known = made_or_in_hand(session, [segment.take_key for segment in found])
    if True in known.values():
        adopt(session, [segment for segment in found if known.get(segment.take_key)])
    return [segment for segment in found if segment.take_key not in known]


def made_or_in_hand(session: Session, keys: list[str]) -> dict[str, bool]:
    """Recipes of which there is a take (True), or which some worker is speaking now (False).

    Joined to the query of the segments, both are planned badly.
    """
    asked = literal(keys, ARRAY(Text))
    made = select(Take.key, true()).where(Take.key == any_(asked))
    leased = and_(Segment.take_key == any_(asked), Segment.state == SegmentState.LEASED)
    in_hand = select(Segment.take_key, false()).where(leased)
    known: dict[str, bool] = {}
    found: Any = session.execute(union_all(made, in_hand))
    for key, is_made in found:
        known[key] = is_made or known.get(key, False)
    return known


def adopt(session: Session, found: Sequence[Waiting]) -> None:
    """Mark as done what has its take already. Chapters are locked before segments, as accepts do it."""
    chapters.lock(session, {segment.chapter_id for segment in found})
    done = chapters.adopt(session, among(Segment.id, [segment.id for segment in found]))
    chapters.add(session, done, [])


def lease(
    session: Session,
    project: Project,
    batch: Sequence[Waiting],
    queue: str,
    gpu_class: str,
    speed: float | None,
) -> Job:
    """Write a render job that holds the segments of `batch`."""
    audio_s = sum(batching.expected_seconds(segment.length) for segment in batch)
    job = jobs.write(
        session,
        JobKind.RENDER,
        project.id,
        queue=queue,
        payload={"gpu_class": gpu_class},
        cost_s=audio_s / (speed or batching.UNKNOWN_SPEED),
        wake=False,
    )
    chosen = among(Segment.id, [segment.id for segment in batch])
    states.move(session, Segment, chosen, SegmentState.READY, SegmentState.LEASED, job_id=job.id)
    started = among(Chapter.id, {segment.chapter_id for segment in batch})
    if states.move(session, Chapter, started, ChapterState.PLANNED, ChapterState.RENDERING):
        states.changed(session, project.id)
    return job


def recall(session: Session, seen: Round, unwanted: Sequence[OpenJob]) -> None:
    """Take jobs back, uncounted; one that somebody claims or ends at this moment is left to them."""
    if not unwanted:
        return
    chosen = and_(among(Job.id, [job.id for job in unwanted]), Job.state.in_(jobs.OPEN))
    locked = select(Job).where(chosen).order_by(Job.id).with_for_update(skip_locked=True)
    taken = list(session.scalars(locked.execution_options(populate_existing=True)))
    rendering.give_back_all(session, taken, JobState.RECALLED)
    gone = {job.id for job in taken}
    seen.open = [job for job in seen.open if job.id not in gone]
    seen.waiting |= {job.project_id for job in taken} & set(seen.projects)
    seen.rotations = turns.read(session)
