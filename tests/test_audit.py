"""Who changed what: kept whole where it may be, bounded and free of secrets everywhere."""

import csv
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from farm import audit
from farm.db import Begin, beginner
from farm.embedded import Servers
from farm.tables import Audit

SOMETHING = {"who": "owner", "address": "10.0.0.7", "action": "workers.drain", "target": "worker w1"}


def test_what_is_recorded_is_listed_with_the_newest_first(begin: Begin) -> None:
    with begin() as session:
        for number in range(5):
            audit.record(session, **SOMETHING, values={"number": number}, status=200)
    with begin() as session:
        newest = audit.listed(session, most=2)
        assert [row.values["number"] for row in newest] == [4, 3]
        older = audit.listed(session, before=newest[-1].id, most=9)
        assert [row.values["number"] for row in older] == [2, 1, 0]
        assert older[0].who == "owner"
        assert older[0].address == "10.0.0.7"


def test_an_entry_is_found_by_all_of_its_words_in_any_column_and_letter_case(begin: Begin) -> None:
    with begin() as session:
        audit.record(session, **SOMETHING, values={"reason": "100% 太热"}, status=200)
        audit.record(session, **SOMETHING | {"who": "mallory"}, status=403)

    def found(words: str) -> list[str]:
        with begin() as session:
            return [row.who for row in audit.listed(session, words=words)]

    assert found("") == ["mallory", "owner"]
    assert found("OWNER drain") == ["owner"]
    assert found("403") == ["mallory"]
    assert found("太热 100%") == ["owner"]
    assert found("1_0") == []
    assert found("owner mallory") == []
    assert found("\0") == ["mallory", "owner"]


@pytest.mark.parametrize("before", [-(10**30), 0, 10**30])
def test_a_page_that_cannot_be_is_empty_or_the_first(begin: Begin, before: int) -> None:
    with begin() as session:
        audit.record(session, **SOMETHING)
    with begin() as session:
        assert len(audit.listed(session, before)) == (before > 0)


def test_an_action_that_is_undone_leaves_no_entry(begin: Begin) -> None:
    def drain(session: Session) -> None:
        audit.record(session, **SOMETHING)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), begin() as session:
        drain(session)
    with begin() as session:
        assert audit.listed(session) == []


SECRETS = {
    "password": "correct horse",
    "new_password": "correct horse",
    "secret": "0123abcd",
    "csrf_token": "IjQ.x.y",
    "Authorization": "Bearer abcd",
}


def test_secrets_are_never_kept_however_they_are_called_and_wherever_they_lie(begin: Begin) -> None:
    given = {
        **SECRETS,
        "deep": [{"worker": {"broker_secret": "0123abcd"}}],
        "line": "curl https://host/join | sh -s -- fj1.cGlu-_x.0123abcd",
        "note": "I pasted vf_0123abcd here",
        "url": "rediss://farm:0123abcd@host:8602/0",
        "next": "/sign-in/0123abcd-x",
    }
    with begin() as session:
        audit.record(session, **SOMETHING | {"target": "vf_0123abcd"}, values=given)
    with begin() as session:
        row = audit.listed(session)[0]
        kept = json.dumps(audit.plain(row))
    for secret in ("correct horse", "0123abcd", "IjQ", "Bearer"):
        assert secret not in kept
    assert "rediss://***@host:8602/0" in kept
    assert set(given) == set(row.values)


def test_what_is_too_much_is_cut_and_says_so(begin: Begin) -> None:
    nested: Any = "x"
    for _ in range(100):
        nested = {"in": nested}
    given = {"ids": list(range(500)), "long": "长" * 10_000, "deep": nested}
    with begin() as session:
        audit.record(session, **SOMETHING, values=given)
    with begin() as session:
        values = audit.listed(session)[0].values
    assert values["ids"][-1] == "and 480 more"
    assert values["long"].endswith("长…")
    assert len(json.dumps(values, ensure_ascii=False)) < 1000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(anything)
def test_whatever_is_sent_becomes_small_json_that_postgresql_keeps(value: Any) -> None:
    kept = json.dumps(audit.bounded({"value": value}), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in kept
    kept.encode()
    assert len(kept) < 21**3 * (2 * audit.LONGEST)


def test_an_entry_that_the_database_refuses_is_told_whole_in_the_log_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = beginner("postgresql+psycopg://x:y@127.0.0.1:1/x")
    with caplog.at_level(logging.ERROR):
        audit.keep(nowhere, **SOMETHING, values={"password": "correct horse", "n": 7}, status=200)
    assert "workers.drain" in caplog.text
    assert '"n": 7' in caplog.text
    assert "correct horse" not in caplog.text


def test_csv_is_read_back_as_it_was_and_no_cell_is_a_formula(begin: Begin) -> None:
    hostile = {"who": "=HYPERLINK(1)", "address": "@SUM", "action": "-1+1", "target": 'a "b",\r\n书'}
    with begin() as session:
        audit.record(session, **hostile, values={"a": "+1"})
    content = "".join(audit.as_csv(begin))
    assert content.startswith("\ufeff")
    heading, row = csv.reader(io.StringIO(content[1:], newline=""))
    assert tuple(heading) == audit.COLUMNS
    cells = dict(zip(heading, row, strict=True))
    assert cells["who"] == "'=HYPERLINK(1)"
    assert cells["address"] == "'@SUM"
    assert cells["action"] == "'-1+1"
    assert cells["target"] == 'a "b",  书'
    assert json.loads(cells["values"]) == {"a": "+1"}
    assert all(not cell.startswith(("=", "+", "-", "@")) for cell in row)
    assert content.count("\n") == content.count("\r\n") == 2


def test_a_long_csv_is_read_in_short_transactions_and_misses_nothing(begin: Begin, servers: Servers) -> None:
    many = 2 * audit.READ_AT_ONCE + 1
    with begin() as session:
        session.execute(insert(Audit), [{**SOMETHING, "values": {}, "status": 200}] * many)
    opened = []

    @contextmanager
    def counted() -> Iterator[Session]:
        with begin() as session:
            opened.append(True)
            yield session
            opened.pop()

    seen = []
    for row in audit.rows(counted):
        assert opened == [], "no transaction is open while somebody downloads"
        seen.append(row.id)
    with begin() as session:
        assert session.scalar(select(func.count()).select_from(Audit)) == many
    assert seen == list(range(many, 0, -1))
