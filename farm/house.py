"""House work: import, plan, master and publish jobs, done beside the database."""

import logging
import traceback
from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from farm import importing, jobs, mastering, planning, publish, states
from farm.db import Begin
from farm.errors import FarmError, LeaseLost
from farm.messages import Message
from farm.storage import Store
from farm.tables import Chapter, ChapterState, Job, JobKind, JobState, Project, ProjectState
from farm.work import Work

log = logging.getLogger(__name__)

HANDLERS: Mapping[str, Callable[[Work], None]] = {
    JobKind.IMPORT: importing.run,
    JobKind.PLAN: planning.run,
    JobKind.MASTER: mastering.run,
    JobKind.PUBLISH: publish.run,
}
FIRST_WAIT_S = 2.0
AWAY_S = 10.0


def run(begin: Begin, store: Store, times: jobs.Times, job_id: int, token: str) -> None:
    """Do one house job from claim to end. A stale message does nothing; a bug is raised after release."""
    with begin() as session:
        job = jobs.claim(session, job_id, token, times)
    if job is None:
        return
    work = Work(begin, store, job, times)
    with work.renewing():
        try:
            HANDLERS[job.kind](work)
        except LeaseLost:
            log.warning("job %s was taken away; its results are discarded", job.id)
        except FarmError as e:
            fail(work, e.message, hopeless=not e.transient, passing=e.transient)
        except Exception as e:
            said = traceback.format_exception_only(e)[-1].strip()
            fail(work, Message("This is a fault in the farm, not in your text: {error}", {"error": said}))
            raise


def fail(work: Work, reason: Message, *, hopeless: bool = False, passing: bool = False) -> None:
    """End a job that did not succeed: try it again later, or give it up where a person can see and act."""
    with work.begin() as session:
        held = work.hold(session)
        held.cpu_s = work.cpu_s
        jobs.end(session, held, JobState.FAILED, reason)
        after(session, held, reason, hopeless, passing)


def expire(session: Session, job: Job) -> None:
    """End a job whose process was lost or that nobody claimed, and issue it again."""
    claimed = job.state == JobState.RUNNING
    jobs.end(session, job, JobState.EXPIRED)
    if claimed:
        reason = Message("The process doing this was lost {times} times.", {"times": job.attempt})
        after(session, job, reason, hopeless=False)
    else:
        jobs.again(session, job, counted=False)


def after(session: Session, job: Job, reason: Message, hopeless: bool, passing: bool = False) -> None:
    """Issue a failed job again. What is away (`passing`) comes back, and blames nobody however long it takes;
    but for an import somebody waits, and is told."""
    if passing and job.kind != JobKind.IMPORT:
        jobs.again(session, job, wait_s=AWAY_S, counted=False)
    elif not hopeless and job.attempt < jobs.MOST_ATTEMPTS:
        jobs.again(session, job, wait_s=FIRST_WAIT_S * 2 ** (job.attempt - 1))
    else:
        give_up(session, job, reason.to_json())
    states.changed(session, job.project_id)


def give_up(session: Session, job: Job, failure: object) -> None:
    """Show a hopeless job's reason where its retry is: on the chapter, or on the project."""
    if job.chapter_id is not None and job.kind != JobKind.PUBLISH:
        working = (ChapterState.DRAFT, ChapterState.MASTERING)
        states.move(
            session, Chapter, Chapter.id == job.chapter_id, working, ChapterState.HELD, failure=failure
        )
        return
    project = session.get_one(Project, job.project_id)
    project.failure = failure  # type: ignore[assignment]
    if job.kind == JobKind.IMPORT:
        states.move(session, Project, Project.id == project.id, ProjectState.IMPORTING, ProjectState.DRAFT)
