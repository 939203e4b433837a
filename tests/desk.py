"""A farm without processes: the clock's rounds and the workers' calls, in the order a test wants."""

from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from farm import claiming, jobs, rendering
from farm.db import Begin
from farm.dispatch import Plan, tick
from farm.gpu import CLASSES
from farm.jobs import Times
from farm.messages import Message
from farm.protocol import direct_queue
from farm.rendering import Spoken, Unspoken
from farm.tables import Chapter, Job, JobState, Project, Segment, Worker
from tests import builders

PLAN = Plan(Times(lease_s=3600.0, unclaimed_s=3600.0), batch_s=30, house_depth=0)


def fp16(book: Project, longest: float = 100) -> Project:
    """The project as one for cards with a GPU."""
    book.pin = {**builders.PIN, "precision": "fp16"}
    book.longest_segment = longest
    return book


@dataclass
class Desk:
    begin: Begin
    plan: Plan = PLAN
    queues: dict[str, deque[tuple[int, str]]] = field(default_factory=lambda: defaultdict(deque))
    rung: list[tuple[str, int]] = field(default_factory=list)

    def ring(self) -> list[tuple[str, int]]:
        """One round of the clock; what it published: (queue, job)."""
        before = len(self.rung)
        tick(self.begin, self.publish, self.plan)
        return self.rung[before:]

    def publish(self, queue: str, job_id: int, token: str) -> None:
        self.queues[queue].append((job_id, token))
        self.rung.append((queue, job_id))

    def take(self, worker_id: int) -> Job | None:
        """What a worker gets from its two queues; refused and stale messages are dropped as a worker does."""
        with self.begin() as session:
            worker = session.get_one(Worker, worker_id)
        for queue in (direct_queue(worker.name), jobs.render_queue(worker.gpu_class)):
            while self.queues[queue]:
                claimed = self.claim(worker_id, *self.queues[queue].popleft())
                if isinstance(claimed, Job):
                    return claimed
        return None

    def claim(self, worker_id: int, job_id: int, token: str) -> Job | Message:
        with self.begin() as session:
            worker = session.get_one(Worker, worker_id)
            return claiming.claim(session, worker, job_id, token, self.plan.times, self.plan.batch_s)

    def held(self, job: Job) -> list[Segment]:
        with self.begin() as session:
            return rendering.leased(session, job)

    def end(
        self, job: Job, failing: Collection[int] = (), kind: str = "engine", *, last: bool = True
    ) -> None:
        """As a worker that speaks all it has but the segments `failing`, in order; the store is left out."""
        with self.begin() as session:
            mine = {segment.id: segment for segment in rendering.leased(session, job)}
            speed = session.scalar(select(Worker.speed).where(Worker.id == job.worker_id)) or 1.0
            results = [
                Unspoken(id, kind, "broke") if id in failing else Spoken(id, 1, "0" * 64, 2.0, 2.0 / speed, 0)
                for id in mine
            ]
            rendering.enter(session, jobs.hold(session, job.id, job.token), mine, results, last=last)

    def lose(self, job: Job) -> None:
        """As when its worker's power was cut after it said what it had in hand: the lease runs out."""
        with self.begin() as session:
            in_hand = [segment.id for segment in rendering.leased(session, job)]
            over = {"in_hand": in_hand, "lease_until": func.now()}
            session.execute(update(Job).where(Job.id == job.id).values(over))
        self.ring()


def audit(session: Session) -> None:
    """The invariants: counters equal counts, nothing is leased without an open job that fits its worker."""
    for chapter in session.scalars(select(Chapter)):
        states = session.execute(
            select(Segment.state, func.count())
            .where(Segment.chapter_id == chapter.id)
            .group_by(Segment.state)
        ).all()
        counted = dict(states)
        assert chapter.segments_done == counted.get("done", 0)
        assert chapter.segments_failed == counted.get("failed", 0)
    open_jobs = select(Job.id).where(Job.state.in_(jobs.OPEN))
    astray = select(Segment.id).where(Segment.state == "leased", Segment.job_id.not_in(open_jobs))
    assert session.scalars(astray).all() == []
    loose = select(Segment.id).where(Segment.state != "leased", Segment.job_id.is_not(None))
    assert session.scalars(loose).all() == []
    claimed = select(Job, Worker, Project).join(Worker, Worker.id == Job.worker_id).join(Project)
    for job, worker, project in session.execute(claimed.where(Job.state == JobState.RUNNING)):
        limit = CLASSES[worker.gpu_class]
        assert limit.dtype == project.pin["precision"]
        assert all(segment.length <= limit.longest_segment for segment in rendering.leased(session, job))
