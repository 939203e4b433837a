"""A machine's whole life at a farm: by the line that is shown, through a book, to its leave."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from farm import oneshot
from farm.tables import Segment, Worker
from tests.conftest import place
from tests.farms import ROOT, SHORT, Farm, eventually, farm_up
from tests.test_faults import finished_audio, request_of, share_done, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SITE = Path(pytest.__file__).parent.parent
PARAGRAPHS = [f"The keeper of the lamp counted ship number {n} and wrote it down." for n in range(60)]


class Machine:
    """Another machine: a home of its own, and what the line puts there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # Dependencies come from here: what pip fetches is not ours to test.
        self.environment = {
            **os.environ,
            **{"FARM_BEAT_S": SHORT["FARM_BEAT_S"], "NO_PROXY": "127.0.0.1"},
            **{"VOICEFARM_HOME": str(home), "FARM_HOME": str(home), "VOICEFARM_PYTHON": sys.executable},
            **{"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PYTHONPATH": str(SITE)},
        }

    @contextmanager
    def start(self, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """A command that works on until it is stopped; it has begun to when the block begins."""
        with subprocess.Popen(
            command,
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("At work"):
                    break
            else:
                raise AssertionError("".join(said))
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):  # it may have left
                    os.killpg(process.pid, signal.SIGTERM)  # the line is a shell and what it started
                process.stdout.read()

    def farm(self, *arguments: str) -> tuple[str, ...]:
        """The command line of `farm …` as the machine has it."""
        return (str(self.home / "venv" / "bin" / "farm"), *arguments)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.farm(*arguments),
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )


def line_for(farm: Farm, name: str, *options: str) -> str:
    """What the farm shows to whoever wants to add a worker."""
    command = [sys.executable, "-m", "farm.cli", "workers", "add", name, *options]
    done = subprocess.run(command, env=farm.environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def known(farm: Farm, name: str) -> Worker:
    with farm.begin() as session:
        return session.query(Worker).filter_by(name=name).one()


def test_a_machine_joins_by_the_shown_line_goes_in_the_middle_of_a_book_comes_back_and_leaves(
    tmp_path: Path,
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("Chapter 1\n\n" + "\n\n".join(PARAGRAPHS))
    with place() as folder, farm_up(folder / "farm", "--listen", "127.0.0.1") as farm:
        machine = Machine(folder / "machine")
        line = line_for(farm, "den", "--engine", "simulated:speed=20,batch=2")
        with machine.start("sh", "-c", line):
            eventually(lambda: known(farm, "den").state == "ready")
            project_id = oneshot.asked_for(farm.begin, farm.store, request_of(book))
            eventually(lambda: started(farm, project_id, book))
            eventually(lambda: share_done(farm, project_id) > 0)
        assert known(farm, "den").benchmark
        assert share_done(farm, project_id) < 1
        with farm.begin() as session:
            assert session.query(Segment).filter(Segment.state == "leased").all() == []
            assert session.query(Segment).filter(Segment.attempts > 0).all() == []
        with machine.start(*machine.farm("work")):
            finished_audio(farm, book, tmp_path / "book.m4b")
            looked_at = machine.run("doctor", "--worker")
            assert looked_at.returncode == 0, looked_at.stdout
            left = machine.run("leave", "--yes")
            assert (left.returncode, left.stdout) == (0, "den has left.\n"), left.stderr
        assert known(farm, "den").desired == "revoked"
        assert list((machine.home / "workers").iterdir()) == []
