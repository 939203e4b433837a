"""Figures as people read them: lengths, hours, sizes; the same in every template."""

from flask import Flask
from flask_babel import format_decimal, gettext

from dashboard.pages.weeks import week


def set_up(app: Flask) -> None:
    app.jinja_env.filters.update(
        clock=clock,
        hours=hours,
        roughly=roughly,
        percent=percent,
        size=size,
        number=number,
        times=times,
        gb=gb,
        week=week,
    )


def clock(seconds: float | None) -> str:
    """4.2 s, 3:07, 1:02:03; an en dash when there is no length yet."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def hours(seconds: float) -> str:
    return str(format_decimal(round(seconds / 3600, 1 if seconds < 360_000 else 0)))


def roughly(seconds: float) -> str:
    """A length nobody needs to the second: 40 s, 12 min, 2 h 10, 16 h."""
    if seconds < 60:
        return str(gettext("{n} s")).format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return str(gettext("{n} min")).format(n=minutes)
    whole, rest = divmod(round(minutes / 5) * 5, 60)
    if rest and whole < 10:
        return str(gettext("{h} h {m} min")).format(h=whole, m=rest)
    return str(gettext("{n} h")).format(n=round(minutes / 60))


def percent(share: float) -> str:
    """Never 100 before the end."""
    return f"{int(share * 100)} %"


def number(value: float) -> str:
    return str(format_decimal(value))


def times(speed: float) -> str:
    """As fast as it sounds: 0.4×, 5.6×, 41×. Written by hand: Babel takes long over hundreds of them."""
    return f"{round(speed, 1):g}×" if speed < 10 else f"{speed:,.0f}×"


def gb(mib: float) -> str:
    """Memory in GB: 5.6, 12, 141."""
    return f"{round(mib / 1024, 1):g}"


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
