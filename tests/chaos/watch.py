"""What is seen of a farm under fault: how long nothing went forward, and whether all is as it must be."""

import io
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import func, select, text

from farm import tally
from farm.audio.flac import read_audio
from farm.db import Begin
from farm.errors import FarmError
from farm.storage import Store
from farm.tables import Chapter, Job, JobKind, Project, Segment, Take

LOOKS_S = 0.05

COUNTERS = text(
    "SELECT count(*) FROM chapters c JOIN LATERAL (SELECT count(*) n,"
    " count(*) FILTER (WHERE state = 'done') d, count(*) FILTER (WHERE state = 'failed') f"
    " FROM segments s WHERE s.chapter_id = c.id) s ON true"
    " WHERE (c.segments, c.segments_done, c.segments_failed) IS DISTINCT FROM (s.n, s.d, s.f)"
)
DANGLING = text(
    "SELECT count(*) FROM segments s LEFT JOIN jobs j ON j.id = s.job_id"
    " WHERE s.state = 'leased' AND coalesce(j.state, '') NOT IN ('queued', 'running')"
)
TAKELESS = text(
    "SELECT count(*) FROM segments s LEFT JOIN takes t ON t.key = s.take_key"
    " WHERE s.state = 'done' AND s.take_key IS NOT NULL AND t.key IS NULL"
)
LATE = text(
    "SELECT count(*) FROM takes t JOIN jobs j ON j.id = split_part(t.object, '.', 2)::bigint"
    " WHERE t.created_at > j.ended_at AND j.state <> 'done'"
)


class Watch:
    """Looks at the count of finished segments all the time; `stall_s` is the longest it stood still.

    Time in which nothing is left to speak does not count.
    """

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        self.stall_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        before, since = (-1, -1), time.monotonic()
        while not self._over.wait(LOOKS_S):
            try:
                now = spoken(self.begin)
            except FarmError:
                now = before  # the database is the victim: nothing moves
            if now != before or now[0] >= now[1]:
                before, since = now, time.monotonic()
            self.stall_s = max(self.stall_s, time.monotonic() - since)


def spoken(begin: Begin) -> tuple[int, int]:
    """Segments that are done or failed, and segments in all, of running projects and planned chapters."""
    ended = func.coalesce(func.sum(Chapter.segments_done + Chapter.segments_failed), 0)
    counted = select(ended, func.coalesce(func.sum(Chapter.segments), 0)).join(
        Project, Project.id == Chapter.project_id
    )
    with begin() as session:
        done, total = session.execute(counted.where(Project.state != "paused")).one()
    return int(done), int(total)


def audit(begin: Begin, store: Store, failed: int = 0) -> list[str]:
    """What is not as it must be, once every book is finished; `failed` segments are expected.

    Each segment was accepted once; counters are counts; each take's object exists and decodes to its length;
    no lease without a live job; no take of a job that had been taken from its worker; no job is left open.
    """
    with begin() as session:
        states = dict(session.execute(select(Segment.state, func.count()).group_by(Segment.state)).all())
        asked = {
            "chapters whose counters are not their counts": COUNTERS,
            "segments leased without a live job": DANGLING,
            "finished segments without a take": TAKELESS,
            "takes accepted after their job was lost": LATE,
        }
        wrong = {what: int(session.scalar(query) or 0) for what, query in asked.items()}
        takes = list(session.scalars(select(Take)))
        opened = select(func.count()).select_from(Job).where(Job.state.in_(["queued", "running"]))
        wrong["jobs left open"] = session.scalars(opened).one()
    wrong["segments that are not done"] = sum(states.values()) - states.get("done", 0) - failed
    wrong["segments that failed"] = abs(states.get("failed", 0) - failed)
    wrong["takes that do not decode to their length"] = sum(not decodes(store, take) for take in takes)
    return [f"{count} {what}" for what, count in wrong.items() if count]


def decodes(store: Store, take: Take) -> bool:
    with suppress(FarmError):
        content = store.read(take.object, 2**24)
        return (
            len(content) == take.size and abs(read_audio(io.BytesIO(content)).seconds - take.seconds) < 0.001
        )
    return False


def wasted(begin: Begin, store: Store) -> int:
    """Renders that were uploaded and point to nothing: somebody else's was taken."""
    with begin() as session:
        wanted = set(session.scalars(select(Take.object)))
    return sum(found.name not in wanted for found in store.list("takes/"))


def blamed(begin: Begin) -> int:
    """Attempts that were counted against segments."""
    with begin() as session:
        return int(session.scalar(select(func.coalesce(func.sum(Segment.attempts), 0))) or 0)


def tallied(begin: Begin) -> dict[str, int]:
    with begin() as session:
        return tally.read(session)


def held(begin: Begin, worker: int) -> int | None:
    """The render job that a worker has."""
    mine = select(Job.id).where(Job.kind == JobKind.RENDER, Job.state == "running", Job.worker_id == worker)
    with begin() as session:
        return session.scalar(mine.order_by(Job.id).limit(1))


def until(true: Callable[[], bool], within_s: float) -> float:
    """Seconds until `true()`; `within_s` when that does not come."""
    since = time.monotonic()
    while time.monotonic() - since < within_s:
        with suppress(FarmError):
            if true():
                break
        time.sleep(0.02)
    return time.monotonic() - since


def worst(times: Sequence[float]) -> float:
    return max(times, default=0.0)
