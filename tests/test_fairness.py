"""Shares of the farm, in simulated time: a worker's job takes as long as the dispatcher thinks it does."""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select, update

from farm import projects
from farm.db import Begin
from farm.tables import Job, Project, Worker
from tests.bench import rows
from tests.desk import PLAN, Desk

ROUNDS = 5  # a first, short turn and four whole ones
LENGTH = 40.0  # spoken characters: a segment of 8.8 s
SPEED = 8.0  # x realtime: 27 segments in a batch


@dataclass
class Simulation:
    """Workers that take `cost_s` of simulated time over each job; what each project got of it, and when."""

    desk: Desk
    crew: list[int]
    at: float = 0.0
    got_s: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    first_s: dict[int, float] = field(default_factory=dict)
    turns: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.busy: list[tuple[float, int, Job]] = []
        self.idle = list(self.crew)

    def step(self) -> bool:
        """Idle workers take jobs; then the job that ends next ends. False when nobody has one."""
        self.desk.ring()
        for worker in list(self.idle):
            if job := self.desk.take(worker):
                self.idle.remove(worker)
                self.got_s[job.project_id] += job.cost_s
                self.turns[job.project_id] += 1
                heapq.heappush(self.busy, (self.at + job.cost_s, worker, job))
        if not self.busy:
            return False
        self.at, worker, job = heapq.heappop(self.busy)
        self.first_s.setdefault(job.project_id, self.at)
        self.desk.end(job)
        self.idle.append(worker)
        return True

    def forget(self) -> None:
        """Count anew from here."""
        self.got_s.clear()
        self.turns.clear()

    def run_until(self, seconds: float) -> None:
        while self.at < seconds and self.step():
            pass


def farm(begin: Begin, chapters: list[int], workers: int = 4) -> Simulation:
    """Projects of so many hundred segments each, and workers."""
    with begin() as session:
        rows.books(session, chapters, LENGTH)
        rows.crew(session, workers, SPEED)
        crew = list(session.scalars(select(Worker.id).order_by(Worker.id)))
    return Simulation(Desk(begin), crew)


def set_projects(begin: Begin, which: list[int], **values: object) -> None:
    with begin() as session:
        session.execute(update(Project).where(Project.id.in_(which)).values(**values))


def test_twenty_small_projects_beside_a_huge_one_are_heard_soon_and_all_get_alike(begin: Begin) -> None:
    small = list(range(2, 22))
    simulated = farm(begin, [500, *[2] * 20])
    set_projects(begin, small, state="paused")
    simulated.run_until(3 * PLAN.batch_s)  # the huge one has the farm to itself
    since = simulated.at
    simulated.forget()
    set_projects(begin, small, state="running")
    while min(simulated.turns[project] for project in small) < ROUNDS:
        assert simulated.step()
    assert max(simulated.first_s[project] - since for project in small) <= 2 * PLAN.batch_s
    mean = sum(simulated.got_s.values()) / 21
    assert {project: got for project, got in simulated.got_s.items() if abs(got / mean - 1) > 0.1} == {}


def test_shares_follow_the_weights(begin: Begin) -> None:
    simulated = farm(begin, [20, 20, 20])
    set_projects(begin, [3], weight=2.0)
    simulated.run_until(15 * PLAN.batch_s)
    total = sum(simulated.got_s.values())
    assert [simulated.got_s[project] / total for project in (1, 2, 3)] == pytest.approx(
        [0.25, 0.25, 0.5], rel=0.1
    )


def test_a_project_that_comes_late_is_owed_nothing(begin: Begin) -> None:
    simulated = farm(begin, [20, 20], workers=1)
    set_projects(begin, [2], state="paused")
    simulated.run_until(20 * PLAN.batch_s)
    simulated.forget()
    set_projects(begin, [2], state="running")
    simulated.run_until(simulated.at + 20 * PLAN.batch_s)
    assert simulated.got_s[1] == pytest.approx(simulated.got_s[2], rel=0.15)


def test_a_project_raised_in_priority_waits_for_no_queue(begin: Begin) -> None:
    simulated = farm(begin, [20, 20])
    set_projects(begin, [2], state="paused")
    simulated.run_until(4 * PLAN.batch_s)
    set_projects(begin, [2], state="running")
    with begin() as session:
        projects.prioritise(session, 2, 90)
    simulated.forget()
    simulated.run_until(simulated.at + 4 * PLAN.batch_s)
    assert set(simulated.got_s) == {2}  # what was queued of the other gave way
