"""The database: one engine a process, short transactions, errors in the farm's words."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, create_engine, func, literal, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from farm.errors import ServiceDown

Begin = Callable[[], AbstractContextManager[Session]]

now = func.clock_timestamp()
"""The database's clock, the only one leases know."""


@cache
def engine(url: str) -> Engine:
    return create_engine(url, pool_pre_ping=True, pool_size=8, max_overflow=24, pool_timeout=10)


def beginner(url: str) -> Begin:
    """Transactions on the database at `url`: commit at the end of the block, roll back on an exception.

    Raises ServiceDown when the database does not answer.
    """
    sessions = sessionmaker(engine(url), expire_on_commit=False)

    @contextmanager
    def begin() -> Iterator[Session]:
        try:
            with sessions.begin() as session:
                yield session
        except OperationalError as e:
            raise ServiceDown("The database does not answer: {reason}", reason=str(e.orig).strip()) from e

    return begin


def among(column: InstrumentedAttribute[int], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether `column` is one of `ids`, which travel as one array: IN with hundreds of parameters is slow."""
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def notify(session: Session, channel: str, payload: str = "") -> None:
    """Tell the listeners of `channel`, when this transaction commits."""
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


def plain(url: str) -> str:
    """The URL as psycopg reads it, without SQLAlchemy's driver."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
