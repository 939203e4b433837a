"""The farm in one word, with the reason and what is behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from farm import fleet, reasons
from farm.crew import speed_of
from farm.fleet import Fleet
from farm.messages import Message
from farm.tables import Job, JobState, Worker

MOST_DETAILS = 12
MOST_SPOOLED_MIB = 1e6  # no worker is believed to keep more
BUSY = ("working", "draining")


@dataclass(frozen=True)
class FarmWord:
    """working, waiting, idle, asleep or trouble. `workers` are live; `speed` of the busy ones, x realtime."""

    word: str
    why: Message
    details: tuple[Message, ...]
    workers: int
    speed: float
    at: datetime


def of_farm(session: Session) -> FarmWord:
    seen = fleet.look(session)
    open_jobs = select(func.count()).select_from(Job).where(Job.state == JobState.RUNNING)
    trouble = list(islice(troubles(seen), MOST_DETAILS))
    word, why = ("trouble", trouble[0]) if trouble else verdict(seen, session.scalars(open_jobs).one())
    speed = sum(speed_of(worker) for worker in seen.crew if seen.words[worker.id] in BUSY)
    told = [*trouble, *(detail for detail in details(seen) if detail not in trouble)][:MOST_DETAILS]
    return FarmWord(word, why, tuple(told), len(seen.live), speed, seen.at)


def verdict(seen: Fleet, jobs: int) -> tuple[str, Message]:
    """The word of a farm in which nothing waits for a person, and its reason; `jobs` are under way."""
    if jobs:
        return "working", Message("{jobs} jobs are under way.", {"jobs": jobs})
    if all_asleep(seen):
        return "asleep", next(reasons.away(seen.crew, seen))
    if seen.running:
        return "waiting", Message("Projects are running, but nothing is being spoken at this moment.")
    if not seen.live:
        return "idle", Message("Nothing to do, and no render worker has been heard of lately.")
    return "idle", Message("Nothing to do. Start a project.")


def troubles(seen: Fleet) -> Iterator[Message]:
    """What keeps work waiting until a person does something."""
    if not seen.crew:
        yield Message("There is no render worker yet. Start one.")
        return
    waiting = [project for project in seen.running if seen.unspoken_s[project.id]]
    needed = frozenset[int]().union(*{seen.serving(project) for project in waiting})
    held = [worker for worker in seen.crew if worker.id in needed and seen.words[worker.id] == "held"]
    if held:
        yield from reasons.away(held, seen)
    for project in (it for it in waiting if not seen.able(it)):
        able = [worker for worker in seen.crew if worker.id in seen.serving(project)]
        sleeps = able and all(reasons.kind_of(worker, seen) == "asleep" for worker in able)
        if not sleeps:
            said = next(reasons.unserved(project, seen))
            yield Message("{project}: {reason}", {"project": project.title, "reason": said})


def all_asleep(seen: Fleet) -> bool:
    """Whether those who are not away are asleep, and somebody is."""
    kinds = {reasons.kind_of(worker, seen) for worker in seen.crew}
    return not seen.live and "asleep" in kinds and kinds <= {"asleep", "lost", "steered"}


def details(seen: Fleet) -> Iterator[Message]:
    """What else a person should know: workers that wait or are gone, a store that takes nothing."""
    for kind in ("held", "waiting", "error", "lost"):
        found = [worker for worker in seen.crew if reasons.kind_of(worker, seen) == kind]
        if found:
            yield from reasons.away(found, seen)
    spools = [mib for worker in seen.live if (mib := spooled_mib(worker))]
    if spools:
        kept = {"mib": round(sum(spools)), "n": len(spools)}
        yield Message(
            "The store takes no audio now. Workers that keep it meanwhile: {n}, with {mib} MiB.", kept
        )


def spooled_mib(worker: Worker) -> float:
    """Spoken audio that a worker says it could not bring to the store yet."""
    said = worker.facts.get("spooled_mib")
    return float(said) if isinstance(said, int | float) and 0 < said < MOST_SPOOLED_MIB else 0.0
