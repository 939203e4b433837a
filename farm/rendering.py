"""The farm's side of a render job: what of a worker's answers is accepted, and what becomes of the rest."""

import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from farm import chapters, directions, jobs, mishaps, states, takes, turns, workers
from farm.audio.flac import read_audio
from farm.audio.qa import check_take
from farm.db import Begin, among
from farm.errors import NotFound, Rejected
from farm.messages import Message
from farm.mishaps import Trouble
from farm.storage import Store, Upload
from farm.tables import Job, JobState, Project, Segment, SegmentState, Take, Worker

UPLOAD_EXPIRES_S = 900
MOST_WORKERS = 3
LOST = "lost"


@dataclass(frozen=True)
class Spoken:
    """A worker's word that a segment was spoken and uploaded. `seconds` of audio took `busy_s` to make."""

    segment: int
    size: int
    sha256: str
    seconds: float
    busy_s: float
    seed: int


@dataclass(frozen=True)
class Unspoken:
    """A worker's word that a segment could not be spoken; `kind` as in farm.engine.SpeechFailure."""

    segment: int
    kind: str
    reason: str


Result = Spoken | Unspoken


def leased(session: Session, job: Job, ids: Collection[int] | None = None) -> list[Segment]:
    """The segments that the job still holds, or those of `ids` that it does."""
    mine = select(Segment).where(held_by(job))
    if ids is not None:
        mine = mine.where(among(Segment.id, ids))
    return list(session.scalars(mine.order_by(Segment.rank)))


def held_by(job: Job) -> ColumnElement[bool]:
    return and_(Segment.job_id == job.id, Segment.state == SegmentState.LEASED)


def uploads(session: Session, store: Store, job: Job, sizes: Mapping[int, int]) -> dict[int, Upload]:
    """Where to put the takes of `sizes` (segment id -> bytes), of a job that is held. Raises Rejected."""
    if too_large := [size for size in sizes.values() if not 0 < size <= takes.LARGEST]:
        raise Rejected("A take of {size} bytes is not a segment's.", size=too_large[0])
    return {
        segment.id: store.upload_url(object_of(segment, job.id), sizes[segment.id], UPLOAD_EXPIRES_S)
        for segment in leased(session, job, sizes)
    }


def object_of(segment: Segment, job_id: int) -> str:
    return takes.object_name(segment.take_key or "", job_id)


@dataclass(frozen=True)
class Delivery:
    """What a worker tells of a job's segments, and those of them that are the job's, by id, with their paces.

    A result that comes twice, or for a segment that was taken back, is none.
    """

    job_id: int
    token: str
    segments: Mapping[int, Segment]
    paces: Mapping[int, float]
    results: Sequence[Result]


def delivered(session: Session, job: Job, results: Sequence[Result]) -> Delivery:
    """Of a job that is held."""
    mine = {segment.id: segment for segment in leased(session, job, [r.segment for r in results])}
    project = session.get_one(Project, job.project_id)
    paces = {segment.id: pace_of(project, segment) for segment in mine.values()}
    return Delivery(job.id, job.token, mine, paces, [r for r in results if r.segment in mine])


def accept(begin: Begin, store: Store, given: Delivery, *, last: bool = False) -> list[int]:
    """Judge each result on its own and record the good ones; the ids of the segments that are done.

    Uploads are checked before the transaction opens. `last` ends the job and gives back what was not spoken.
    Raises LeaseLost.
    """
    judged = [judge(store, given, result) for result in given.results]
    with begin() as session:
        job = jobs.hold(session, given.job_id, given.token)
        enter(session, job, given.segments, judged, last=last)
    return [result.segment for result in judged if isinstance(result, Spoken)]


def enter(
    session: Session, job: Job, mine: Mapping[int, Segment], judged: Sequence[Result], *, last: bool
) -> None:
    """Write what was judged into the books; end the job if this is its `last`, or its worker is doubted."""
    done = record(session, job, mine, [r for r in judged if isinstance(r, Spoken)])
    failed = fail(session, job, [r for r in judged if isinstance(r, Unspoken)])
    chapters.add(session, done, failed)
    told = {result.segment for result in judged}
    job.in_hand = [segment for segment in job.in_hand if segment not in told]
    doubted = weigh(session, job, mine, judged)
    if last or doubted:
        give_back(session, job, JobState.DONE if last else JobState.RECALLED)


def weigh(session: Session, job: Job, mine: Mapping[int, Segment], judged: Sequence[Result]) -> bool:
    """What results say of their worker; whether they made it one that is doubted."""
    if job.worker_id is None:
        return False
    worker = session.get_one(Worker, job.worker_id)
    struck = False
    for result in judged:
        if isinstance(result, Spoken):
            worker.strikes, struck = [], False
        else:
            struck |= mishaps.strike(worker, trouble(mine[result.segment], result))
    return struck and mishaps.is_doubted(worker)


def trouble(segment: Segment, result: Unspoken) -> Trouble:
    return Trouble(segment, result.kind, result.reason)


def pace_of(project: Project, segment: Segment) -> float:
    """How much faster than usual the segment was to be spoken."""
    direction = takes.direction_of(project, segment.role, segment.direction)
    return directions.pace_of(direction, segment.length, segment.language)


