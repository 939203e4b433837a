"""The command line of workers: who they are, what they are to do, what machines join with."""

import difflib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import click
from sqlalchemy.orm import Session

from farm import blocks, joining, protocol, roster, schedule, steering, tls
from farm.cli_roster import details, lines, plain
from farm.console import acting, as_json, connected
from farm.db import beginner
from farm.errors import NotFound
from farm.gpu import CLASSES
from farm.messages import Message
from farm.settings import settings
from farm.tables import Desired

now = click.option("--now", "at_once", is_flag=True, help="Give the batch back; not after it, but now.")
of_worker = click.argument("name")
WEEK = "mon-fri=22:00-07:00"


def looking() -> AbstractContextManager[Session]:
    return beginner(connected(settings()).database_url)()


def changing(action: str, name: str, **values: Any) -> AbstractContextManager[Session]:
    return acting(connected(settings()), f"workers.{action}", f"worker {name}", **values)


def worker_id(session: Session, name: str) -> int:
    """Raises NotFound, with the name that is nearest."""
    known = {called: id for id, called in roster.names(session).items()}
    if name in known:
        return known[name]
    if not known:
        raise NotFound("There is no worker {name}; this farm has none yet.", name=name)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
    raise NotFound("There is no worker {name}. Did you mean {nearest}?", name=name, nearest=nearest)


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def workers(context: click.Context, json_: bool) -> None:
    """List the workers; the commands below tell them what to do."""
    if context.invoked_subcommand is not None:
        return
    with looking() as session:
        found = roster.seen(session, roster.everyone(session))
    if json_:
        click.echo(json.dumps([plain(seen) for seen in found], ensure_ascii=False))
        return
    for line in lines(found):
        click.echo(line)


@workers.command()
@of_worker
@as_json
def show(name: str, json_: bool) -> None:
    """Tell all of a worker, its last failures included."""
    with looking() as session:
        seen = roster.one(session, worker_id(session, name))
    if json_:
        click.echo(json.dumps(plain(seen), ensure_ascii=False))
        return
    for line in [*lines([seen]), *details(seen)]:
        click.echo(line)


@workers.command()
@of_worker
@click.option("--tag", "tags", multiple=True, help="Projects can ask for it. May be said again.")
@click.option("--project", "allowed", multiple=True, type=int, metavar="ID", help="Serve only this one.")
@click.option("--engine", default="", help="What it speaks with. Default: as this farm.")
@click.option("--class", "gpu_class", type=click.Choice(sorted(CLASSES)), help="Default: by its card.")
@click.option("--approval/--no-approval", default=None, help="Whether a person lets it in after it joined.")
@click.option("--reusable", default=1, type=click.IntRange(1, 10_000), metavar="N", help="For N machines.")
@click.option("--ephemeral", is_flag=True, help="Forget its workers when they stay away.")
@click.option("--hours", default=1.0, type=click.FloatRange(0.01, 24 * 30), help="How long the line is good.")
@as_json
def add(
    name: str,
    tags: tuple[str, ...],
    allowed: tuple[int, ...],
    engine: str,
    gpu_class: str | None,
    approval: bool | None,
    reusable: int,
    ephemeral: bool,
    hours: float,
    json_: bool,
) -> None:
    """Define the worker NAME and print the one line to run on its machine. The line is shown this once."""
    config = connected(settings())
    wanted: dict[str, Any] = {
        "engine": engine or config.engine,
        "gpu_class": gpu_class or "",
        "tags": tags,
        "projects": allowed,
        "approval": config.approve_workers if approval is None else approval,
        "ephemeral": ephemeral,
        "most_uses": reusable,
        "lives_s": hours * 3600,
    }
    with acting(config, "join-tokens.create", f"worker {name}", **wanted) as session:
        secret = joining.define(session, name=name, **wanted)
    token = protocol.written(tls.own_pin(config), secret)
    line = tls.joining_line(config, token)
    click.echo(json.dumps({"name": name, "token": token, "line": line}) if json_ else line)


def wish(desired: Desired, says: str) -> None:
    @workers.command(desired.value, help=says)
    @of_worker
    @now
    def told(name: str, at_once: bool) -> None:
        with changing("wish", name, desired=desired.value, at_once=at_once) as session:
            steering.wish(session, worker_id(session, name), desired, at_once=at_once)


wish(Desired.RUN, "Let a worker work again.")
wish(Desired.DRAIN, "Let a worker end its batch and take no more work.")
wish(Desired.SLEEP, "Let a worker's engine go, so that its card is free; it keeps listening.")
wish(Desired.MAINTENANCE, "Keep a worker from work while you work on its machine.")
wish(Desired.STOP, "End a worker's process.")


def step(does: Callable[[Session, int], Any], verb: str, says: str) -> None:
    @workers.command(verb, help=says)
    @of_worker
    def told(name: str) -> None:
        with changing(verb, name) as session:
            does(session, worker_id(session, name))


