"""The command line of directions: `farm direct`, and how a direction is typed."""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

import click

from farm import casts, directing, directions
from farm.cli_roster import printable
from farm.console import acting, as_json, connected
from farm.engine import EMOTIONS
from farm.settings import settings
from farm.tables import Project

TEXTS = ("words", "like")


def parsed(said: Iterable[str]) -> dict[str, Any]:
    """A direction typed as NAME=VALUE; an emotion is its name.

    >>> parsed(["pace=0.9", "angry=0.6", "words=低声"])
    {'pace': 0.9, 'emotion': {'angry': 0.6}, 'words': '低声'}
    """
    found: dict[str, Any] = {}
    for part in said:
        name, equals, value = part.partition("=")
        if not equals or name not in (*directions.CHECKS.keys() - {"emotion"}, *EMOTIONS):
            names = ", ".join((*(known for known in directions.CHECKS if known != "emotion"), *EMOTIONS))
            raise click.UsageError(f"{part} is not NAME=VALUE with one of: {names}")
        into = found.setdefault("emotion", {}) if name in EMOTIONS else found
        try:
            into[name] = value if name in TEXTS else float(value)
        except ValueError as e:
            raise click.UsageError(f"{part}: {value} is not a number") from e
    return found


def of_roles(typed: Sequence[str]) -> dict[str, Any]:
    """Role -> its direction, typed as "ROLE NAME=VALUE …".

    >>> of_roles(["dialogue words='low voice' pace=1.1"])
    {'dialogue': {'words': 'low voice', 'pace': 1.1}}
    """
    try:
        parts = [shlex.split(each) for each in typed]
    except ValueError as e:
        raise click.UsageError(f"--direct: {e}") from e
    return {role: parsed(said) for role, *said in (each for each in parts if each)}


def warn(found: Iterable[object]) -> None:
    for warning in found:
        click.echo(printable(f"farm: {warning}"), err=True)


@click.command()
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@click.argument("said", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--as-role", is_flag=True, help="Speak it as its role is spoken again.")
@click.option("--plain", is_flag=True, help="Speak it without direction, whatever its role's is.")
@as_json
def direct(number: int, said: tuple[str, ...], as_role: bool, plain: bool, json_: bool) -> None:
    """Say how segment NUMBER is to be spoken; a new take is made.

    pace (0.5 to 2), seconds (exactly so many), intensity (0.5 to 2), words ("in a low voice"), like (a
    recording whose emotion is taken) with strength (0 to 1), and weights (0 to 1) of happy, angry, sad,
    afraid, disgusted, melancholic, surprised, calm. As in: farm direct 12 sad=0.6 pace=0.9
    """
    if sum((bool(said), as_role, plain)) != 1:
        raise click.UsageError("Say how, as in sad=0.6 pace=0.9, or --as-role, or --plain.")
    wanted = None if as_role else parsed(said)
    with acting(
        connected(settings()), "chapters.direct_segment", f"segment {number}", **(wanted or {})
    ) as session:
        segment = directing.direct(session, number, wanted)
        project = session.get_one(Project, segment.project_id)
        warnings = [str(each) for each in directing.warnings(session, project, segment)]
        own = None if segment.direction is None else casts.told(session, [segment.direction])[0]
    if json_:
        told = {"segment": number, "state": segment.state, "direction": own, "warnings": warnings}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    warn(warnings)
    how = "as its role is" if own is None else json.dumps(own, ensure_ascii=False)
    click.echo(printable(f"Segment {number} is spoken so: {how} ({segment.state})"))
