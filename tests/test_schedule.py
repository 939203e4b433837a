"""A gaming PC works at night: hours of the wall clock, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm import schedule
from farm.errors import Rejected
from farm.schedule import DAYS, checked, next_change, works_at

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kathmandu"]

times = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
ranges = st.tuples(times, times | st.just("24:00")).filter(lambda pair: pair[0] != pair[1]).map(list)
hours = st.dictionaries(
    st.sampled_from(DAYS), st.lists(ranges, min_size=1, max_size=2), min_size=1, max_size=3
)
schedules = st.builds(
    lambda zone, hours: checked({"zone": zone, "hours": hours}), st.sampled_from(ZONES), hours
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def weekly(**hours: list[list[str]]) -> dict[str, Any]:
    return checked({"zone": "Europe/Berlin", "hours": hours})


def test_an_empty_schedule_means_always() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert works_at(checked({}), moment)
    assert next_change({}, moment) is None


def test_a_range_may_pass_midnight_and_the_end_of_the_week() -> None:
    night = weekly(sun=[["22:00", "07:00"]])
    assert not works_at(night, berlin("2026-03-01T21:59"))  # a Sunday
    assert works_at(night, berlin("2026-03-01T22:00"))
    assert works_at(night, berlin("2026-03-02T06:59"))
    assert not works_at(night, berlin("2026-03-02T07:00"))
    assert not works_at(night, berlin("2026-03-01T06:00"))
    assert next_change(night, berlin("2026-03-01T12:00")) == berlin("2026-03-01T22:00")
    assert next_change(night, berlin("2026-03-01T23:00")) == berlin("2026-03-02T07:00")


def test_the_whole_day_can_be_said_and_the_whole_week_never_changes() -> None:
    week = weekly(**{day: [["00:00", "24:00"]] for day in DAYS})
    assert works_at(week, berlin("2026-03-29T02:30"))
    assert next_change(week, berlin("2026-03-01T12:00")) is None


def test_an_hour_that_spring_skips_is_not_worked() -> None:
    early = weekly(sun=[["02:10", "02:20"]])
    assert next_change(early, berlin("2026-03-28T12:00")) == berlin("2026-04-05T02:10")
    until = weekly(sun=[["01:00", "02:30"]])  # the clock goes from 02:00 to 03:00
    assert next_change(until, berlin("2026-03-29T01:30")) == berlin("2026-03-29T03:00")


def test_an_hour_that_autumn_repeats_is_worked_twice() -> None:
    until = weekly(sun=[["01:00", "02:30"]])
    changes = [berlin("2026-10-25T00:30")]
    for _ in range(4):
        changes.append(next_change(until, changes[-1]) or changes[-1])
    assert changes[1:] == [
        berlin("2026-10-25T01:00"),
        berlin("2026-10-25T02:30"),
        berlin("2026-10-25T02:00", fold=1),
        berlin("2026-10-25T02:30", fold=1),
    ]


@given(schedules, moments)
def test_nothing_changes_before_the_next_change(plan: dict[str, Any], moment: datetime) -> None:
    change = next_change(plan, moment)
    now = works_at(plan, moment)
    if change is not None:
        assert change > moment
        assert works_at(plan, change) != now
    at = moment.replace(second=0, microsecond=0)
    until = change or moment + timedelta(days=8)
    while (at := at + timedelta(minutes=7)) < until:
        assert works_at(plan, at) == now


@given(schedules)
def test_what_was_checked_is_checked_again_unchanged(plan: dict[str, Any]) -> None:
    assert checked(plan) == plan


@pytest.mark.parametrize("day", DAYS)
def test_the_next_change_falls_on_clock_changes_of_any_zone(day: str) -> None:
    """Minute by minute over the days on which clocks are changed."""
    for zone in ZONES:
        plan = checked({"zone": zone, "hours": {day: [["01:37", "02:41"]], "sun": [["23:50", "02:03"]]}})
        for start in (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)):
            at, change = start, next_change(plan, start)
            for at in (start + timedelta(minutes=m) for m in range(1, 3 * schedule.DAY_M)):
                if works_at(plan, at) != works_at(plan, start):
                    assert change == at, (zone, at)
                    break


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "A schedule is"),
        ([], "A schedule is"),
        ({"zone": "UTC"}, "A schedule is"),
        ({"zone": "UTC", "hours": [], "extra": 1}, "A schedule is"),
        ({"zone": "UTC", "hours": {}}, "without hours"),
        ({"zone": "UTC", "hours": {"mon": []}}, "without hours"),
        ({"zone": "UTC", "hours": {"monday": [["01:00", "02:00"]]}}, "monday is no day"),
        ({"zone": "Mars/Olympus", "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone Mars"),
        ({"zone": "../etc/passwd", "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone"),
        ({"zone": "Europe", "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone"),
        ({"zone": "", "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone"),
        ({"zone": "a\0b", "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone"),
        ({"zone": "x" * 5000, "hours": {"mon": [["01:00", "02:00"]]}}, "no time zone"),
        ({"zone": "UTC", "hours": {"mon": "always"}}, "a list of at most"),
        ({"zone": "UTC", "hours": {"mon": [["01:00", "02:00"]] * 13}}, "at most 12"),
        ({"zone": "UTC", "hours": {"mon": [["1:00", "2:00"]]}}, "two times"),
        ({"zone": "UTC", "hours": {"mon": [["01:00", "25:00"]]}}, "two times"),
        ({"zone": "UTC", "hours": {"mon": [["01:00", 2]]}}, "two times"),
        ({"zone": "UTC", "hours": {"mon": [["01:00"]]}}, "two times"),
        ({"zone": "UTC", "hours": {"mon": [["01:00", "01:00"]]}}, "no range"),
        ({"zone": "UTC", "hours": {"mon": [["24:00", "01:00"]]}}, "no range"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(value: object, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        checked(value)