step(steering.approve, "approve", "Let a worker in that has joined and waits.")
step(steering.release, "release", "Let a worker work again that the farm keeps from work.")
step(steering.forget, "forget", "Delete a worker that was revoked or lost.")


@workers.command()
@of_worker
@click.option("--yes", is_flag=True, required=True, help="It may never come back; say that you mean it.")
def revoke(name: str, yes: bool) -> None:
    """End a worker for ever: its secret, its access to the broker, its leases, at once."""
    with changing("revoke", name) as session:
        steering.revoke(session, worker_id(session, name))


@workers.command()
@of_worker
@click.argument("tags", nargs=-1)
def tag(name: str, tags: tuple[str, ...]) -> None:
    """Give a worker these TAGS instead of those it has; none: none."""
    with changing("edit", name, tags=tags) as session:
        steering.describe(session, worker_id(session, name), tags=tags)


@workers.command("schedule")
@of_worker
@click.argument("hours", nargs=-1)
@click.option("--zone", help="As in Europe/Berlin. Default: the one it has.")
@click.option("--always", is_flag=True, help="Let it work at any hour.")
def set_schedule(name: str, hours: tuple[str, ...], zone: str | None, always: bool) -> None:
    """Say in which HOURS of the week a worker works, as in mon-fri=22:00-07:00 sat=00:00-24:00."""
    if always == bool(hours):
        raise click.UsageError(f"Say hours, as in {WEEK}, or --always.")
    with changing("edit", name, schedule=hours, zone=zone) as session:
        found = worker_id(session, name)
        usual = roster.one(session, found).worker.schedule.get("zone", "UTC")
        week = {"zone": zone or usual, "hours": weekly(hours)} if hours else {}
        steering.describe(session, found, schedule=schedule.checked(week))


def weekly(hours: Sequence[str]) -> dict[str, list[list[str]]]:
    """
    >>> weekly(["fri-sat=22:00-07:00", "sat=12:00-13:00"])
    {'fri': [['22:00', '07:00']], 'sat': [['22:00', '07:00'], ['12:00', '13:00']]}
    """
    week: dict[str, list[list[str]]] = {}
    for text in hours:
        days, _, times = text.partition("=")
        start, _, end = times.partition("-")
        for day in week_days(days):
            week.setdefault(day, []).append([start, end])
    return week


def week_days(text: str) -> list[str]:
    """
    >>> week_days("sat-mon"), week_days("wed")
    (['sat', 'sun', 'mon'], ['wed'])
    """
    first, _, last = text.partition("-")
    if first not in schedule.DAYS or (last or first) not in schedule.DAYS:
        raise click.BadParameter(f"{text} is no day. Write as in {WEEK}", param_hint="HOURS")
    start, end = schedule.DAYS.index(first), schedule.DAYS.index(last or first)
    return [schedule.DAYS[day % 7] for day in range(start, end + 1 + 7 * (end < start))]


@workers.command()
@click.option(
    "--revoke", "revoked", type=int, metavar="ID", help="Let no further machine join with this one."
)
@as_json
def tokens(revoked: int | None, json_: bool) -> None:
    """List what machines can still join with."""
    if revoked is not None:
        with acting(connected(settings()), "join-tokens.revoke", f"token {revoked}") as session:
            joining.revoke_token(session, revoked)
    names = (
        "id",
        "name",
        "engine",
        "gpu_class",
        "tags",
        "projects",
        "approval",
        "ephemeral",
        "uses",
        "most_uses",
    )
    with looking() as session:
        found = [
            {name: getattr(row, name) for name in names} | {"expires_at": row.expires_at.isoformat()}
            for row in joining.tokens(session)
        ]
    if json_:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for row in found:
        used = f"{row['uses']}/{row['most_uses']} used"
        click.echo(f"{row['id']:>4}  {row['name']:<20}  {used}  until {row['expires_at']}")


@workers.command()
@of_worker
@click.argument("project", type=int)
@click.option("--reason", default="", help="What the project's page says about it.")
def block(name: str, project: int, reason: str) -> None:
    """Keep a worker from a project; what it has in hand of it is taken back."""
    why = Message("{reason}", {"reason": reason}) if reason.strip() else Message("A person blocked it.")
    target = f"project {project}, worker {name}"
    with acting(connected(settings()), "blocks.create", target, reason=reason) as session:
        blocks.block(session, project, worker_id(session, name), why)


@workers.command()
@of_worker
@click.argument("project", type=int)
def unblock(name: str, project: int) -> None:
    """Let a worker serve a project again."""
    target = f"project {project}, worker {name}"
    with acting(connected(settings()), "blocks.delete", target) as session:
        blocks.unblock(session, project, worker_id(session, name))
