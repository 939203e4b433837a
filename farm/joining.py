"""Joining: a token that a person defines, and the workers that a machine becomes by it."""

import re
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, null, select, update
from sqlalchemy.orm import Session

from farm import audit, states, steering, workers
from farm import schedule as weeks
from farm.broker import Broker, url_for
from farm.db import Begin, now
from farm.engine import LOADABLE
from farm.errors import Conflict, Forbidden, NotFound, Rejected, ServiceDown
from farm.gpu import CPU, class_of
from farm.protocol import OLDEST, PROTOCOL, is_understood
from farm.settings import Settings
from farm.tables import Desired, JoinToken, Worker, WorkerState

HOUR_S = 3600
LONGEST_S = 366 * 24 * HOUR_S
MOST_USES = 10_000
MOST_CARDS = 16
PROBES = "probes"  # the folder of what machines write to see whether they reach the store
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Shorter than a worker's: machines and cards are numbered behind it."""
ENGINE = re.compile(r"[a-z0-9_]{1,40}(:[a-z0-9_]+=[\w.+-]*(,[a-z0-9_]+=[\w.+-]*)*)?", re.ASCII)


@dataclass(frozen=True)
class Card:
    """A graphics card as a machine tells of it; `vram_gib` 0: it does not know."""

    uuid: str
    name: str
    vram_gib: float


@dataclass(frozen=True)
class Machine:
    """What a machine says of itself when it joins, and where it was heard from."""

    hostname: str
    protocol: int
    version: str
    cards: Sequence[Card]
    address: str = ""


@dataclass(frozen=True)
class Joined:
    """What a machine is given for one of its workers. `gpu` is a card's UUID, "" for the processor."""

    name: str
    secret: str
    gpu_class: str
    engine: str
    gpu: str
    broker_url: str
    approved: bool


def define(
    session: Session,
    *,
    name: str,
    engine: str,
    gpu_class: str = "",
    tags: Collection[str] = (),
    projects: Collection[int] = (),
    schedule: Any = None,
    approval: bool = False,
    ephemeral: bool = False,
    most_uses: int = 1,
    lives_s: float = HOUR_S,
) -> str:
    """The secret of a new token, 256 random bits kept only as a hash. Raises Rejected, NotFound.

    One machine joins with it, whose worker gets the `name`; with `most_uses` above 1 so many, numbered at
    random behind it. `engine` may carry options. `ephemeral` workers are forgotten when they stay away.
    """
    if gpu_class:
        workers.check_class(gpu_class)
    if not (1 <= most_uses <= MOST_USES and 0 < lives_s <= LONGEST_S):
        raise Rejected("A token lets in 1 to {most} machines, for a year at most.", most=MOST_USES)
    secret = secrets.token_urlsafe(32)
    made = JoinToken(
        hash=workers.hash_of(secret),
        name=checked_name(name),
        engine=checked_engine(engine),
        gpu_class=gpu_class,
        tags=workers.checked_tags(tags),
        projects=steering.checked_projects(session, projects),
        schedule=weeks.checked(schedule or {}),
        approval=approval,
        ephemeral=ephemeral,
        most_uses=most_uses,
        expires_at=now + timedelta(seconds=lives_s),
    )
    session.add(made)
    session.flush()
    return secret


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Rejected(
            "A worker that joins cannot be called {name}. Use a to z, 0 to 9 and -, at most 32 characters.",
            name=name[:80],
        )
    return name


def checked_engine(engine: str) -> str:
    known = engine.partition(":")[0] in LOADABLE
    if not known or len(engine) > 200 or not ENGINE.fullmatch(engine):
        raise Rejected(
            "{engine} names no engine. Write preview, or with options simulated:speed=5.7.",
            engine=engine[:80],
        )
    return engine


def find(session: Session, secret: str) -> JoinToken:
    """Raises NotFound."""
    token = session.scalar(select(JoinToken).where(JoinToken.hash == workers.hash_of(secret)))
    if token is None:
        raise NotFound("This token is not known here. Make a new one on the page of workers.")
    return token


def tokens(session: Session) -> list[JoinToken]:
    """Those that can still be used, the newest first."""
    return list(session.scalars(select(JoinToken).where(usable()).order_by(JoinToken.id.desc())))


def usable() -> ColumnElement[bool]:
    return and_(
        JoinToken.revoked_at.is_(None), JoinToken.expires_at > now, JoinToken.uses < JoinToken.most_uses
    )


def revoke_token(session: Session, token_id: int) -> None:
    """Let no further machine join with it. Raises NotFound."""
    ended = update(JoinToken).where(JoinToken.id == token_id).values(revoked_at=now).returning(JoinToken.id)
    if session.scalar(ended) is None:
        raise NotFound("There is no token {token}.", token=token_id)


def join(begin: Begin, config: Settings, secret: str, machine: Machine) -> list[Joined]:
    """Make the machine's workers known: one for each card, or one on its processor.

    All of them or none: only then is the token used. One that is known by its name already gets a new secret
    and password, which end the old ones. Raises Forbidden, Conflict, Rejected, ServiceDown.
    """
    check(machine)
    with Broker(config.broker_url) as broker:
        with begin() as session:
            token = use(session, secret)
            broker.check()
            entered = [
                enter(session, config, token, machine, name, card)
                for name, card in zip(*seats(session, token, machine), strict=True)
            ]
            note(session, token, machine, [joined for _, joined in entered])
        # After the commit, for the clock expels whom it does not know.
        with suppress(ServiceDown):  # it also lets in whom it misses
            for worker, _ in entered:
                broker.admit(worker)
    return [joined for _, joined in entered]


