"""What was spoken and not yet accepted, in files: no absent store and no killed process loses it."""

import errno
import hashlib
import io
import json
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from farm.audio.flac import write_flac
from farm.engine import Speech, SpeechFailure
from farm.errors import Transient
from farm.storage.disk import disk_errors, replacing

log = logging.getLogger(__name__)

MIB = 2**20
LEAST_FREE = 256 * MIB
PROBE = bytes(MIB)
JOB, ENDED, REPORT, TAKE = "job.json", "ended", ".json", ".flac"


class NoRoom(Transient):
    """The spool's disk is full, or cannot be written."""


@contextmanager
def written_to(place: Path) -> Iterator[None]:
    """Raise NoRoom for what a disk does."""
    try:
        with disk_errors(place):
            yield
    except Transient as e:
        raise NoRoom("{reason}", reason=str(e)) from e


@dataclass(frozen=True)
class Result:
    """What the engine made of a segment, after `busy_s` seconds of its time."""

    segment: int
    outcome: Speech | SpeechFailure
    busy_s: float


@dataclass(frozen=True)
class Spooled:
    """A result in the spool: what the farm is told of it; `take` is None for what could not be spoken."""

    report: Mapping[str, Any]
    file: Path
    take: Path | None

    @property
    def segment(self) -> int:
        return int(self.report["segment"])

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return int(self.report["size"]) if self.take else 0


class SpooledJob:
    """The folder of one job: its token, and results that wait for delivery in the order they were spoken.

    Every file is there whole or not at all. Raises NoRoom.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError when `told` is not of a job."""
        self.folder = folder
        self.id = int(told["job"])
        self.token = str(told["token"])
        self.renew_s = float(told["renew_s"])
        self.unspoken = [int(segment) for segment in told["segments"]]
        self.waiting: list[Spooled] = []
        self.spoken = 0
        self.tries = 0  # to deliver
        self.ended = False
        self.left = False  # by a process that died while it spoke: nobody will speak the rest
        self.lost = threading.Event()
        self._lock = threading.Lock()  # one thread puts while another delivers

    @classmethod
    def begun(cls, root: Path, work: Mapping[str, Any], token: str) -> Self:
        """The folder of a job that was just claimed."""
        told = {
            "job": work["job"],
            "token": token,
            "renew_s": work["renew_s"],
            "segments": [segment["id"] for segment in work["segments"]],
        }
        job = cls(root / str(work["job"]), told)
        job.clear()
        with written_to(job.folder):
            job.folder.mkdir(mode=0o700, parents=True)
        job._write(job.folder / JOB, json.dumps(told).encode())
        return job

    @classmethod
    def found(cls, folder: Path) -> Self:
        """A job that an earlier process left. Raises ValueError, KeyError, TypeError, OSError."""
        job = cls(folder, json.loads((folder / JOB).read_text()))
        for file in sorted(folder.glob(f"[0-9]*{REPORT}")):
            report = json.loads(file.read_text())
            take = file.with_suffix(TAKE)
            job._add(Spooled(report, file, take if "size" in report else None))
        job.ended = (folder / ENDED).exists()
        job.left = not job.ended
        return job

    def put(self, result: Result) -> None:
        """Keep a result; a take is encoded here."""
        file = self.folder / f"{self.spoken:06d}{REPORT}"
        if isinstance(result.outcome, SpeechFailure):
            report: dict[str, Any] = {"kind": result.outcome.kind, "reason": result.outcome.reason}
            take = None
        else:
            content = flac_of(result.outcome)
            take = file.with_suffix(TAKE)
            self._write(take, content)
            report = {
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "seconds": result.outcome.audio.seconds,
                "busy_s": result.busy_s,
                "seed": result.outcome.seed,
            }
        report = {"segment": result.segment, **report}
        self._write(file, json.dumps(report).encode())
        self._add(Spooled(report, file, take))

    def _add(self, spooled: Spooled) -> None:
        with self._lock:
            self.waiting = [*self.waiting, spooled]
        self.unspoken = [segment for segment in self.unspoken if segment != spooled.segment]
        self.spoken += 1

    def delivered(self, results: list[Spooled]) -> None:
        with self._lock:
            self.waiting = [spooled for spooled in self.waiting if spooled not in results]
        for spooled in results:
            spooled.file.unlink(missing_ok=True)
            if spooled.take:
                spooled.take.unlink(missing_ok=True)

    def end(self) -> None:
        """Nothing more is spoken for it."""
        self.ended = True
        # A full disk: if this process dies, too, the lease's end tells the farm. No folder: the job was lost.
        with suppress(NoRoom, FileNotFoundError):
            self._write(self.folder / ENDED, b"")

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes of audio that wait."""
        return sum(spooled.size for spooled in self.waiting)

    @property
    def progress(self) -> float:
        """Grows while the job is spoken, and while its delivery is tried."""
        return float(self.spoken + self.tries)

    def _write(self, target: Path, content: bytes) -> None:
        with written_to(target), replacing(target) as file:
            file.write(content)


def flac_of(speech: Speech) -> bytes:
    content = io.BytesIO()
    write_flac(content, speech.audio)
    return content.getvalue()


def left_in(root: Path) -> Iterator[SpooledJob]:
    """The jobs an earlier process left, the oldest first; what cannot be read is cleared away."""
    folders = [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
    for folder in sorted(folders, key=lambda folder: (len(folder.name), folder.name)):
        try:
            yield SpooledJob.found(folder)
        except (ValueError, KeyError, TypeError, OSError) as e:
            log.warning("%s holds no job (%s: %s) and is cleared away", folder, type(e).__name__, e)
            shutil.rmtree(folder, ignore_errors=True)


def free_bytes(root: Path) -> int:
    """What is free on the disk of `root`, which may not be there yet."""
    return shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.is_dir())).free


def check_room(root: Path, limit: int, *, by_writing: bool = False) -> None:
    """Raise NoRoom when the disk of `root` has little room left.

    A quota does not show in what is free: `by_writing` finds that out.
    """
    least = min(LEAST_FREE, limit)
    with written_to(root):
        if free_bytes(root) < least:
            raise OSError(errno.ENOSPC, "little room is left")
        if by_writing:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(root / "probe") as file:
                file.write(PROBE)
            (root / "probe").unlink()
