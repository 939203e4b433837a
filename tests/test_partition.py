"""Three machines on a network that fails: the book is finished with the same audio, sample for sample."""

import random
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from farm import oneshot, progress, projects
from farm.oneshot import Request
from farm.tables import Worker
from tests.chaos.watch import audit, held
from tests.conftest import place
from tests.farms import Farm, eventually, farm_up
from tests.machines import HOST, Machine, machines, needs_root
from tests.test_faults import finished_audio, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_root]

ENGINE = "simulated:speed=8,batch=4"
LONG_CUT_S = 120.0
SHORT_CUTS = 10


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A good half hour of audio, no sentence twice."""
    path = tmp_path / "book.txt"
    path.write_text(
        "\n\n".join(
            f"Chapter {c}\n\n"
            + "\n\n".join(
                f"In chapter {c} the keeper of the lamp counted ship number {c * 100 + s} and wrote it down. "
                f"He had never seen one like it, he said, not in {s + 20} years of looking."
                for s in range(20)
            )
            for c in range(1, 13)
        )
    )
    return path


def test_a_book_on_machines_that_come_go_and_are_cut_off_is_the_calm_one_sample_for_sample(
    book: Path, tmp_path: Path
) -> None:
    with place() as folder:
        with farm_up(folder / "calm", FARM_ENGINE="simulated:speed=200,batch=16") as calm:
            expected = finished_audio(calm, book, tmp_path / "calm.m4b")
        with (
            machines(3, folder) as (first, second, third),
            farm_up(folder / "farm", "--listen", HOST) as farm,
        ):
            for machine in (first, second, third):
                join(farm, machine)
            project_id = oneshot.asked_for(farm.begin, farm.store, Request((book,), engine="simulated"))
            eventually(lambda: started(farm, project_id, book))
            eventually(lambda: at_work(farm, first))
            first.cut()
            cut_off = time.monotonic()
            cuts = threading.Thread(target=cut_shortly, args=(second, third))
            cuts.start()
            eventually(lambda: share(farm, project_id) > 0.2, within_s=300)
            leave_and_come_back(farm, third)
            cuts.join()
            time.sleep(max(0.0, LONG_CUT_S - (time.monotonic() - cut_off)))
            assert share(farm, project_id) < 1.0, "the book was too short for this test"
            first.mend()
            eventually(lambda: at_work(farm, first), within_s=60)
            assert finished_audio(farm, book, tmp_path / "cut.m4b") == expected
            assert audit(farm.begin, farm.store) == []


def join(farm: Farm, machine: Machine) -> None:
    """By the token of the line that `farm workers add` prints; the rest of the line is the browser test's."""
    line = farm.run("workers", "add", machine.name, "--engine", ENGINE)
    machine.start("join", farm.dashboard_url, line.split()[-1])
    eventually(lambda: is_awake(farm, machine), within_s=90)


def known(farm: Farm, machine: Machine) -> Worker | None:
    with farm.begin() as session:
        return session.scalar(select(Worker).where(Worker.name == machine.name))


def is_awake(farm: Farm, machine: Machine) -> bool:
    worker = known(farm, machine)
    return worker is not None and worker.state in ("ready", "busy")


def at_work(farm: Farm, machine: Machine) -> bool:
    worker = known(farm, machine)
    return worker is not None and held(farm.begin, worker.id) is not None


def share(farm: Farm, project_id: int) -> float:
    with farm.begin() as session:
        return progress.of_projects(session, [projects.find(session, project_id)])[project_id].share


def cut_shortly(*victims: Machine) -> None:
    chance = random.Random(3)
    for at in range(SHORT_CUTS):
        machine = victims[at % len(victims)]
        machine.cut()
        time.sleep(chance.uniform(1, LONG_CUT_S / 10))
        machine.mend()
        time.sleep(1)


def leave_and_come_back(farm: Farm, machine: Machine) -> None:
    """It leaves for good, then joins anew under its old name."""
    eventually(lambda: at_work(farm, machine))
    machine.stop()
    machine.run("leave", "--yes")
    join(farm, machine)
