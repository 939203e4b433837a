"""Tallies: what is counted since the farm began, whichever process saw it; rare events only."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from farm.tables import Tally

LEASES_EXPIRED = "leases_expired"
FENCE_REFUSALS = "fence_refusals"
NAMES = (LEASES_EXPIRED, FENCE_REFUSALS)


def add(session: Session, name: str, count: int = 1) -> None:
    """Count; a row is locked until the transaction ends, so this is for what happens seldom."""
    statement = insert(Tally).values(name=name, value=count)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Tally.name], set_={"value": Tally.value + statement.excluded.value}
        )
    )


def read(session: Session) -> dict[str, int]:
    """Every tally, those of what never happened included."""
    found = dict(session.execute(select(Tally.name, Tally.value)).all())
    return {name: found.get(name, 0) for name in NAMES}
