"""Voice prints that were computed before, in a folder that several processes may share."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from farm.errors import Rejected
from models.indextts2.config import Config
from models.indextts2.voice import Voice

LIMIT = 2**30
"""Bytes: some three hundred voices."""
ABANDONED_S = 3600.0
"""A file still being written after that was left by a process that died."""

log = logging.getLogger(__name__)


class Voices:
    """Those used longest ago go when there are more than `limit` bytes.

    Two processes that miss the same print both make it: they come to the same, and the later file stays.
    """

    def __init__(self, directory: Path, config: Config, limit: int = LIMIT) -> None:
        self._directory = directory
        self._config = config
        self._limit = limit

    def get(self, key: str, make: Callable[[], Voice]) -> Voice:
        """The print stored as `key` (see voice.key), or what `make` gives, which is stored then.

        A damaged file is made anew. Where nothing can be written, a print is made each time.
        """
        path = self._directory / f"{key}.safetensors"
        voice = self._stored(path)
        if voice is None:
            voice = make()
            self._store(path, voice)
        return voice

    def _stored(self, path: Path) -> Voice | None:
        try:
            voice = Voice.load(path, self._config)
        except FileNotFoundError:
            return None
        except (Rejected, OSError) as e:
            log.warning("A stored voice print is computed anew: %s", e)
            return None
        with suppress(OSError):  # swept meanwhile, or not ours
            os.utime(path)  # a file's time is that of its last use
        return voice

    def _store(self, path: Path, voice: Voice) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            voice.save(path)
            self._sweep()
        except OSError as e:
            log.warning("A voice print could not be stored, and will be computed again: %s", e)

    def _sweep(self) -> None:
        total = 0
        for modified, size, path in sorted(self._files(), reverse=True):
            total += size
            half_written = path.name.startswith(".")
            if total > self._limit or (half_written and modified < time.time() - ABANDONED_S):
                path.unlink(missing_ok=True)

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps, too
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        return found
