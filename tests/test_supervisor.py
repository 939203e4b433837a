import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farm import processes as kept
from farm.errors import Conflict, Forbidden, Rejected, ServiceDown
from farm.processes import Process, backoff_s, identity, stop_together
from farm.supervisor import Supervisor, holder, processes

ROOT = Path(__file__).parent.parent


def python(name: str, code: str, **options: object) -> Process:
    return Process(name, [sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def sleeper(name: str = "sleeper") -> Process:
    return Process(name, ["sleep", "1000"])


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def pid_of(home: Path, name: str) -> int | None:
    return next((state.pid for state in processes(home) if state.name == name), None)


def other_farm(home: Path, code: str, *prefix: str) -> subprocess.Popen[str]:
    """A supervisor in a process of its own, once it has said that it is up."""
    script = f"""
from pathlib import Path
from farm.processes import Process, stop_together
from farm.supervisor import Supervisor
with Supervisor(Path({str(home)!r})) as farm:
    {code}
    print("up", flush=True)
    farm.wait()
"""
    command = [*prefix, sys.executable, "-c", script]
    farm = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert farm.stdout is not None
    assert farm.stdout.readline() == "up\n"
    farm.stdout.close()
    return farm


def test_what_is_started_later_finds_what_was_started_before_ready(tmp_path: Path) -> None:
    made = tmp_path / "made"
    first = python(
        "first",
        f"import time, pathlib; time.sleep(0.3); pathlib.Path({str(made)!r}).touch(); time.sleep(99)",
        ready=made.exists,
    )
    second = python(
        "second",
        f"import pathlib, time; print(pathlib.Path({str(made)!r}).exists(), flush=True); time.sleep(99)",
    )
    with Supervisor(tmp_path / "home") as farm:
        farm.start(first)
        farm.start(second)
        until((tmp_path / "home/logs/second.log").read_text)
    assert (tmp_path / "home/logs/second.log").read_text() == "True\n"


def test_what_was_started_together_is_stopped_together(tmp_path: Path) -> None:
    """Each, when asked to stop, waits for the others to have been asked: one after the other would hang."""
    asked = tmp_path / "asked"
    asked.mkdir()
    patient = (
        "import pathlib, signal, sys, time\n"
        "asked = pathlib.Path(sys.argv[1])\n"
        "def stop(*_):\n"
        "    (asked / sys.argv[2]).touch()\n"
        "    while len(list(asked.iterdir())) < 3: time.sleep(0.01)\n"
        "    print('together', flush=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    names = ["one", "two", "three"]
    command = [sys.executable, "-c", patient, str(asked)]
    with Supervisor(tmp_path / "home") as farm:
        farm.start(*(Process(name, [*command, name], stop_timeout_s=20) for name in names))
        for name in names:
            until((tmp_path / f"home/logs/{name}.log").read_text)
    said = [(tmp_path / f"home/logs/{name}.log").read_text() for name in names]
    assert said == ["up\ntogether\n"] * 3


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as farm:
        farm.start(sleeper())
        until(lambda: pid_of(tmp_path, "sleeper"))
        first = pid_of(tmp_path, "sleeper")
        assert first
        os.kill(first, signal.SIGKILL)
        died = time.monotonic()
        until(lambda: pid_of(tmp_path, "sleeper") not in (first, None))
        assert time.monotonic() - died >= 0.5
        assert processes(tmp_path)[0].restarts == 1


def test_deaths_in_a_row_make_the_wait_longer_up_to_half_a_minute() -> None:
    waits = [backoff_s(failures) for failures in range(1, 20)]
    assert waits[:4] == [0.5, 1, 2, 4]
    assert waits == sorted(waits)
    assert waits[-1] == 30


def test_a_minute_of_health_makes_the_wait_short_again(tmp_path: Path) -> None:
    child = kept.Child(Process("true", ["true"]), tmp_path / "true.log")
    now = 0.0
    for lived, waits in ((0.0, 0.5), (0.0, 1.0), (0.0, 2.0), (61.0, 0.5)):
        assert child.tend(now)
        assert child.pid
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        now += lived
        assert child.tend(now)
        assert not child.tend(now + waits - 0.01)
        now += waits


def test_the_end_comes_in_reverse_order(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = """
import pathlib, signal, sys
def end(*_):
    with open({order!r}, "a") as file: file.write({name!r})
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
signal.pause()
"""
    logs = tmp_path / "home/logs"
    with Supervisor(tmp_path / "home") as farm:
        for name in "abc":
            up = (logs / f"{name}.log").exists
            farm.start(python(name, code.format(order=str(order), name=name), ready=up))
            until((logs / f"{name}.log").read_text)
    assert order.read_text() == "cba"


def test_a_process_deaf_to_its_signal_is_killed_with_all_it_started(tmp_path: Path) -> None:
    deaf = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.fork() or os.getpid(), flush=True)
time.sleep(99)
"""
    log_file = tmp_path / "logs/deaf.log"
    with Supervisor(tmp_path) as farm:
        farm.start(python("deaf", deaf, stop_timeout_s=0.3))
        until(lambda: log_file.read_text().count("\n") == 2)
    assert not any(identity(int(pid)) for pid in log_file.read_text().split())


def test_what_a_dead_process_started_ends_before_it_is_started_again(tmp_path: Path) -> None:
    parent = "import os, time; print(os.fork() or 0, flush=True); time.sleep(99)"
    log_file = tmp_path / "logs/parent.log"
    with Supervisor(tmp_path) as farm:
        farm.start(python("parent", parent))
        until(lambda: log_file.read_text().count("\n") == 2)
        child = max(map(int, log_file.read_text().split()))
        pid = pid_of(tmp_path, "parent")
        assert pid
        assert identity(child)
        os.kill(pid, signal.SIGKILL)
        until(lambda: identity(child) is None)


def test_a_process_gives_way_as_far_as_it_is_told(tmp_path: Path) -> None:
    nice = python("nice", "import time; time.sleep(60)", niceness=7)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(nice, sleeper())
        until(lambda: pid_of(tmp_path, "nice") and pid_of(tmp_path, "sleeper"))
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        until(lambda: os.getpriority(os.PRIO_PROCESS, pid_of(tmp_path, "nice") or 0) == mine + 7)
        assert os.getpriority(os.PRIO_PROCESS, pid_of(tmp_path, "sleeper") or 0) == mine


def test_ctrl_c_reaches_the_supervisor_alone(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as farm:
        farm.start(sleeper())
        until(lambda: pid_of(tmp_path, "sleeper"))
        pid = pid_of(tmp_path, "sleeper")
        assert pid
        until(lambda: os.getpgid(pid) == pid)


def test_a_second_farm_on_a_home_is_refused_by_the_number_of_the_first(tmp_path: Path) -> None:
    with (
        Supervisor(tmp_path),
        pytest.raises(Conflict, match=rf"{tmp_path} already \(process {os.getpid()}\)"),
    ):
        Supervisor(tmp_path).__enter__()
    with Supervisor(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None


def test_killing_the_supervisor_ends_what_it_started(tmp_path: Path) -> None:
    farm = other_farm(
        tmp_path, 'farm.start(*[Process(n, ["sleep", "1000"], ready=lambda: True) for n in "ab"])'
    )
    until(lambda: pid_of(tmp_path, "a") and pid_of(tmp_path, "b"))
    pids = [state.pid for state in processes(tmp_path)]
    farm.kill()
    farm.wait()
    assert processes(tmp_path) == []
    until(lambda: not any(identity(pid) for pid in pids if pid), seconds=3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    slow = "import signal, time; signal.signal(15, lambda *_: (time.sleep(0.5), exit()));"
    slow += "print(1, flush=True); time.sleep(99)"
    farm = other_farm(tmp_path, f'import sys; farm.start(Process("slow", [sys.executable, "-c", {slow!r}]))')
    until((tmp_path / "logs/slow.log").read_text)
    pid = pid_of(tmp_path, "slow")
    assert pid
    farm.send_signal(number)
    assert farm.wait(5) == 0
    assert identity(pid) is None
    assert holder(tmp_path) is None


def test_nohup_is_respected(tmp_path: Path) -> None:
    farm = other_farm(tmp_path, 'farm.start(Process("sleeper", ["sleep", "1000"]))', "nohup")
    farm.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        farm.wait(0.5)
    assert holder(tmp_path) == farm.pid
    farm.terminate()
    assert farm.wait(5) == 0


def test_the_next_start_ends_what_survived_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LEFTOVER_TIMEOUT_S", 0.5)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(99)"
    farm = other_farm(tmp_path, f'import sys; farm.start(Process("deaf", [sys.executable, "-c", {deaf!r}]))')
    until((tmp_path / "logs/deaf.log").read_text)
    pid = pid_of(tmp_path, "deaf")
    assert pid
    farm.kill()
    farm.wait()
    time.sleep(0.3)
    assert identity(pid)
    with Supervisor(tmp_path):
        assert identity(pid) is None


def test_a_process_that_only_has_the_number_of_ours_is_let_live(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        kept.end_leftovers([{"name": "old", "pid": stranger.pid, "identity": "another", "stop_signal": 15}])
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_never_comes_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = python("broken", "import sys; sys.exit('the roof is missing')", ready=lambda: False)
    with (
        Supervisor(tmp_path) as farm,
        pytest.raises(ServiceDown, match="broken does not start: the roof is missing"),
    ):
        farm.start(broken)


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    missing = Process("missing", ["/no/such/program"], ready=lambda: False)
    with Supervisor(tmp_path) as farm, pytest.raises(ServiceDown, match="/no/such/program: No such file"):
        farm.start(missing)


def test_a_long_log_is_put_aside_while_its_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LOG_LIMIT_BYTES", 1000)
    child = kept.Child(python("loud", "print('x' * 2000, flush=True); input()"), tmp_path / "loud.log")
    child.tend(0.0)
    until(lambda: child.log_file.stat().st_size > 1000)
    child.rotate_log()
    until(lambda: child.log_file.stat().st_size < 1000)
    stop_together([child])
    assert "x" * 2000 in (tmp_path / "loud.log.1").read_text()


def test_folders_are_closed_and_no_folder_above_is_changed(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o751)
    before = [folder.stat().st_mode for folder in (above, *above.parents)]
    home = above / "new" / "home"
    with Supervisor(home) as farm:
        farm.start(sleeper())
        until(lambda: pid_of(home, "sleeper"))
    assert [folder.stat().st_mode for folder in (above, *above.parents)] == before
    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    for path in home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_home_that_cannot_be_made_is_refused_by_name() -> None:
    with pytest.raises(Rejected, match="/proc/nowhere"):
        Supervisor(Path("/proc/nowhere")).__enter__()


if os.geteuid() == 0:  # anybody else cannot make what is another user's

    def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        os.chown(tmp_path / "run", 65534, 65534)
        with pytest.raises(Forbidden, match="of user 65534"):
            Supervisor(tmp_path).__enter__()


def test_a_process_that_meant_to_end_stays_ended_and_the_last_one_ends_the_wait(tmp_path: Path) -> None:
    stopped = python("stopped", "raise SystemExit(0)", done_statuses=frozenset({0, 3}))
    revoked = python("revoked", "raise SystemExit(3)", done_statuses=frozenset({0, 3}))
    with Supervisor(tmp_path) as farm:
        farm.start(stopped, revoked)
        farm.wait()
        assert farm.done() == {"stopped": 0, "revoked": 3}
        assert [(state.pid, state.restarts) for state in processes(tmp_path)] == [(None, 0)] * 2


def test_any_other_exit_status_is_no_end(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as farm:
        farm.start(python("deaf", "raise SystemExit(4)", done_statuses=frozenset({0, 3})))
        until(lambda: processes(tmp_path)[0].restarts)
        assert farm.done() == {}
