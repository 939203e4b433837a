"""What Prometheus scrapes: one snapshot of the farm, from counters and partial indexes, not from all rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy import ARRAY, Float, cast, func, literal, select
from sqlalchemy.orm import Session

from farm import hearsay, tally, workers
from farm.db import Begin, now
from farm.jobs import OPEN
from farm.tables import (
    Chapter,
    Job,
    JobKind,
    JobState,
    Project,
    ProjectState,
    Segment,
    SegmentState,
    Take,
    Worker,
)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "voicefarm_"
MIB = 2**20
LATELY = timedelta(hours=1)
QUANTILES = (0.5, 0.95, 0.99)
MOST_TIMED = 10_000  # jobs whose times are sorted: 10 ms
LONGEST_LABEL = 100  # characters
UNDERWAY = (ProjectState.RUNNING, ProjectState.PAUSED)
BY_WORKER = (
    # metric, what it says, which of the worker's facts, what of the unit one of the fact's is
    ("vram_used_bytes", "GPU memory in use on the worker's card.", "vram_used_mib", MIB),
    ("vram_total_bytes", "GPU memory of the worker's card.", "vram_total_mib", MIB),
    ("utilization_ratio", "How busy the worker's card is, 0 to 1.", "utilisation", 1),
    ("temperature_celsius", "Temperature of the worker's card.", "celsius", 1),
    ("power_watts", "What the worker's card draws.", "watts", 1),
    ("memory_bytes", "Main memory of the worker's engine.", "rss_mib", MIB),
    ("spooled_bytes", "Spoken audio that waits on the worker for the store.", "spooled_mib", MIB),
    ("realtime_now_ratio", "Seconds of audio a second, as the worker speaks now.", "speed_now", 1),
)
TALLIES = {
    tally.LEASES_EXPIRED: "Leases that ran out before their job ended.",
    tally.FENCE_REFUSALS: "Late answers of workers that held a job no longer; nothing of them was taken.",
}

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float | None]]


class Snapshot:
    """The collector of a scrape."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin

    def collect(self) -> Iterator[Metric]:
        with self.begin() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            at = session.scalars(select(now)).one()  # as a value: no index answers a clock that ticks
            yield from open_jobs(session, at)
            yield from ended_jobs(session, at - LATELY)
            yield from run_times(session, at - LATELY)
            yield from segments(session)
            yield from takes(session)
            yield from crew(session, at)
            yield from tallies(session)


def exposition(begin: Begin) -> bytes:
    """Every metric, as `CONTENT_TYPE`."""
    return generate_latest(Snapshot(begin))


def gauge(name: str, says: str, names: Labels, samples: Samples) -> Metric:
    """A family; what was not measured is left out, because a zero or NaN would spoil sums."""
    family = GaugeMetricFamily(PREFIX + name, says, labels=names)
    for labels, value in samples:
        if value is not None:
            family.add_metric([label[:LONGEST_LABEL] for label in labels], value)
    return family


def open_jobs(session: Session, at: datetime) -> Iterator[Metric]:
    waiting = Job.state == JobState.QUEUED
    age = cast(func.extract("epoch", at - func.min(Job.created_at)), Float)
    ages = session.execute(select(Job.queue, age).where(waiting).group_by(Job.queue))
    says = "Age of the oldest job that waits in a queue."
    yield gauge("queue_oldest_job_age_seconds", says, ("queue",), [((queue,), age) for queue, age in ages])
    by = (Job.kind, Job.state)
    counted = session.execute(select(*by, func.count()).where(Job.state.in_(OPEN)).group_by(*by))
    found = {(kind, state): count for kind, state, count in counted}
    every = [(kind.value, state.value) for kind in JobKind for state in OPEN]
    samples = [(labels, found.get(labels, 0)) for labels in every]
    yield gauge("jobs_open", "Jobs that wait or run.", ("kind", "state"), samples)


def ended_jobs(session: Session, since: datetime) -> Iterator[Metric]:
    """What the last hour's jobs cost and gave."""
    lately = Job.ended_at > since
    by = (Job.kind, Job.state)
    sums = (
        select(*by, func.count(), func.sum(Job.cpu_s), func.sum(Job.audio_s))
        .where(lately)
        .group_by(*by)
        .order_by(*by)
    )
    found = session.execute(sums).all()
    ends = [((kind, state), count) for kind, state, count, _, _ in found]
    yield gauge("jobs_ended_last_hour", "Jobs that ended in the last hour.", ("kind", "state"), ends)
    cpu: dict[str, float] = defaultdict(float)
    for kind, _, _, cpu_s, _ in found:
        cpu[kind] += cpu_s or 0.0
    says = "Processor time that the house spent on the jobs that ended in the last hour."
    house = [((kind,), seconds) for kind, seconds in cpu.items() if kind != JobKind.RENDER]
    yield gauge("house_cpu_last_hour_seconds", says, ("kind",), house)
    says = "Audio accepted of the render jobs that ended in the last hour."
    yield gauge("audio_accepted_last_hour_seconds", says, (), [((), sum(row[4] or 0.0 for row in found))])


