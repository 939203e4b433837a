"""What the API and the pages are told of workers, of the tokens they join with, of who is kept from what."""

from dataclasses import asdict

from sqlalchemy.orm import Session

from dashboard.snapshots import Snapshot, message, moment
from farm import blocks, joining, protocol, roster, tls
from farm.roster import Failed, Seen
from farm.settings import Settings
from farm.tables import Block, JoinToken


def listed(session: Session) -> list[Snapshot]:
    return [worker(found) for found in roster.everyone(session)]


def one(session: Session, worker_id: int) -> Snapshot:
    return worker(roster.one(session, worker_id))


def worker(found: Seen) -> Snapshot:
    row = found.worker
    return {
        "id": row.id,
        "name": row.name,
        "word": found.word,
        "why": message(found.why),
        "wakes_at": moment(found.wakes_at),
        "desired": row.desired,
        "at_once": row.at_once,
        "approved": row.approved,
        "ephemeral": row.ephemeral,
        "local": row.local,
        "gpu_class": row.gpu_class,
        "engine": row.engine,
        "version": row.version,
        "protocol": row.protocol,
        "tags": row.tags,
        "projects": row.projects,
        "schedule": row.schedule,
        "speed": found.speed,
        "benchmark": row.benchmark,
        "facts": found.facts,
        "doing": found.doing and {**asdict(found.doing), "since": moment(found.doing.since)},
        "spoke": found.spoke and asdict(found.spoke),
        "failed": [failed(mishap) for mishap in found.failed],
        "kept_from": [
            {"project": kept.project, "title": kept.title, "reason": message(kept.reason)}
            for kept in found.kept_from
        ],
        "address": row.address,
        "last_seen": moment(row.last_seen),
        "created_at": moment(row.created_at),
    }


def failed(mishap: Failed) -> Snapshot:
    return {**asdict(mishap), "at": moment(mishap.at)}


def tokens(session: Session) -> list[Snapshot]:
    return [token(found) for found in joining.tokens(session)]


def token(found: JoinToken) -> Snapshot:
    return {
        "id": found.id,
        "name": found.name,
        "engine": found.engine,
        "gpu_class": found.gpu_class,
        "tags": found.tags,
        "projects": found.projects,
        "schedule": found.schedule,
        "approval": found.approval,
        "ephemeral": found.ephemeral,
        "uses": found.uses,
        "most_uses": found.most_uses,
        "expires_at": moment(found.expires_at),
        "created_at": moment(found.created_at),
    }


def made(session: Session, config: Settings, secret: str) -> Snapshot:
    """A token that was just made, with what is never said again."""
    written = protocol.written(tls.own_pin(config), secret)
    found = token(joining.find(session, secret))
    return {**found, "token": written, "line": tls.joining_line(config, written)}


def kept_away(session: Session, project_id: int) -> list[Snapshot]:
    """The workers that a project is kept from."""
    return [block(found) for found in blocks.of_project(session, project_id)]


def block(found: Block) -> Snapshot:
    return {
        "worker": found.worker_id,
        "reason": message(found.reason),
        "created_at": moment(found.created_at),
    }
