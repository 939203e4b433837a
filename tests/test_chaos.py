"""The fault matrix in short: its promises of time are for `make chaos`, those of work hold here, too."""

import pytest

from tests.chaos.matrix import ROWS, Row, run
from tests.machines import needs_root

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SHORT = ("13", "14", "16", "17", "mixed")
"""The mixed row has the other faults in it."""
AS_ROOT = ("17",)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[needs_root] if row.number in AS_ROOT else [], id=row.fault)
        for row in ROWS
        if row.number in SHORT
    ],
)
def test_nothing_is_lost_or_doubled_by(row: Row) -> None:
    outcome = run(row, row.short)
    assert outcome.wrong == []
