"""The weekly hours of a worker, as {"zone": "Europe/Berlin", "hours": {"mon": [["22:00", "07:00"]]}}.

An empty schedule means always. Hours are of the wall clock: a range may pass midnight, and what the clock
skips or repeats in spring and autumn is skipped and repeated.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from farm.errors import Rejected

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_M = 24 * 60
WEEK_M = 7 * DAY_M
MOST_RANGES = 12  # a day
LOOKAHEAD_DAYS = 15  # a range that spring skips comes a week later
TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def checked(value: object) -> dict[str, Any]:
    """The schedule in its plainest form: days in order, none empty. Raises Rejected."""
    if value == {}:
        return {}
    if not isinstance(value, dict) or set(value) != {"zone", "hours"} or not isinstance(value["hours"], dict):
        raise Rejected(
            'A schedule is {{}} or {{"zone": "Europe/Berlin", "hours": {{"mon": [["22:00", "07:00"]]}}}}.'
        )
    if unknown := [str(day) for day in value["hours"] if day not in DAYS]:
        raise Rejected("{day} is no day. Days are: {days}.", day=unknown[0][:20], days=", ".join(DAYS))
    hours = {day: ranges_of(day, value["hours"][day]) for day in DAYS if value["hours"].get(day)}
    if not hours:
        raise Rejected(
            "A schedule without hours never works. Name some, or leave the schedule out for always."
        )
    return {"zone": zone_of(value["zone"]), "hours": hours}


def zone_of(name: object) -> str:
    try:
        return ZoneInfo(str(name)).key
    except (KeyError, ValueError, OSError) as e:
        raise Rejected(
            "There is no time zone {name}. Write one as in Europe/Berlin.", name=str(name)[:60]
        ) from e


def ranges_of(day: str, ranges: object) -> list[list[str]]:
    if not isinstance(ranges, list) or len(ranges) > MOST_RANGES:
        raise Rejected("The hours of {day} are a list of at most {most} ranges.", day=day, most=MOST_RANGES)
    return sorted(range_of(day, item) for item in ranges)


def range_of(day: str, item: object) -> list[str]:
    if not isinstance(item, list | tuple) or len(item) != 2 or not all(is_time(text) for text in item):
        raise Rejected("A range of {day} is two times, as in 22:00 and 07:00.", day=day)
    start, end = item
    if start in (end, "24:00"):
        raise Rejected(
            "{start} to {end} on {day} is no range. The whole day is 00:00 to 24:00.",
            start=start,
            end=end,
            day=day,
        )
    return [start, end]


def is_time(text: object) -> bool:
    return isinstance(text, str) and TIME.fullmatch(text) is not None


def minutes(text: str) -> int:
    """
    >>> minutes("22:30")
    1350
    """
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def week(schedule: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Each range in minutes since Monday 00:00; its end may lie in the next week.

    >>> list(week({"hours": {"tue": [["22:00", "07:00"]]}}))
    [(2760, 3300)]
    """
    for day, ranges in schedule["hours"].items():
        midnight = DAYS.index(day) * DAY_M
        for first, last in ranges:
            start, end = minutes(first), minutes(last)
            yield midnight + start, midnight + (end if end > start else end + DAY_M)


def works_at(schedule: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a worker works then. `moment` is aware."""
    if not schedule:
        return True
    local = moment.astimezone(ZoneInfo(schedule["zone"]))
    minute = local.weekday() * DAY_M + local.hour * 60 + local.minute
    return any((minute - start) % WEEK_M < end - start for start, end in week(schedule))


def next_change(schedule: Mapping[str, Any], moment: datetime) -> datetime | None:
    """When `works_at` is next another; None when it never is. In UTC."""
    if not schedule:
        return None
    before = works_at(schedule, moment)
    moments = sorted(instant for instant in instants(schedule, moment) if instant > moment)
    return next((instant for instant in moments if works_at(schedule, instant) != before), None)


def instants(schedule: Mapping[str, Any], moment: datetime) -> Iterator[datetime]:
    """Every instant near `moment` at which the answer may change, in UTC."""
    zone = ZoneInfo(schedule["zone"])
    edges = sorted({edge % DAY_M for span in week(schedule) for edge in span})
    midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for days in range(LOOKAHEAD_DAYS):
        day = midnight + timedelta(days=days)
        # Clocks are changed on a quarter of an hour; on that day every quarter is looked at.
        changed = day.utcoffset() != (day + timedelta(days=1)).utcoffset()
        for minute in [*edges, *(range(0, DAY_M, 15) if changed else [])]:
            wall = day + timedelta(minutes=minute)
            yield from {wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
