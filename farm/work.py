"""A house job in hand: a thread renews its lease; results are written with its end or not at all."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from farm import jobs, states
from farm.db import Begin
from farm.errors import FarmError, LeaseLost
from farm.storage import Store
from farm.tables import Job, JobState


class Work:
    """One claimed job and what its handler needs. `done` is the share of the work done, 0 to 1."""

    def __init__(self, begin: Begin, store: Store, job: Job, times: jobs.Times) -> None:
        self.begin = begin
        self.store = store
        self.job = job
        self.times = times
        self.done = 0.0
        self._cpu_s = time.process_time()
        self._lost = threading.Event()
        self._over = threading.Event()

    def progress(self, done: float) -> None:
        """Note how far the work is. Raises LeaseLost once the job is somebody else's."""
        if self._lost.is_set():
            raise jobs.lost(self.job.id)
        self.done = done

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Keep the lease while the block runs."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    @contextmanager
    def finishing(self) -> Iterator[Session]:
        """The transaction in which the job ends with its results; LeaseLost: none of it is written."""
        with self.begin() as session:
            job = self.hold(session)
            yield session
            job.cpu_s = self.cpu_s
            jobs.end(session, job, JobState.DONE)
            states.changed(session, job.project_id)

    def hold(self, session: Session) -> Job:
        """The job's row, locked until the transaction ends. Raises LeaseLost."""
        return jobs.hold(session, self.job.id, self.job.token)

    @property
    def cpu_s(self) -> float:
        """Processor seconds since the claim; a house process does one job at a time."""
        return time.process_time() - self._cpu_s

    def _renew(self) -> None:
        while not self._over.wait(self.times.renew_s):
            try:
                with self.begin() as session:
                    jobs.renew(session, self.job.id, self.job.token, self.times, self.done)
                    states.changed(session, self.job.project_id)
            except LeaseLost:
                self._lost.set()
                return
            except FarmError:
                continue  # the database is away: the lease outlives a few renewals
