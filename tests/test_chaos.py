"""The fault matrix in short: its promises of time are for `make chaos`, those of work hold here, too."""

import pytest

from tests.chaos.matrix import ROWS, Row, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SHORT = ("13", "14", "16", "17", "mixed")
"""The mixed row has the other faults in it."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.number in SHORT], ids=lambda row: row.fault)
def test_nothing_is_lost_or_doubled_by(row: Row) -> None:
    outcome = run(row, row.short)
    assert outcome.wrong == []
