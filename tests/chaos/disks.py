"""Small disks, and how they get full (Linux, root: a tmpfs of its own each)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 65_536


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of `size` (as mount has it: 64m) at `folder`, which anybody may enter."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing more fits; the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = BLOCK
        while size:
            try:
                file.write(os.urandom(size))
            except OSError:
                size //= 2
    return ballast
