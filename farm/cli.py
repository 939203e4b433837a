"""The command line: `farm up`, `farm render BOOK -o OUT.m4b`, and what scripts ask of a farm."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from farm import (
    cli_machine,
    doctor,
    embedded,
    oneshot,
    progress,
    projects,
    schema,
    supervisor,
    tls,
    users,
    voices,
)
from farm.db import beginner
from farm.errors import FarmError, ServiceDown
from farm.settings import Settings, inherited_environment, settings
from farm.storage.opening import store_of
from farm.tables import Project
from farm.up import GATE, NAMES, Running, as_running, beside, command, enrolled, farm_up

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for scripts.")
RENDERING = tuple(name for name in NAMES if name != "web")


def connected(config: Settings) -> Settings:
    """The settings with the servers of the farm that runs. Raises ServiceDown when none does."""
    config = as_running(config)
    if config.database_url:
        return config
    servers = embedded.running(config.home)
    if servers is None:
        raise ServiceDown("No farm runs at {home}. Start one with `farm up`.", home=str(config.home))
    return replace(config, database_url=servers.database_url, broker_url=servers.broker_url)


@contextmanager
def some_farm(config: Settings) -> Iterator[Settings]:
    """The farm that runs, or a private one for as long as the block lasts."""
    if config.database_url or embedded.running(config.home):
        yield connected(config)
        return
    with farm_up(replace(config, api_port=0), RENDERING) as running:
        yield running.settings


def speaks_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A farm error is one sentence on stderr and exit status 1; Ctrl-C is 130."""

    @wraps(function)
    def spoken(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except FarmError as e:
            click.echo(f"farm: {e}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("farm: stopped. Nothing is lost: the same command goes on from here.", err=True)
            sys.exit(130)

    return spoken


class Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        return speaks_plainly(super().invoke)(ctx)


@click.group(cls=Commands)
@click.version_option(package_name="voicefarm")
def main() -> None:
    """Voicefarm turns manuscripts into audiobooks and courses."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


@main.command()
@click.option(
    "--listen",
    is_flag=False,
    flag_value="0.0.0.0",
    metavar="[ADDRESS]",
    help="Let other machines in, over TLS: at ADDRESS, or at all of this machine's.",
)
def up(listen: str | None) -> None:
    """Start the farm and print where its dashboard is."""
    config = settings()
    with farm_up(replace(config, host=listen, tls=True) if listen else config) as running:
        click.echo(f"The farm is up. Its home is {running.settings.home}")
        if running.settings.tls:
            click.echo(f"A browser asks once whether this certificate is right: {own_fingerprint(running)}")
        click.echo(f"Sign in (once, within 12 hours): {new_link(running.settings)}")
        click.echo("Ctrl-C stops it; nothing is lost.")
        sys.stdout.flush()
        running.supervisor.wait()
    click.echo("The farm has stopped.")


def own_fingerprint(running: Running) -> str:
    return tls.fingerprint(tls.identity(running.settings).certificate.read_bytes())


@main.command()
def link() -> None:
    """Print a new one-time sign-in link."""
    click.echo(new_link(connected(settings())))


def new_link(config: Settings) -> str:
    with beginner(config.database_url)() as session:
        token = users.sign_in_token(session, users.owner(session))
    return f"{config.dashboard_url}/sign-in/{token}"


@main.command()
@click.argument("name")
def token(name: str) -> None:
    """Print a new token for the JSON API; it is shown this once."""
    with beginner(connected(settings()).database_url)() as session:
        click.echo(users.api_token(session, users.owner(session), name))


@main.command()
@click.argument("book", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The M4B (or a course's zip)."
)
@click.option(
    "--course", is_flag=True, help="The files are lessons; the result is a zip of MP3, SRT and VTT."
)
@click.option(
    "--chapters", default="", help="Which chapters, by number: 1-3,7. Default: what the review would tick."
)
@click.option("--voice", type=click.Choice([voice.name for voice in voices.PRESETS]), help="Who narrates.")
@click.option(
    "--dialogue", type=click.Choice([voice.name for voice in voices.PRESETS]), help="Who speaks quotes."
)
@click.option("--language", type=click.Choice(projects.LANGUAGES), help="Default: as read.")
@click.option("--encoding", help="Of a text file, where the guess is wrong.")
@click.option("--title", help="Default: as read.")
@click.option("--author", help="Default: as read.")
@as_json
def render(
    book: tuple[Path, ...],
    out: Path,
    course: bool,
    chapters: str,
    voice: str | None,
    dialogue: str | None,
    language: str | None,
    encoding: str | None,
    title: str | None,
    author: str | None,
    json_: bool,
) -> None:
    """Turn BOOK into an audiobook, on the running farm or a private one; after Ctrl-C it resumes."""
    started = time.monotonic()
    cast = {"narrator": voice or "narrator", "dialogue": dialogue}
    changes = {
        "language": language,
        "title": title,
        "author": author,
        "cast": cast if voice or dialogue else None,
    }
    request = oneshot.Request(
        tuple(path.absolute() for path in book),
        kind="course" if course else "book",
        engine=settings().engine.partition(":")[0],
        encoding=encoding,
        chapters=numbers(chapters),
        changes={name: value for name, value in changes.items() if value},
    )
    with some_farm(settings()) as config, bar(json_) as watch:
        made = oneshot.render(beginner(config.database_url), store_of(config), request, out.absolute(), watch)
    took = time.monotonic() - started
    if json_:
        click.echo(json.dumps({"files": [str(path) for path in made], "seconds": round(took, 1)}))
    for path in [] if json_ else made:
        click.echo(f"{path}  ({path.stat().st_size / 2**20:.1f} MiB, made in {took:.0f} s)")


def numbers(text: str) -> tuple[int, ...]:
    """Chapter numbers.

    >>> numbers("1-3,7")
    (1, 2, 3, 7)
    """
    chosen: list[int] = []
    try:
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            chosen += range(int(first), int(last or first) + 1)
    except ValueError as e:
        raise click.BadParameter(f"{text} is not like 1-3,7", param_hint="--chapters") from e
    return tuple(chosen)


@contextmanager
def bar(quiet: bool) -> Iterator[oneshot.Watch]:
    """A progress bar on stderr: hours done, chapters done, time passed."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[says]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as shown:
        task = shown.add_task("starting", total=1.0, says="")

        def watch(project: Project, now: progress.Progress) -> None:
            mastered = sum(part.mastered for part in now.strip)
            says = (
                f"{now.done_s / 3600:.2f} of {now.total_s / 3600:.2f} h, {mastered}/{len(now.strip)} chapters"
            )
            shown.update(
                task, completed=now.share, description=f"{project.title[:32]} {project.state}", says=says
            )

        yield watch


@main.command("projects")
@as_json
def list_projects(json_: bool) -> None:
    """List the projects and how far they are."""
    with beginner(connected(settings()).database_url)() as session:
        found = projects.listed(session)
        known = progress.of_projects(session, found)
    rows = [
        {"id": p.id, "title": p.title, "state": p.state, "share": round(known[p.id].share, 4)} for p in found
    ]
    if json_:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['id']:>5}  {row['share']:>6.1%}  {row['state']:<10} {row['title']}")


@main.command()
@as_json
def status(json_: bool) -> None:
    """Say in one word how the farm is, and which processes run."""
    config = connected(settings())
    with beginner(config.database_url)() as session:
        farm = progress.of_farm(session)
        states = projects.counts(session)
    running = [asdict(process) for process in supervisor.processes(config.home)]
    if json_:
        said = {
            "word": farm.word,
            "why": str(farm.why),
            "workers": farm.workers,
            "speed": round(farm.speed, 1),
        }
        click.echo(json.dumps({**said, "projects": states, "processes": running}, default=str))
        return
    click.echo(f"{farm.word}: {farm.why}  {farm.workers} workers, {farm.speed:.0f}x realtime")
    for process in running:
        click.echo(f"  {process['name']:<9} pid {process['pid']}  restarts {process['restarts']}")


@main.command("doctor")
@click.option("--worker", is_flag=True, help="Look at what this machine's workers need instead.")
@as_json
def examine(worker: bool, json_: bool) -> None:
    """Look at each part of the farm; say what is wrong and the remedy."""
    config = settings()
    if worker:
        sys.exit(0 if cli_machine.examine(config, json_) else 1)
    with_servers = connected(config) if config.database_url or embedded.running(config.home) else config
    findings = list(doctor.examine(with_servers))
    if json_:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    for finding in [] if json_ else findings:
        click.echo(str(finding))
    sys.exit(0 if all(finding.well for finding in findings) else 1)


@main.command()
def migrate() -> None:
    """Bring the database's schema to this version."""
    schema.migrate(connected(settings()).database_url)


@main.command("process")
@click.argument("name", type=click.Choice((*NAMES, GATE)))
def become(name: str) -> None:
    """Become one of the farm's processes (what the Procfile runs)."""
    config = connected(settings())
    if name == "render":
        config = enrolled(config if config.api_url else beside(config))
    arguments = command(name, config)
    os.execve(arguments[0], arguments, {**inherited_environment(), **config.environment()})


for command_of_a_machine in (cli_machine.join, cli_machine.work, cli_machine.leave):
    main.add_command(command_of_a_machine)


if __name__ == "__main__":
    main()
