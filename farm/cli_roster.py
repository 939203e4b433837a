"""Workers as the command line tells them: a table for people, JSON for scripts."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from farm.roster import Seen

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(seen: Seen) -> dict[str, Any]:
    """As the API tells it, in English."""
    row = seen.worker
    names = ("id", "name", "gpu_class", "engine", "version", "protocol", "desired", "at_once", "approved")
    more = ("ephemeral", "local", "tags", "projects", "schedule", "benchmark", "address")
    told = {name: getattr(row, name) for name in names + more}
    told |= {"word": seen.word, "why": str(seen.why), "speed": seen.speed, "facts": dict(seen.facts)}
    told["last_seen"] = row.last_seen and row.last_seen.isoformat()
    told["doing"] = seen.doing and texts(asdict(seen.doing))
    told["failed"] = [texts(asdict(mishap)) for mishap in seen.failed]
    told["kept_from"] = [
        {"project": kept.project, "title": kept.title, "reason": str(kept.reason)} for kept in seen.kept_from
    ]
    return told


def texts(values: dict[str, Any]) -> dict[str, Any]:
    """With moments as ISO 8601 has them."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()
    }


def lines(found: Sequence[Seen]) -> list[str]:
    """A table."""
    if not found:
        return ["No workers yet. `farm workers add NAME` prints the line that makes a machine one."]
    width = max(len(seen.worker.name) for seen in found)
    return [printable(f"{seen.worker.name:<{width}}  {row(seen)}") for seen in found]


def row(seen: Seen) -> str:
    speed = f"{seen.speed:.1f}x" if seen.speed else "-"
    doing = f"{seen.doing.title}, {seen.doing.segments} segments" if seen.doing else str(seen.why)
    return f"{seen.word:<11}  {seen.worker.gpu_class:<4} {speed:>7}  {doing}"


def details(seen: Seen) -> list[str]:
    row = seen.worker
    facts = {name: value for name, value in seen.facts.items() if value not in (None, "")}
    told = {
        "why": str(seen.why),
        "engine": row.engine,
        "tags": ", ".join(row.tags),
        "projects": ", ".join(map(str, row.projects)),
        "schedule": json.dumps(row.schedule) if row.schedule else "",
        "benchmark": f"{row.benchmark:.1f}x realtime" if row.benchmark else "",
        "facts": ", ".join(f"{name} {value}" for name, value in facts.items()),
    }
    said = [f"  {name:<10} {value}" for name, value in told.items() if value]
    said += [f"  kept from  {kept.project} {kept.title}: {kept.reason}" for kept in seen.kept_from]
    said += [
        f"  failed     {m.at:%F %T}  {m.title}: “{m.display}” {m.reason} ({m.kind})" for m in seen.failed
    ]
    return [printable(line) for line in said]


def printable(line: str) -> str:
    """Without what would steer a terminal: machines say what they like of themselves.

    >>> printable("gone\\x1b[2J \\x9b1m")
    'gone [2J  1m'
    """
    return CONTROL.sub(" ", line)