def judge(store: Store, given: Delivery, result: Result) -> Result:
    """The result itself, or why what was uploaded is not the segment's speech."""
    if isinstance(result, Unspoken):
        return result
    segment, pace = given.segments[result.segment], given.paces[result.segment]
    try:
        content = store.read(object_of(segment, given.job_id), takes.LARGEST)
        if len(content) != result.size or hashlib.sha256(content).hexdigest() != result.sha256:
            raise Rejected("The upload is not what the worker said it sent.")
        audio = read_audio(io.BytesIO(content))
    except (Rejected, NotFound) as e:
        return Unspoken(result.segment, "upload", str(e))
    trouble = check_take(audio, segment.length, segment.language, pace, len(segment.sentences))
    return (
        Unspoken(result.segment, "audio", str(trouble)) if trouble else replace(result, seconds=audio.seconds)
    )


def record(session: Session, job: Job, mine: Mapping[int, Segment], spoken: Sequence[Spoken]) -> list[int]:
    """Write takes; the ids of the segments that are done by them, twins in other chapters included."""
    if not spoken:
        return []
    rows = [
        {
            "key": mine[result.segment].take_key,
            "object": object_of(mine[result.segment], job.id),
            "size": result.size,
            "seconds": result.seconds,
            "seed": result.seed,
            "worker_id": job.worker_id,
        }
        for result in spoken
    ]
    ours = and_(Segment.job_id == job.id, Segment.id.in_([result.segment for result in spoken]))
    twins = and_(Segment.take_key.in_([row["key"] for row in rows]), Segment.state == SegmentState.READY)
    touched = session.scalars(select(Segment.chapter_id).where(or_(ours, twins)).distinct()).all()
    locked = chapters.lock(session, touched)
    session.execute(insert(Take).on_conflict_do_nothing(), rows)
    spoken_now = {"failure": None, "earlier_key": None}
    done = states.move(
        session, Segment, ours, SegmentState.LEASED, SegmentState.DONE, job_id=None, **spoken_now
    )
    here = and_(twins, Segment.chapter_id.in_(locked))
    done += states.move(session, Segment, here, SegmentState.READY, SegmentState.DONE, **spoken_now)
    audio_s, busy_s = sum(r.seconds for r in spoken), sum(r.busy_s for r in spoken)
    job.audio_s += audio_s
    if job.worker_id is not None:
        worker = session.get_one(Worker, job.worker_id)
        worker.last_take = mine[spoken[-1].segment].take_key
        worker.speed = workers.measured(worker.speed, audio_s, busy_s)
    return done


def fail(session: Session, job: Job, unspoken: Sequence[Unspoken]) -> list[int]:
    """Count an attempt against each segment; the ids of those that have failed for good."""
    found = [(session.get_one(Segment, result.segment), result) for result in unspoken]
    mishaps.note(session, job, [trouble(segment, result) for segment, result in found])
    blamed = sorted(found, key=lambda pair: pair[0].id)
    return [segment.id for segment, result in blamed if blame(session, job, segment, result)]


def blame(session: Session, job: Job, segment: Segment, result: Unspoken) -> bool:
    """Put a segment back for another attempt, or fail it; whether it failed for good."""
    blamed = sorted({*segment.failed_by, *([job.worker_id] if job.worker_id else [])})
    in_company = result.kind == LOST and len(job.in_hand) > 1  # it may have been another of them
    hopeless = (
        result.kind in mishaps.EVERYWHERE
        or segment.attempts + 1 >= jobs.MOST_ATTEMPTS
        or (len(blamed) >= MOST_WORKERS and not in_company)
    )
    moved = states.move(
        session,
        Segment,
        and_(Segment.id == segment.id, Segment.job_id == job.id),
        SegmentState.LEASED,
        SegmentState.FAILED if hopeless else SegmentState.READY,
        job_id=None,
        attempts=segment.attempts + 1,
        failed_by=blamed,
        failure=Message("{reason} ({kind})", {"reason": result.reason, "kind": result.kind}).to_json(),
    )
    return hopeless and bool(moved)


def give_back(session: Session, job: Job, state: JobState) -> None:
    """End a job that the caller has locked; what it still holds is ready again, uncounted."""
    give_back_all(session, [job], state)


def give_back_all(session: Session, ended: Sequence[Job], state: JobState) -> None:
    held = Segment.job_id.in_([job.id for job in ended])
    states.move(session, Segment, held, SegmentState.LEASED, SegmentState.READY, job_id=None)
    turns.refund(session, [job for job in ended if job.claimed_at is None])
    for job in ended:
        jobs.end(session, job, state)


def lose(session: Session, job: Job, *, told: bool = False) -> None:
    """Expire a job whose worker was lost: the segments it had in hand count an attempt, the others do not.

    `told` by the worker itself, it had in hand all that the job still holds. For the worker it is one strike,
    however many they were.
    """
    session.execute(select(Job.id).where(Job.id == job.id).with_for_update())
    held = leased(session, job)
    job.in_hand = [segment.id for segment in held if told or segment.id in job.in_hand]
    chapters.lock(session, session.scalars(select(Segment.chapter_id).where(held_by(job))).all())
    reason = "The worker was lost while speaking this segment."
    lost = [Unspoken(segment, LOST, reason) for segment in job.in_hand]
    weigh(session, job, {segment.id: segment for segment in held}, lost[:1])
    chapters.add(session, [], fail(session, job, lost))
    give_back(session, job, JobState.EXPIRED)
