"""What the bench answers: figures beside their bars, and the machine they were measured on."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A measured value; `least` or `most` is its bar, where it has one. A share is a ratio from 0 to 1."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    said: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the bar is held; None without a bar."""
        if self.least is not None:
            return self.value >= self.least
        return None if self.most is None else self.value <= self.most

    @property
    def bar(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "holds": self.holds}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def show(title: str, took_s: float, figures: Sequence[Figure], console: Console) -> None:
    table = Table("figure", "measured", "bar", "", title=f"{title} ({took_s:.0f} s)", title_justify="left")
    for figure in figures:
        held = {True: "held", False: "[bold red]missed[/]", None: ""}[figure.holds]
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", figure.bar, f"{held} {figure.said}")
    console.print(table)
