"""Small disks, and how they get full (Linux, root: a tmpfs of its own each)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam

LARGEST = 2**30


@contextmanager
def disk(folder: Path, size: str, user: str | None = None) -> Iterator[None]:
    """A file system of `size` (as mount has it: 64m) at `folder`, of `user`, which anybody may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = getpwnam(user).pw_uid if user else os.geteuid()
    options = f"size={size},mode=0711,uid={owner}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room there is; the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        taken, size = 0, LARGEST
        while size:
            try:
                os.posix_fallocate(file.fileno(), taken, size)
                taken += size
            except OSError:
                size //= 2
    return ballast
