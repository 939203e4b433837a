"""A worker's hours in words, as short as they can be said."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from babel.dates import get_day_names
from flask_babel import get_locale, gettext

from farm.schedule import DAYS


def week(schedule: Mapping[str, Any]) -> str:
    """Mon–Fri 22:00–07:00, Sat–Sun 00:00–24:00 (Europe/Berlin)."""
    if not schedule:
        return str(gettext("always"))
    hours = schedule["hours"]
    runs = [list(run) for _, run in groupby(range(7), key=lambda day: hours.get(DAYS[day], []))]
    said = [f"{days(run)} {ranges(hours[DAYS[run[0]]])}" for run in runs if hours.get(DAYS[run[0]])]
    return f"{', '.join(said)} ({schedule['zone']})"


def days(run: list[int]) -> str:
    if len(run) == len(DAYS):
        return str(gettext("every day"))
    names = get_day_names("abbreviated", locale=get_locale())
    return names[run[0]] if len(run) == 1 else f"{names[run[0]]}–{names[run[-1]]}"


def ranges(of_day: list[list[str]]) -> str:
    return ", ".join(f"{start}–{end}" for start, end in of_day)
