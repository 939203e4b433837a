"""What a worker's parent process and its child tell each other, in memory shared since the fork."""

import os
import sys
import time
from enum import IntEnum
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

MIB = 2**20


class Engine(IntEnum):
    """How far the child is with its engine."""

    LOADING = 0
    LOADED = 1
    UNLOADED = 2  # as it was told
    BROKEN = 3


class Flags:
    """Bare values without locks: a child that is killed while it holds one would stop its parent, too."""

    def __init__(self) -> None:
        # The parent's word.
        self.awake: Any = RawValue("b", 1)  # the next child loads the engine
        self.halt: Any = RawValue("b", 0)  # after this micro-batch
        self.end_by: Any = RawValue("d", 0.0)  # monotonic s; 0: not asked to end
        # The child's.
        self.pid: Any = RawValue("i", 0)
        self.since: Any = RawValue("d", 0.0)  # when it was started, monotonic s
        self.engine: Any = RawValue("b", Engine.LOADING)
        self.busy: Any = RawValue("b", 0)
        self.heard: Any = RawValue("l", 0)  # doorbells
        self.undelivered: Any = RawValue("l", 0)  # jobs
        self.grown: Any = RawValue("b", 0)
        self.full: Any = RawValue("b", 0)  # the disk
        self.revoked: Any = RawValue("b", 0)

    def born(self) -> None:
        """A new child has begun; whatever the last one said of itself is no more."""
        self.pid.value = os.getpid()
        self.since.value = time.monotonic()
        self.engine.value = Engine.LOADING
        self.busy.value = self.grown.value = self.undelivered.value = 0


def resident_mib(pid: int | str = "self") -> int | None:
    """The memory a process holds now; None where that is not to be read (not Linux, or it has ended)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // MIB
