"""What a process holds of the machine's memory now (Linux)."""

from pathlib import Path


def resident_kb(pid: int) -> int:
    """VmRSS of proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
