"""Blocks: single workers kept from single projects, each with its reason."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from farm import states
from farm.db import notify
from farm.errors import NotFound
from farm.jobs import CLOCK
from farm.messages import Message
from farm.tables import Block, Project, Worker


def block(session: Session, project_id: int, worker_id: int, reason: Message) -> None:
    """Keep a worker from a project; what it has in hand is taken back at the next tick. Raises NotFound."""
    if session.get(Project, project_id) is None:
        raise NotFound("There is no project {project}.", project=project_id)
    if session.get(Worker, worker_id) is None:
        raise NotFound("There is no worker {worker}.", worker=worker_id)
    why = {"reason": reason.to_json()}
    statement = insert(Block).values(project_id=project_id, worker_id=worker_id, **why)
    session.execute(
        statement.on_conflict_do_update(index_elements=[Block.project_id, Block.worker_id], set_=why)
    )
    tell(session, project_id)


def unblock(session: Session, project_id: int, worker_id: int) -> None:
    """Raises NotFound when the worker was not blocked."""
    this = (Block.project_id == project_id, Block.worker_id == worker_id)
    if session.scalar(delete(Block).where(*this).returning(Block.worker_id)) is None:
        raise NotFound(
            "Worker {worker} is not blocked from project {project}.", worker=worker_id, project=project_id
        )
    tell(session, project_id)


def tell(session: Session, project_id: int) -> None:
    states.changed(session, project_id)
    notify(session, CLOCK)


def of_project(session: Session, project_id: int) -> list[Block]:
    """The newest first."""
    mine = select(Block).where(Block.project_id == project_id)
    return list(session.scalars(mine.order_by(Block.created_at.desc(), Block.worker_id)))


def between(session: Session, project_id: int, worker_id: int) -> set[tuple[int, int]]:
    """That pair, if there is a block."""
    found = session.get(Block, (project_id, worker_id))
    return set() if found is None else {(project_id, worker_id)}


def pairs(session: Session) -> set[tuple[int, int]]:
    """(project, worker) of every block."""
    return {
        (project, worker) for project, worker in session.execute(select(Block.project_id, Block.worker_id))
    }
