"""What Prometheus is told is what the rows say, in its own format, without reading all of them."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, func, select, text, update

from farm import jobs, metrics, states, tally, workers
from farm.db import Begin, engine, now
from farm.embedded import Servers
from farm.tables import Chapter, Job, JobKind, Project, Segment, Take, Worker
from tests import builders
from tests.bench import rows
from tests.farms import ROOT


def scraped(begin: Begin) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """(name, labels) -> value, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(metrics.exposition(begin).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(begin: Begin, name: str, **labels: str) -> float | None:
    return scraped(begin).get((f"voicefarm_{name}", tuple(sorted(labels.items()))))


@pytest.fixture
def book(begin: Begin) -> int:
    """A running book with five segments: two done, one failed, one leased, one ready."""
    with begin() as session:
        made = builders.project(session, title='红楼梦 "第一版"\n')
        chapter = builders.chapter(session, made, ["a", "b", "c", "d", "e"])
        chapter.segments_done, chapter.segments_failed = 2, 1
        job = jobs.write(session, JobKind.RENDER, made.id, queue="render.12g")
        fourth = session.scalars(select(Segment).where(Segment.take_key == "d")).one()
        states.move(session, Segment, Segment.id == fourth.id, "ready", "leased", job_id=job.id)
        session.add(Take(key="a", object="takes/a", size=1, seconds=2.0, seed=0))
        return made.id


def ended(
    begin: Begin, kind: JobKind, project_id: int, took_s: float, ago_s: float = 60, **also: Any
) -> None:
    with begin() as session:
        job = jobs.write(session, kind, project_id)
        end = func.now() - timedelta(seconds=ago_s)
        begun = {"claimed_at": end - timedelta(seconds=took_s), "published_at": end}
        states.move(session, Job, Job.id == job.id, "queued", "running", **begun)
        states.move(
            session, Job, Job.id == job.id, "running", also.pop("state", "done"), ended_at=end, **also
        )


def test_an_empty_farm_says_nothing_that_was_not_measured(begin: Begin) -> None:
    found = scraped(begin)
    assert found[("voicefarm_leases_expired_total", ())] == 0
    assert found[("voicefarm_jobs_open", (("kind", "render"), ("state", "queued")))] == 0
    assert ("voicefarm_takes_found_ratio", ()) not in found
    assert not any(name.startswith("voicefarm_worker_") for name, _ in found)


def test_segments_come_from_the_counters_of_projects_under_way(begin: Begin, book: int) -> None:
    expected = {"ready": 1, "leased": 1, "done": 2, "failed": 1}
    for state, count in expected.items():
        assert value(begin, "segments", project=str(book), state=state) == count
    assert value(begin, "project_info", project=str(book), title='红楼梦 "第一版"\n') == 1
    with begin() as session:
        session.execute(update(Chapter).values(segments_done=3))
    assert value(begin, "segments", project=str(book), state="done") == 3
    with begin() as session:
        states.move(session, Project, Project.id == book, "running", "cancelled")
    assert value(begin, "segments", project=str(book), state="done") is None
    assert value(begin, "segments_done") == 3


def test_takes_that_served_more_than_one_segment_were_found(begin: Begin, book: int) -> None:
    assert value(begin, "takes") == 1
    assert value(begin, "takes_found_ratio") == 0.5


def test_the_oldest_waiting_job_of_a_queue_is_its_age(begin: Begin, book: int) -> None:
    with begin() as session:
        jobs.write(session, JobKind.PLAN, book)
        hour = now - timedelta(hours=1)
        session.execute(update(Job).where(Job.queue == "render.12g").values(created_at=hour))
    age = value(begin, "queue_oldest_job_age_seconds", queue="render.12g")
    young = value(begin, "queue_oldest_job_age_seconds", queue="house")
    assert age is not None
    assert young is not None
    assert 3600 <= age < 3700
    assert 0 <= young < 100
    assert value(begin, "jobs_open", kind="plan", state="queued") == 1
    assert value(begin, "jobs_open", kind="plan", state="running") == 0
    with begin() as session:
        job = session.scalars(select(Job).where(Job.queue == "house")).one()
        jobs.claim(session, job.id, job.token, jobs.Times())
    assert value(begin, "queue_oldest_job_age_seconds", queue="house") is None
    assert value(begin, "jobs_open", kind="plan", state="running") == 1


def test_times_and_costs_are_of_the_last_hour_and_of_what_was_done(begin: Begin, book: int) -> None:
    for took in range(1, 101):
        ended(begin, JobKind.RENDER, book, took, audio_s=10.0, cpu_s=9.0)
    ended(begin, JobKind.RENDER, book, 10_000, state="expired", audio_s=5.0)
    ended(begin, JobKind.RENDER, book, 10_000, ago_s=3700, audio_s=99.0)
    ended(begin, JobKind.MASTER, book, 3, cpu_s=1.5)
    ended(begin, JobKind.MASTER, book, 5, cpu_s=2.0)
    assert value(begin, "job_run_seconds", kind="render", quantile="0.5") == pytest.approx(50.5)
    assert value(begin, "job_run_seconds", kind="render", quantile="0.95") == pytest.approx(95.05)
    assert value(begin, "job_run_seconds", kind="render", quantile="0.99") == pytest.approx(99.01)
    assert value(begin, "job_run_mean_seconds", kind="master") == pytest.approx(4)
    assert value(begin, "house_cpu_last_hour_seconds", kind="master") == pytest.approx(3.5)
    assert value(begin, "house_cpu_last_hour_seconds", kind="render") is None
    assert value(begin, "audio_accepted_last_hour_seconds") == pytest.approx(1005)
    assert value(begin, "jobs_ended_last_hour", kind="render", state="done") == 100
    assert value(begin, "jobs_ended_last_hour", kind="render", state="expired") == 1


def test_a_worker_is_told_with_its_card_speed_and_the_age_of_its_beat(begin: Begin) -> None:
    facts = {
        "vram_used_mib": 5000,
        "vram_total_mib": 12288,
        "utilisation": 0.5,
        "celsius": 71,
        "watts": 168.5,
        "speed_now": 5.5,
        "stages": {"codes": 41.5, "mel": "long"},
    }
    with begin() as session:
        made = builders.worker(session, "gaming-pc", "12g", speed=5.7)
        made.benchmark, made.facts, made.last_seen = 6.0, facts, now - timedelta(seconds=10)
        builders.worker(session, "other").hold = {"template": "x", "values": {}}
    name = {"worker": "gaming-pc"}
    assert value(begin, "worker_vram_used_bytes", **name) == 5000 * 2**20
    assert value(begin, "worker_vram_total_bytes", **name) == 12 * 2**30
    assert value(begin, "worker_utilization_ratio", **name) == 0.5
    assert value(begin, "worker_temperature_celsius", **name) == 71
    assert value(begin, "worker_power_watts", **name) == 168.5
    assert value(begin, "worker_realtime_ratio", **name) == 5.7
    assert value(begin, "worker_realtime_now_ratio", **name) == 5.5
    assert value(begin, "worker_benchmark_realtime_ratio", **name) == 6
    assert value(begin, "worker_stage_seconds_total", stage="codes", **name) == 41.5
    assert value(begin, "worker_stage_seconds_total", stage="mel", **name) is None
    age = value(begin, "worker_beat_age_seconds", **name)
    assert age is not None
    assert 10 <= age < 60
    with begin() as session:
        at = session.scalars(select(now)).one()
        words = {worker.name: workers.word(worker, at) for worker in session.scalars(select(Worker))}
    assert words["gaming-pc"] != words["other"]
    for worker, word in words.items():
        assert value(begin, "worker_state", worker=worker, state=word) == 1
        assert value(begin, "workers", state=word) == 1


@pytest.mark.parametrize(
    "said", ["much", None, True, [1], {"a": 1}, 10**400, 1e20], ids=lambda said: str(said)[:9]
)
def test_a_fact_that_is_no_figure_is_left_out(begin: Begin, said: Any) -> None:
    with begin() as session:
        builders.worker(session, "w1").facts = {"celsius": said, "watts": 3}
    assert value(begin, "worker_temperature_celsius", worker="w1") is None
    assert value(begin, "worker_power_watts", worker="w1") == 3


def test_what_the_farm_tallied_are_counters(begin: Begin) -> None:
    with begin() as session:
        tally.add(session, tally.LEASES_EXPIRED, 3)
        tally.add(session, tally.FENCE_REFUSALS)
    assert value(begin, "leases_expired_total") == 3
    assert value(begin, "fence_refusals_total") == 1


def test_names_and_labels_keep_prometheus_conventions(begin: Begin, book: int) -> None:
    with begin() as session:
        builders.worker(session, "w1").version = "x" * 10_000
    ended(begin, JobKind.PLAN, book, 3, cpu_s=1.5)
    families = list(text_string_to_metric_families(metrics.exposition(begin).decode()))
    assert len(families) > 15
    for family in families:
        assert re.fullmatch(r"voicefarm_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert all(len(label) <= metrics.LONGEST_LABEL for label in sample.labels.values())
            assert not re.search(r"_(ms|mib|percent|minutes|hours)(_|$)", sample.name)


@pytest.fixture
def statements(servers: Servers) -> Iterator[list[tuple[str, Any]]]:
    """What the database is asked from now on."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine(servers.database_url), "before_cursor_execute", note)
    yield asked
    event.remove(engine(servers.database_url), "before_cursor_execute", note)


FILL = """
INSERT INTO jobs (kind, state, token, queue, project_id, claimed_at, ended_at)
SELECT 'render', 'done', n, 'render.cpu', 1, at, at FROM (
    SELECT n, now() - n * interval '1 minute' AS at FROM generate_series(1, 20000) n
) x"""


def test_no_scrape_reads_all_segments_or_all_ended_jobs(
    begin: Begin, statements: list[tuple[str, Any]]
) -> None:
    with begin() as session:
        rows.books(session, [20] * 10)
        session.execute(text(FILL))
        jobs.write(session, JobKind.RENDER, 1)
        session.execute(text("ANALYZE"))
    statements.clear()
    metrics.exposition(begin)
    asked = [(statement, given) for statement, given in statements if "FROM" in statement]
    assert len(asked) >= 8
    with begin() as session:
        for statement, given in asked:
            plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", given).scalars().all()
            assert not re.search(r"Seq Scan on (jobs|segments)", "\n".join(plan)), "\n".join(plan)


def test_the_grafana_dashboard_asks_for_metrics_that_exist(begin: Begin) -> None:
    board = json.loads((ROOT / "docker" / "grafana" / "voicefarm.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"voicefarm_\w+", target["expr"])
    }
    families = text_string_to_metric_families(metrics.exposition(begin).decode())
    told = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert len(asked) > 15
    assert asked <= told