def run_times(session: Session, since: datetime) -> Iterator[Metric]:
    timed = (
        select(Job.kind, cast(func.extract("epoch", Job.ended_at - Job.claimed_at), Float).label("took"))
        .where(Job.ended_at > since, Job.state == JobState.DONE)
        .order_by(Job.ended_at.desc())
        .limit(MOST_TIMED)
        .subquery()
    )
    sought = literal(list(QUANTILES), ARRAY(Float))
    spread = func.percentile_cont(sought).within_group(timed.c.took)
    found = session.execute(select(timed.c.kind, func.avg(timed.c.took), spread).group_by(timed.c.kind)).all()
    says = "Claim to end of the jobs done in the last hour; of a render job, that is its batch."
    quantiles = [
        ((kind, str(quantile)), took)
        for kind, _, values in found
        for quantile, took in zip(QUANTILES, values or (), strict=False)
    ]
    yield gauge("job_run_seconds", says, ("kind", "quantile"), quantiles)
    means = [((kind,), mean) for kind, mean, _ in found]
    yield gauge("job_run_mean_seconds", "The mean of the same.", ("kind",), means)


def segments(session: Session) -> Iterator[Metric]:
    """From the chapters' counters; only those that are leased now are counted."""
    counters = (Chapter.segments, Chapter.segments_done, Chapter.segments_failed)
    sums = select(Project.id, Project.title).add_columns(*map(func.sum, counters)).join_from(Project, Chapter)
    underway = sums.where(Project.state.in_(UNDERWAY), Chapter.included).group_by(Project.id)
    held = select(Segment.project_id, func.count()).where(Segment.state == SegmentState.LEASED)
    leased = dict(session.execute(held.group_by(Segment.project_id)).all())
    titles, samples = [], []
    for project_id, title, total, done, failed in session.execute(underway):
        out = leased.get(project_id, 0)
        found = {"ready": total - done - failed - out, "leased": out, "done": done, "failed": failed}
        samples += [((str(project_id), state), max(count, 0)) for state, count in found.items()]
        titles.append(((str(project_id), title), 1))
    yield gauge("project_info", "Projects that run or are paused.", ("project", "title"), titles)
    yield gauge("segments", "Segments of the projects that run or are paused.", ("project", "state"), samples)


def takes(session: Session) -> Iterator[Metric]:
    made = session.scalars(select(func.count()).select_from(Take)).one()
    done = session.scalar(select(func.sum(Chapter.segments_done))) or 0
    yield gauge("takes", "Takes that are kept.", (), [((), made)])
    yield gauge("segments_done", "Segments that are spoken, of all projects.", (), [((), done)])
    says = "Share of the spoken segments whose take was found rather than rendered, 0 to 1."
    yield gauge("takes_found_ratio", says, (), [((), max(0.0, 1 - made / done) if done else None)])


def crew(session: Session, at: datetime) -> Iterator[Metric]:
    everyone = list(session.scalars(select(Worker).order_by(Worker.name)))
    for name, says, fact, unit in BY_WORKER:
        of_each = [((worker.name,), in_unit(worker, fact, unit)) for worker in everyone]
        yield gauge(f"worker_{name}", says, ("worker",), of_each)
    yield stages(everyone)
    says = "Seconds of audio a second, moving average over accepted takes."
    yield gauge("worker_realtime_ratio", says, ("worker",), [((w.name,), w.speed) for w in everyone])
    says = "Seconds of audio a second, as measured when the worker joined."
    yield gauge(
        "worker_benchmark_realtime_ratio", says, ("worker",), [((w.name,), w.benchmark) for w in everyone]
    )
    ages = [
        ((w.name,), max((at - w.last_seen).total_seconds(), 0.0) if w.last_seen else None) for w in everyone
    ]
    yield gauge("worker_beat_age_seconds", "Since the worker was last heard of.", ("worker",), ages)
    words = {worker.name: workers.word(worker, at) for worker in everyone}
    yield gauge(
        "worker_state", "1 for what the worker is now.", ("worker", "state"), [(w, 1) for w in words.items()]
    )
    counted = [((word,), count) for word, count in sorted(Counter(words.values()).items())]
    yield gauge("workers", "Workers by what they are now.", ("state",), counted)
    kinds = [((w.name, w.gpu_class, w.engine, w.version, str(w.protocol)), 1) for w in everyone]
    yield gauge(
        "worker_info", "What the worker is.", ("worker", "class", "engine", "version", "protocol"), kinds
    )


def stages(everyone: Iterable[Worker]) -> Metric:
    says = "Seconds that a worker's engine spent on a stage of its work since it was loaded."
    family = CounterMetricFamily(f"{PREFIX}worker_stage_seconds", says, labels=("worker", "stage"))
    for worker in everyone:
        for stage, seconds in hearsay.stages(worker.facts).items():
            family.add_metric([worker.name[:LONGEST_LABEL], stage], seconds)
    return family


def in_unit(worker: Worker, fact: str, unit: int) -> float | None:
    said = hearsay.number(worker.facts.get(fact))
    return None if said is None else said * unit


def tallies(session: Session) -> Iterator[Metric]:
    counted = tally.read(session)
    for name, says in TALLIES.items():
        yield CounterMetricFamily(PREFIX + name, says, value=counted[name])
