"""The one writer of state. A move is a guarded UPDATE: a row someone else moved is not in its answer."""

import json
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, null, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from farm.db import notify
from farm.messages import Message
from farm.tables import Chapter, Event, Job, Project, Row, Segment, Worker

MOVES: dict[type[Row], dict[str, set[str]]] = {
    Project: {
        # a person uploads; a crash in between leaves a draft without a file, which can be deleted
        "draft": {"importing", "cancelled"},
        # the import job ends it; a killed import is issued again, a refused file goes back to draft
        "importing": {"review", "draft", "cancelled"},
        # a person ticks chapters and presses start; another encoding imports again
        "review": {"importing", "running", "cancelled"},
        # the last publish job ends it
        "running": {"paused", "finished", "cancelled"},
        "paused": {"running", "cancelled"},
        # a retried segment or a changed chapter opens it again
        "finished": {"running"},
        # a person thinks better of it: what was rendered is still there
        "cancelled": {"running", "review"},
    },
    Chapter: {
        # the plan job ends it; a killed one is issued again
        "draft": {"planned", "held"},
        # the first lease; or every take was found
        "planned": {"rendering", "mastering", "held", "draft"},
        # the accept of its last segment
        "rendering": {"mastering", "held", "draft"},
        # the master job ends it; or finds that the store lost a take
        "mastering": {"done", "held", "rendering", "draft"},
        # a changed text
        "done": {"rendering", "mastering", "draft"},
        # a person: retry, or give it out as it is
        "held": {"rendering", "mastering", "draft"},
    },
    Segment: {
        # dispatched; or its take was found
        "ready": {"leased", "done"},
        # accept, the worker's failure report, or the end of the lease
        "leased": {"done", "ready", "failed"},
        # a new take, or an edit
        "done": {"ready"},
        # a person's retry
        "failed": {"ready"},
    },
    Job: {
        # claimed; never claimed (a lost message); project paused or cancelled
        "queued": {"running", "expired", "recalled"},
        # ended by its worker, or by the clock when the lease runs out
        "running": {"done", "failed", "expired", "recalled"},
        "done": set(),
        "failed": set(),
        "expired": set(),
        "recalled": set(),
    },
    Worker: {
        # its own reports end it; a machine that joins anew starts here
        "enrolled": {"ready", "busy", "asleep", "error"},
        "ready": {"busy", "asleep", "error", "enrolled"},
        "busy": {"ready", "asleep", "error", "enrolled"},
        "asleep": {"ready", "busy", "error", "enrolled"},
        "error": {"ready", "busy", "asleep", "enrolled"},
    },
}

AnyRow = TypeVar("AnyRow", Project, Chapter, Segment, Job, Worker)


def move(
    session: Session,
    table: type[AnyRow],
    where: ColumnElement[bool],
    old: str | tuple[str, ...],
    new: str,
    **also: Any,
) -> list[int]:
    """Move rows of `table` that match `where` from `old` to `new`, setting `also`; the moved ids, sorted."""
    sources = (old,) if isinstance(old, str) else old
    for source in sources:
        if new not in MOVES[table][source]:
            raise ValueError(f"{table.__tablename__} do not go from {source} to {new}")
    state: InstrumentedAttribute[str] = table.state
    statement = (
        update(table)
        .where(where, state.in_(sources))
        .values(state=new, **also)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    moved = sorted(session.scalars(statement))
    if moved and table in (Project, Chapter):
        remember(session, table, moved, new)
    return moved


def remember(session: Session, table: type[Row], moved: list[int], new: str) -> None:
    """Write the projects' history; segments and jobs are too many to be told one by one."""
    if table is Project:
        told: Any = (
            select(Project.id, null(), Project.title).where(Project.id.in_(moved)).order_by(Project.id)
        )
    else:
        ours = Chapter.id.in_(moved)
        told = select(Chapter.project_id, Chapter.id, Chapter.title).where(ours).order_by(Chapter.id)
    for project, chapter, title in session.execute(told):
        what = Message("“{title}” is {state}.", {"title": title, "state": new})
        session.add(Event(project_id=project, chapter_id=chapter, what=what.to_json()))


def changed(session: Session, project_id: int) -> None:
    """Tell the open pages that a project is not as they show it."""
    notify(session, "farm", json.dumps({"project": project_id}))
