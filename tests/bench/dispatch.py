"""How long one dispatch takes while half a million segments wait."""

import time
from statistics import median, quantiles

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from farm import jobs, rendering, states, workers
from farm.batching import MOST_SEGMENTS
from farm.db import Begin, beginner
from farm.dispatch import Plan, tick
from farm.jobs import Times
from farm.tables import Job, JobState, Segment, SegmentState, Worker
from tests.bench import rows
from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.service import serving

PROJECTS = 50
ROUNDS = 100
LENGTH = 80.0  # spoken characters: the mean of a planned novel
SPEED, TOP_SPEED = 60.0, 300.0  # x realtime: jobs of 102 and of 511 segments
PLAN = Plan(Times(lease_s=3600.0, unclaimed_s=3600.0), batch_s=30.0, house_depth=4)


def run(options: Options) -> list[Figure]:
    with serving() as farm:
        begin = beginner(farm.settings.database_url)
        with begin() as session:
            rows.books(session, rows.shared(options.ready, PROJECTS), LENGTH)
            rows.crew(session, 1, SPEED)
        rounds = min(ROUNDS, options.ready // MOST_SEGMENTS // 4)
        usual_ms = [1000 * one_dispatch(begin) for _ in range(rounds + 1)][1:]  # the first cuts two jobs
        with begin() as session:
            session.execute(update(Worker).values(speed=TOP_SPEED))
        largest_ms = [1000 * one_dispatch(begin) for _ in range(rounds)]
    said = f"{options.ready} segments ready, for a worker at {SPEED:g}×"
    return [
        Figure("one dispatch, median", median(usual_ms), "ms", most=20, said=said),
        Figure("one dispatch, 95th percentile", quantiles(usual_ms, n=20)[-1], "ms", most=20),
        Figure("the largest job, median", median(largest_ms), "ms", said=f"for a worker at {TOP_SPEED:g}×"),
    ]


def one_dispatch(begin: Begin) -> float:
    """Seconds of a round that finds room for one job; then a worker ends its job and claims that one."""
    rung: list[tuple[int, str]] = []
    since = time.monotonic()
    tick(begin, lambda queue, job_id, token: rung.append((job_id, token)), PLAN)
    took_s = time.monotonic() - since
    assert rung, "nothing was dispatched"
    with begin() as session:
        (worker,) = workers.live(session)
        end_jobs(session)
        assert rendering.claim(session, worker, *rung[0], PLAN.times, PLAN.batch_s)
    return took_s


def end_jobs(session: Session) -> None:
    """As the accepts of a whole job would, but for the takes."""
    for job in session.scalars(select(Job).where(Job.state == JobState.RUNNING)):
        held = rendering.held_by(job)
        states.move(session, Segment, held, SegmentState.LEASED, SegmentState.DONE, job_id=None)
        jobs.end(session, job, JobState.DONE)
