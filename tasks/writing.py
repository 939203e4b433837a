"""Takes what an engine speaks out of its way: encoded and spooled by a thread of its own."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from farm.engine import Speech
from tasks.delivery import Delivery
from tasks.spool import NoRoom, Result, SpooledJob

MOST_WAITING = 64  # results that may wait to be encoded before the engine has to
TOGETHER_S = 0.1
AGAIN_S = 0.2


class Writing:
    """Results of one job on their way into the spool: `with Writing(…) as writing: writing.put(result)`.

    The block's end waits for what is under way, and raises NoRoom when the disk was full.
    """

    def __init__(self, delivery: Delivery, job: SpooledJob, stopped: Callable[[], bool]) -> None:
        self.delivery, self.job, self.stopped = delivery, job, stopped
        self.failure: BaseException | None = None
        self._results: queue.Queue[Result | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._write, daemon=True)

    @property
    def over(self) -> bool:
        """Whether nothing more can be kept."""
        return self.job.lost.is_set() or self.failure is not None

    def put(self, result: Result | None) -> None:
        while not self.over:
            try:
                return self._results.put(result, timeout=AGAIN_S)
            except queue.Full:
                continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.put(None)
        self._thread.join()
        if self.failure is not None and kind is None:
            raise self.failure

    def _write(self) -> None:
        try:
            while not self.over:
                together, last = self._gather()
                for result in shared(together):
                    self.delivery.put(self.job, result, self.stopped)
                if last:
                    return
        except NoRoom as e:
            self.failure = e

    def _gather(self) -> tuple[list[Result], bool]:
        """A micro-batch, whose results come at once; and whether it is the last. Empty: ask again."""
        together: list[Result] = []
        wait_s = AGAIN_S
        while True:
            try:
                result = self._results.get(timeout=wait_s)
            except queue.Empty:
                return together, False
            if result is None:
                return together, True
            together.append(result)
            wait_s = TOGETHER_S


def shared(together: Sequence[Result]) -> list[Result]:
    """The same results, the engine's time shared by their lengths: the first alone would have it all.

    >>> from farm.engine import Audio
    >>> import numpy as np
    >>> clips = [Speech(Audio(np.zeros(n, np.float32), 100), 0) for n in (100, 300)]
    >>> [r.busy_s for r in shared([Result(1, clips[0], 2.0), Result(2, clips[1], 0.0)])]
    [0.5, 1.5]
    """
    lengths_s = [r.outcome.audio.seconds if isinstance(r.outcome, Speech) else 0.0 for r in together]
    rate = sum(result.busy_s for result in together) / (sum(lengths_s) or 1.0)
    return [
        replace(result, busy_s=rate * length_s) for result, length_s in zip(together, lengths_s, strict=True)
    ]
