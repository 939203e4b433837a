"""The audit: who changed what, when and from where, refused attempts too. Its rows stay, unaltered."""

import csv
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from farm.db import Begin
from farm.errors import FarmError
from farm.tables import Audit

log = logging.getLogger(__name__)

PAGE = 100
LARGEST_ID = 2**63 - 1
READ_AT_ONCE = 500
LONGEST = 200  # characters of a text
MOST_ITEMS = 20  # of a list or a table
DEEPEST = 3
HIDDEN = "***"
COLUMNS = ("id", "at", "who", "address", "action", "target", "status", "values")

_SECRET_NAME = re.compile(r"pass(word|phrase)|secret|token|csrf|credential|authorization|cookie", re.I)
_SECRET = re.compile(r"\b(vf_|fj1\.)[\w.-]+|(?<=://)[^/@\s]+(?=@)|(?<=/sign-in/)[\w-]+")
_UNKEPT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def record(
    session: Session,
    *,
    who: str,
    address: str,
    action: str,
    target: str = "",
    values: Mapping[str, Any] | None = None,
    status: int = 200,
) -> None:
    """Remember an action, in the caller's transaction. Whatever is given is bounded, and stripped of secrets.

    `action` is `noun.verb`; `status` is the answer's, as HTTP has it.
    """
    words = {"who": who, "address": address, "action": action, "target": target}
    session.add(
        Audit(
            **{name: text(word) for name, word in words.items()}, values=bounded(values or {}), status=status
        )
    )


def keep(begin: Begin, **entry: Any) -> None:
    """`record` in a transaction of its own, after the action; what the database refuses goes to the log.

    Failing an action that is done would only make people do it twice.
    """
    try:
        with begin() as session:
            record(session, **entry)
    except (FarmError, SQLAlchemyError):
        said = json.dumps(bounded(entry), ensure_ascii=False)
        log.exception("The audit could not be written; this is what it would say: %s", said)


def text(given: object) -> str:
    """A text as it may be kept: no secret, no control character, `LONGEST` characters at most.

    >>> text("redis://farm:pa55@host  fj1.abc-d.0123 vf_x\\0")
    'redis://***@host  *** *** '
    """
    plain = _UNKEPT.sub(" ", _SECRET.sub(HIDDEN, str(given)[: 2 * LONGEST]))
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def bounded(value: Any, depth: int = DEEPEST) -> Any:
    """JSON that is small, storable and free of secrets.

    >>> bounded({"name": "w1", "password": "x", "tags": ["a"] * 30, "speed": float("nan")})["password"]
    '***'
    """
    match value:
        case None | bool():
            return value
        case int() | float() if abs(value) < 1e15:  # neither NaN nor infinite, and exact in JSON
            return value
        case Mapping() if depth:
            named = list(value.items())[:MOST_ITEMS]
            return {text(key): kept(str(key), item, depth - 1) for key, item in named} | rest(value)
        case list() | tuple() | set() if depth:
            return [*(bounded(item, depth - 1) for item in list(value)[:MOST_ITEMS]), *rest(value).values()]
    return text(value if isinstance(value, str) else type(value).__name__)


def rest(items: Sized) -> dict[str, str]:
    """How many were left out."""
    left = len(items) - MOST_ITEMS
    return {"…": f"and {left} more"} if left > 0 else {}


def kept(name: str, value: Any, depth: int) -> Any:
    return HIDDEN if _SECRET_NAME.search(name) else bounded(value, depth)


def listed(session: Session, before: int | None = None, most: int = PAGE, words: str = "") -> list[Audit]:
    """The newest first: those older than row `before`, that hold every word of `words`."""
    said = func.concat_ws(
        " ", Audit.who, Audit.address, Audit.action, Audit.target, Audit.status, cast(Audit.values, Text)
    )
    statement = select(Audit).order_by(Audit.id.desc()).limit(most)
    if before is not None:
        statement = statement.where(Audit.id < max(0, min(before, LARGEST_ID)))
    for word in text(words).split():
        statement = statement.where(said.icontains(word, autoescape=True))
    return list(session.scalars(statement))


def rows(begin: Begin, words: str = "") -> Iterator[Audit]:
    """All of `listed`, in short transactions: whoever downloads it slowly keeps none open."""
    before = None
    while True:
        with begin() as session:
            found = listed(session, before, READ_AT_ONCE, words)
        yield from found
        if len(found) < READ_AT_ONCE:
            return
        before = found[-1].id


def plain(row: Audit) -> dict[str, Any]:
    """A row by `COLUMNS`, as JSON has it."""
    return {name: getattr(row, name) for name in COLUMNS} | {"at": row.at.isoformat()}


def as_csv(begin: Begin, words: str = "") -> Iterator[str]:
    """RFC 4180 with a heading, a piece at a time; the byte order mark is how spreadsheets know UTF-8."""
    yield "\ufeff" + line(COLUMNS)
    for row in rows(begin, words):
        yield line(plain(row).values())


def line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([defused(cell) for cell in cells])
    return written.getvalue()


def defused(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> defused("=1+1"), defused("w1")
    ("'=1+1", 'w1')
    """
    said = json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict) else str(cell)
    return f"'{said}" if said.startswith(("=", "+", "-", "@", "\t", "\r")) else said
