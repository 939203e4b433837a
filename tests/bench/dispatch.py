"""How long one dispatch takes while half a million segments wait, for one worker and for two hundred."""

import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle, islice
from statistics import median, quantiles

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from farm import claiming, jobs, rendering, states, workers
from farm.batching import MOST_SEGMENTS
from farm.db import Begin, beginner
from farm.dispatch import Plan, tick
from farm.jobs import Times
from farm.protocol import direct_queue
from farm.tables import Job, JobState, Project, Segment, SegmentState, Worker
from models.bench.figures import Figure
from tests.bench import rows
from tests.bench.options import Options
from tests.bench.service import serving

PROJECTS = 50
WORKERS = 200
CLASSES = ("cpu", "8g", "12g", "24g")
ROUNDS = 100
LENGTH = 80.0  # spoken characters: the mean of a planned novel
SLOW, SPEED, TOP_SPEED = 5.7, 60.0, 300.0  # x realtime: jobs of 10, of 102 and of 511 segments
PLAN = Plan(Times(lease_s=3600.0, unclaimed_s=3600.0), batch_s=30.0, house_depth=4)


def run(options: Options) -> list[Figure]:
    with serving() as farm:
        begin = beginner(farm.settings.database_url)
        with begin() as session:
            rows.books(session, rows.shared(options.ready, PROJECTS), LENGTH)
            rows.crew(session, 1, SPEED)
        rounds = min(ROUNDS, options.ready // MOST_SEGMENTS // 4)
        usual_ms = timed_ms(begin, rounds)
        with begin() as session:
            session.execute(update(Worker).values(speed=TOP_SPEED))
        largest_ms = timed_ms(begin, rounds)
        with begin() as session:
            mix(session)
        claims_ms: list[float] = []
        mixed_ms = timed_ms(begin, rounds, claims_ms)
    said = f"{options.ready} segments ready, for a worker at {SPEED:g}×"
    crowd = f"for {WORKERS} workers of {len(CLASSES)} classes"
    return [
        Figure("one dispatch, median", median(usual_ms), "ms", most=20, said=said),
        Figure("one dispatch, 95th percentile", p95(usual_ms), "ms", most=20),
        Figure("the largest job, median", median(largest_ms), "ms", said=f"for a worker at {TOP_SPEED:g}×"),
        Figure("among many, median", median(mixed_ms), "ms", most=20, said=crowd),
        Figure("among many, 95th percentile", p95(mixed_ms), "ms", most=20),
        Figure("a claim among many, 95th percentile", p95(claims_ms), "ms", most=50, said="without HTTP"),
    ]


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def mix(session: Session) -> None:
    """Two hundred workers of four classes; some projects only a few of them may serve."""
    rows.crew(session, WORKERS, SPEED)
    at = Worker.id % len(CLASSES)
    session.execute(
        update(Worker).values(
            gpu_class=case(dict(enumerate(CLASSES)), value=at),
            speed=case(dict(enumerate((SLOW, SLOW, SLOW, SPEED))), value=at),
        )
    )
    gpu = Project.pin.op("||")({"precision": "fp16"})
    limit = case({0: 80, 1: 80, 2: 100, 3: 130}, value=Project.id % 4)
    session.execute(update(Project).where(Project.id % 5 > 0).values(pin=gpu, longest_segment=limit))


def timed_ms(begin: Begin, rounds: int, claims_ms: list[float] | None = None) -> list[float]:
    """Of rounds that find room for one job each: before them a worker ends its job and claims the next."""
    with begin() as session:
        for job in session.scalars(select(Job).where(Job.state.in_(jobs.OPEN))):
            rendering.give_back(session, job, JobState.RECALLED)
    rung: dict[str, deque[tuple[int, str]]] = {}
    took_ms = []
    for _ in islice(turns(begin, rung, [] if claims_ms is None else claims_ms), rounds + 1):
        since = time.monotonic()
        tick(
            begin, lambda queue, job_id, token: rung.setdefault(queue, deque()).append((job_id, token)), PLAN
        )
        took_ms.append(1000 * (time.monotonic() - since))
    return took_ms[1:]  # the first fills the queues


def turns(begin: Begin, rung: dict[str, deque[tuple[int, str]]], claims_ms: list[float]) -> Iterator[None]:
    """Between the rounds: one worker after the other, of each class in turn, goes on to its next job."""
    yield
    with begin() as session:
        crew = sorted(workers.live(session), key=lambda worker: worker.id)
    for worker in cycle(crew):
        with begin() as session:
            end_job(session, worker)
        queues = (direct_queue(worker.name), jobs.render_queue(worker.gpu_class))
        offer = next((rung[queue].popleft() for queue in queues if rung.get(queue)), None)
        assert offer is not None, f"nothing was dispatched for {worker.name}"
        since = time.monotonic()
        with begin() as session:
            mine = session.get_one(Worker, worker.id)
            claimed = claiming.claim(session, mine, *offer, PLAN.times, PLAN.batch_s)
            assert isinstance(claimed, Job), claimed
            claiming.work(session, claimed)
        claims_ms.append(1000 * (time.monotonic() - since))
        yield


def end_job(session: Session, worker: Worker) -> None:
    """As the accepts of a whole job would, but for the takes."""
    running = Job.state == JobState.RUNNING, Job.worker_id == worker.id
    for job in session.scalars(select(Job).where(*running)):
        held = rendering.held_by(job)
        states.move(session, Segment, held, SegmentState.LEASED, SegmentState.DONE, job_id=None)
        jobs.end(session, job, JobState.DONE)
