"""Delivers what is spooled, job after job, and keeps the leases meanwhile, beside the engine."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from farm.errors import FarmError, LeaseLost
from tasks.client import FarmClient, Orders, Revoked
from tasks.spool import Result, Spooled, SpooledJob, left_in

log = logging.getLogger(__name__)

MOST_TOGETHER = 16  # takes in one accept
MOST_JOBS = 32  # undelivered, before the engine waits: each has a lease to keep
FIRST_RENEWAL_S = 1.0
AGAIN_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class Delivery:
    """What one process delivers: jobs in the order they were claimed, results in the order they were spoken.

    `heed` is told the orders that come with the farm's answers; `revoked` is called once the farm knows this
    worker no more. A job that is lost is dropped, alone.
    """

    def __init__(
        self,
        client: FarmClient,
        root: Path,
        limit: int,
        *,
        store_root: Path | None = None,
        heed: Callable[[Orders], None] = lambda orders: None,
        revoked: Callable[[], None] = lambda: None,
    ) -> None:
        """`root`: the spool's folder; `limit`: bytes of audio in it before the engine has to wait."""
        self.client = client
        self.root = root
        self.limit = limit
        self.store_root = store_root
        self.heed = heed
        self.revoked = revoked
        self.jobs: list[SpooledJob] = []
        self._due: dict[int, float] = {}  # job -> when its lease is to be renewed, monotonic
        self._changed = threading.Condition()
        self._over = False
        loops = (self._deliver_forever, self._keep_leases)
        self.threads = [threading.Thread(target=loop, daemon=True) for loop in loops]

    def start(self) -> None:
        """Take up what an earlier process left, and go on for ever."""
        for job in left_in(self.root):
            self._take_up(job)
        for thread in self.threads:
            thread.start()

    @property
    def size(self) -> int:
        """Bytes of audio that wait."""
        return sum(job.size for job in self.jobs)

    def await_room(self, stopped: Callable[[], bool]) -> None:
        """Return when one more job may be begun, or `stopped`."""
        with self._changed:
            while (len(self.jobs) >= MOST_JOBS or self.size >= self.limit) and not stopped():
                self._changed.wait(0.2)

    def begin(self, work: Mapping[str, Any], token: str) -> SpooledJob:
        """A claimed job, whose lease is kept from now on. Raises NoRoom."""
        job = SpooledJob.begun(self.root, work, token)
        self._take_up(job)
        return job

    def put(self, job: SpooledJob, result: Result, stopped: Callable[[], bool]) -> None:
        """Spool a result, once there is room; a stopped worker keeps it all the same."""
        with self._changed:
            while self.size >= self.limit and not (job.lost.is_set() or stopped()):
                self._changed.wait(0.2)
        try:
            job.put(result)
        except FileNotFoundError:
            if not job.lost.is_set():  # else its folder was just cleared away
                raise
        self._tell()

    def end(self, job: SpooledJob) -> None:
        """Nothing more comes for the job: what it holds unspoken goes back with the last delivery."""
        job.end()
        self._tell()

    def finish(self, until: float) -> None:
        """Wait for everything to be delivered, no longer than `until` (monotonic), and stop.

        What is still there stays in the spool; the farm hears that none of it is in the engine's hand, so
        that a lease which ends blames no segment.
        """
        with self._changed:
            while self.jobs and time.monotonic() < until:
                self._changed.wait(0.1)
            self._over = True
            self._changed.notify_all()
        for job in self.jobs:
            with suppress(FarmError):
                self.client.renew(job.id, job.token, job.progress, [] if job.ended else job.unspoken)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take_up(self, job: SpooledJob) -> None:
        with self._changed:
            self.jobs = [*self.jobs, job]
            self._due[job.id] = time.monotonic() + FIRST_RENEWAL_S
            self._changed.notify_all()

    def _drop(self, job: SpooledJob, *, lost: bool) -> None:
        with self._changed:
            if lost:
                job.lost.set()
            self.jobs = [other for other in self.jobs if other is not job]
            self._due.pop(job.id, None)
            self._changed.notify_all()
        job.clear()

    def _deliver_forever(self) -> None:
        failures = 0
        while job := self._next():
            for waiting in filter(has_something, self.jobs):
                waiting.tries += 1
            if self._try(job):
                failures = 0
            else:
                self._rest(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                failures += 1

    def _rest(self, wait_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over, wait_s)

    def _next(self) -> SpooledJob | None:
        """The oldest job that has something to send, or that has ended; None when all is over."""
        with self._changed:
            while not self._over:
                for job in filter(has_something, self.jobs):
                    return job
                self._changed.wait()
            return None

    def _try(self, job: SpooledJob) -> bool:
        """Deliver a part of `job`; False when that is to be tried again later."""
        try:
            self._send(job)
        except Revoked:
            self.revoked()
            return False
        except FarmError as e:
            if e.transient:
                log.warning("delivery of job %s is tried again: %s", job.id, e)
                return False
            log.warning("job %s is dropped: %s", job.id, e)
            self._drop(job, lost=True)
        except OSError as e:  # its folder is gone: the thread that keeps leases saw that it was lost
            log.warning("job %s is dropped: %s", job.id, e)
            self._drop(job, lost=True)
        return True

    def _send(self, job: SpooledJob) -> None:
        ended = job.ended  # asked before what waits: the last result comes before the end
        batch = job.waiting[:MOST_TOGETHER]
        last = ended and len(batch) == len(job.waiting)
        if batch or last:
            self._upload(job, batch)
            reports = [spooled.report for spooled in batch]
            self.heed(self.client.accept(job.id, job.token, reports, last=last))
            job.delivered(batch)
        is_left = job.left and not job.waiting
        if is_left:
            # Not given back: a segment that kills the process it is spoken in must count an attempt.
            self.heed(self.client.lose(job.id, job.token))
        if last or is_left:
            self._drop(job, lost=False)
        self._tell()

    def _upload(self, job: SpooledJob, batch: list[Spooled]) -> None:
        takes = {spooled.segment: spooled for spooled in batch if spooled.take}
        if takes:
            sizes = {segment: spooled.size for segment, spooled in takes.items()}
            for segment, leave in self.client.uploads(job.id, job.token, sizes).items():
                take = takes[segment].take
                assert take is not None
                self.client.send(leave, take, self.store_root)

    def _keep_leases(self) -> None:
        while not self._over:
            with self._changed:
                now = time.monotonic()
                due = [job for job in self.jobs if self._due[job.id] <= now]
                if not due:
                    self._changed.wait(max(0.0, min(self._due.values(), default=now + 3600) - now))
            for job in due:
                if job.id in self._due:  # not delivered meanwhile
                    self._renew(job)

    def _renew(self, job: SpooledJob) -> None:
        try:
            in_hand = [] if job.ended else job.unspoken
            self.heed(self.client.renew(job.id, job.token, job.progress, in_hand))
        except LeaseLost as e:
            log.warning("job %s is dropped: %s", job.id, e)
            self._drop(job, lost=True)
        except Revoked:
            self.revoked()
        except FarmError as e:
            log.warning("lease of job %s not renewed: %s", job.id, e)
        with self._changed:
            if job.id in self._due:
                self._due[job.id] = time.monotonic() + job.renew_s


def has_something(job: SpooledJob) -> bool:
    """Whether there is something to send of the job, or its end to say."""
    return bool(job.waiting) or job.ended or job.left
