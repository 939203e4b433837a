"""Recordings of voices on this machine: fetched once, checked, kept within bounds."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from farm.errors import FarmError, Forbidden, NotFound, Rejected, Transient
from farm.protocol import LARGEST_RECORDING
from farm.storage.disk import replacing
from tasks.client import FarmClient
from tasks.spool import MIB, written_to

log = logging.getLogger(__name__)

AGAIN_S = (0.5, 1.0, 2.0, 4.0, 8.0)
LOOK_S = 0.1
FOLDER = "voices"
"""In the worker's home; each worker has one of its own in it."""
KEPT_BYTES = 256 * MIB
KEPT_S = 7 * 24 * 3600.0
"""What nobody spoke with for so long goes: somebody may have taken their voice out of the farm."""
SHA256 = re.compile(r"[0-9a-f]{64}")

Found = Mapping[str, Path | FarmError]
"""Where each recording lies, by its SHA-256; or why it is not to be had on any machine."""


def wait(seconds: float, stopped: Callable[[], bool]) -> None:
    """For so long, or until `stopped`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stopped():
        time.sleep(min(LOOK_S, seconds))


class Recorded:
    """The recordings that a worker was given, in a folder of its own."""

    def __init__(self, client: FarmClient, folder: Path) -> None:
        self.client, self.folder = client, folder

    def find(self, addresses: Mapping[str, str], stopped: Callable[[], bool]) -> Found:
        """Each recording, by its SHA-256, which the farm says is to be had at an address.

        Raises Transient (the store stays away: give the work back), and NoRoom.
        """
        found: dict[str, Path | FarmError] = {}
        for sha256, address in addresses.items():
            try:
                found[sha256] = self.one(sha256, address, stopped)
            except (NotFound, Rejected) as e:
                log.warning("recording %s is not to be had: %s", sha256[:12], e)
                found[sha256] = e
        return found

    def one(self, sha256: str, address: str, stopped: Callable[[], bool]) -> Path:
        """The file of a recording, whose bytes are what its name says."""
        if not SHA256.fullmatch(sha256):
            raise Rejected("{name} is no SHA-256 of a recording.", name=sha256[:80])
        path = self.folder / f"{sha256}.wav"
        if self.is_whole(path):
            return path
        content = self.fetched(sha256, address, stopped)
        with written_to(path):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(content)
        self.tidy(path)
        return path

    def is_whole(self, path: Path) -> bool:
        """Whether it is here as it was; it was just used then."""
        with suppress(OSError), path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == path.stem:
                os.utime(path)
                return True
        return False

    def fetched(self, sha256: str, address: str, stopped: Callable[[], bool]) -> bytes:
        for wait_s in (*AGAIN_S, None):
            try:
                content = self.client.fetch(address, LARGEST_RECORDING)
                if hashlib.sha256(content).hexdigest() == sha256:
                    return content
                trouble: FarmError = Rejected(
                    "What the store has of this recording is damaged. Upload it again."
                )
            except (Transient, Forbidden) as e:
                trouble = e
            if wait_s is None or stopped():
                break
            wait(wait_s, stopped)
        if isinstance(
            trouble, Forbidden
        ):  # an address that has expired, or a clock that is off: another may do
            raise Transient("{reason}", reason=str(trouble)) from trouble
        raise trouble

    def tidy(self, newest: Path) -> None:
        """Delete what was used the longest ago, beyond the bounds; the one that just came stays."""
        now, room = time.time(), KEPT_BYTES
        files = [(path.stat(), path) for path in self.folder.glob("*.wav")]
        for stat, path in sorted(files, key=lambda found: -found[0].st_mtime):
            room -= stat.st_size
            if path != newest and (room < 0 or now - stat.st_mtime > KEPT_S):
                path.unlink(missing_ok=True)
