"""What the kernel knows of the farm's processes (Linux): processor seconds and the most memory."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from farm import supervisor
from tests.farms import Farm

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 1.0


def families(farm: Farm) -> dict[str, list[int]]:
    """Ids of the farm's processes and of all that descend from them, by the farm's names."""
    assert farm.process is not None
    return {**home_families(farm.home), "supervisor": [farm.process.pid]}


def home_families(home: Path) -> dict[str, list[int]]:
    """The same without the supervisor, whoever that is."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                children[int(stat_of(int(entry.name))[1])].append(int(entry.name))
    leaders = {process.name: process.pid for process in supervisor.processes(home) if process.pid}
    return {name: [pid, *descendants(pid, children)] for name, pid in leaders.items()}


def descendants(pid: int, children: Mapping[int, Sequence[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        yield child
        yield from descendants(child, children)


def stat_of(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) after the process's name: the third is the first here."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def cpu_s(farm: Farm) -> dict[str, float]:
    """Processor seconds of each process and its children, those that have ended included."""
    return {name: sum(map(own_cpu_s, pids)) for name, pids in families(farm).items()}


def family_cpu_s(home: Path) -> dict[str, float]:
    return {name: sum(map(own_cpu_s, pids)) for name, pids in home_families(home).items()}


def own_cpu_s(pid: int) -> float:
    """utime, stime and those of children that were waited for: fields 14 to 17 of proc_pid_stat(5)."""
    try:
        return sum(map(int, stat_of(pid)[11:15])) / TICKS
    except OSError:
        return 0.0


def peak_mb(pid: int) -> float:
    """The most memory that was resident, shared pages included, in MB (10^6 bytes)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)


@contextmanager
def watching_memory(farm: Farm) -> Iterator[Mapping[str, float]]:
    """The peak of the largest process of each name, sampled each second, because children end."""
    peaks: dict[str, float] = defaultdict(float)
    over = threading.Event()

    def sample() -> None:
        while True:
            for name, pids in families(farm).items():
                peaks[name] = max(peaks[name], *map(peak_mb, pids))
            if over.wait(SAMPLE_S):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