def check(machine: Machine) -> None:
    if not is_understood(machine.protocol):
        raise Rejected(
            "{machine} speaks protocol {theirs}; this farm understands {oldest} to {newest}. Copy the line "
            "from the dashboard again.",
            machine=machine.hostname,
            theirs=machine.protocol,
            oldest=OLDEST,
            newest=PROTOCOL,
        )
    if len(machine.cards) > MOST_CARDS or len({card.uuid for card in machine.cards}) < len(machine.cards):
        raise Rejected(
            "{machine} must name at most {most} cards, each once.", machine=machine.hostname, most=MOST_CARDS
        )


def use(session: Session, secret: str) -> JoinToken:
    """Count one use of a token: of two at the same time that want the last, one waits and fails.

    Raises Forbidden.
    """
    mine = JoinToken.hash == workers.hash_of(secret)
    counted = update(JoinToken).where(mine, usable()).values(uses=JoinToken.uses + 1).returning(JoinToken)
    token = session.scalar(counted)
    if token is None:
        raise Forbidden(
            "This token was used, has expired, was revoked, or is none of this farm's. Make a new one on the "
            "page of workers."
        )
    return token


def seats(session: Session, token: JoinToken, machine: Machine) -> tuple[list[str], list[Card | None]]:
    """The names and cards of the machine's workers."""
    cards = list(machine.cards) if token.gpu_class != CPU else []
    places: list[Card | None] = [*cards] or [None]
    first = token.name if token.most_uses == 1 else free_name(session, token.name)
    return [first, *(f"{first}-{n}" for n in range(2, len(places) + 1))], places


def free_name(session: Session, stem: str) -> str:
    """A name that no worker of this farm has. Raises Conflict when hardly one is left."""
    taken = set(session.scalars(select(Worker.name).where(Worker.name.startswith(f"{stem}-"))))
    drawn = (f"{stem}-{secrets.token_hex(2)}" for _ in range(100))
    for name in drawn:
        if name not in taken:
            return name
    raise Conflict("There are too many workers called {name}. Make a token of another name.", name=stem)


def enter(
    session: Session, config: Settings, token: JoinToken, machine: Machine, name: str, card: Card | None
) -> tuple[Worker, Joined]:
    """Make one worker known. Raises Conflict when one of this name is at work."""
    leave_place(session, name)
    gpu_class = token.gpu_class or (class_of(card.vram_gib) if card else CPU)
    given = worker_of(config, token, machine, card)
    made = workers.enrol_with_broker(session, name, gpu_class, local=False, **given)
    ended = tuple(state for state in WorkerState if state != WorkerState.ENROLLED)
    states.move(session, Worker, Worker.id == made.worker_id, ended, WorkerState.ENROLLED)
    worker = workers.find(session, made.worker_id)
    url = url_for(config, worker, made.broker_password)
    gpu = card.uuid if card else ""
    return worker, Joined(name, made.secret, gpu_class, token.engine, gpu, url, worker.approved)


def leave_place(session: Session, name: str) -> None:
    """Put back what a worker of this name had in hand. Raises Conflict when it is at work."""
    known = session.scalar(select(Worker).where(Worker.name == name))
    if known is None:
        return
    at = session.scalars(select(now)).one()
    heard = known.last_seen is not None and not workers.is_lost(known, at)
    if heard and known.state in workers.LIVE and known.desired != Desired.REVOKED:
        raise Conflict(
            "There is a worker {name}, and it is at work. Stop or revoke it first, or choose another name.",
            name=name,
        )
    steering.put_back(session, known)


def worker_of(config: Settings, token: JoinToken, machine: Machine, card: Card | None) -> dict[str, Any]:
    """What the row of a worker begins with when it joins, whatever it was before."""
    return {
        "engine": token.engine.partition(":")[0],
        "fingerprint": "",
        "protocol": machine.protocol,
        "version": machine.version,
        "desired": Desired.RUN,
        "at_once": False,
        "approved": not (token.approval or config.approve_workers),
        "ephemeral": token.ephemeral,
        "tags": token.tags,
        "projects": token.projects,
        "schedule": token.schedule,
        "speed": None,
        "benchmark": None,
        "profile": {},
        "strikes": [],
        "hold": null(),
        "facts": facts_of(machine, card),
        "address": machine.address,
        "created_at": now,
    }


def facts_of(machine: Machine, card: Card | None) -> dict[str, Any]:
    if card is None:
        return {"host": machine.hostname}
    return {"host": machine.hostname, "gpu": card.name, "vram_total_mib": round(card.vram_gib * 1024)}


def note(session: Session, token: JoinToken, machine: Machine, entered: Sequence[Joined]) -> None:
    audit.record(
        session,
        who=f"token {token.id} ({token.name})",
        address=machine.address,
        action="workers.join",
        target=", ".join(joined.name for joined in entered),
        values={"host": machine.hostname, "version": machine.version},
    )
