"""The command line: `farm up`, `farm render BOOK -o OUT.m4b`, and what scripts ask of a farm."""

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import click

from farm import (
    audit,
    cli_directions,
    cli_machine,
    cli_models,
    cli_projects,
    cli_voices,
    cli_workers,
    doctor,
    embedded,
    progress,
    projects,
    roster,
    schema,
    supervisor,
    tls,
    users,
)
from farm.cli_roster import printable
from farm.console import Commands, acting, as_json, connected
from farm.db import beginner
from farm.progress import Progress
from farm.settings import Settings, inherited_environment, settings
from farm.tables import Project, ProjectState
from farm.up import GATE, NAMES, Running, beside, command, enrolled, farm_up

UNDERWAY = (ProjectState.RUNNING, ProjectState.PAUSED)


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
    with acting(config, "sign-in.invite") as session:
        token = users.sign_in_token(session, users.owner(session))
    return f"{config.dashboard_url}/sign-in/{token}"


@main.command()
@click.argument("name")
def token(name: str) -> None:
    """Print a new token for the JSON API; it is shown this once."""
    with acting(connected(settings()), "tokens.create", name) as session:
        made = users.api_token(session, users.owner(session), name)
    click.echo(made)


@main.command()
@as_json
def status(json_: bool) -> None:
    """Say in one word how the farm is, who works, what projects wait for, which processes run."""
    config = connected(settings())
    with beginner(config.database_url)() as session:
        farm = progress.of_farm(session)
        states = projects.counts(session)
        crew = Counter(seen.word for seen in roster.everyone(session))
        running = [project for project in projects.listed(session) if project.state in UNDERWAY]
        so_far = progress.of_projects(session, running)
    told = {
        "word": farm.word,
        "why": str(farm.why),
        "details": [str(message) for message in farm.details],
        "workers": farm.workers,
        "speed": round(farm.speed, 1),
        "crew": crew,
        "projects": states,
        "running": [underway(project, so_far[project.id]) for project in running],
        "processes": [asdict(process) for process in supervisor.processes(config.home)],
    }
    if json_:
        click.echo(json.dumps(told, default=str, ensure_ascii=False))
        return
    for line in in_lines(told):
        click.echo(printable(line))


def underway(project: Project, so_far: Progress) -> dict[str, Any]:
    """`soonest_s` and `latest_s` are seconds from now; `why`: what keeps it from being spoken."""
    return {
        "id": project.id,
        "title": project.title,
        "state": project.state,
        "share": round(so_far.share, 4),
        "soonest_s": so_far.soonest_s,
        "latest_s": so_far.latest_s,
        "why": [str(reason) for reason in so_far.reasons],
    }


def in_lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['word']}: {told['why']}  {told['workers']} workers, {told['speed']:.0f}x realtime"
    for line in told["details"]:
        yield f"  {line}"
    if told["crew"]:
        yield "workers: " + ", ".join(f"{count} {word}" for word, count in told["crew"].items())
    for project in told["running"]:
        yield f"{project['id']:>5}  {project['share']:>6.1%}  {project['state']:<8} {project['title']}"
        for reason in project["why"]:
            yield f"{'':16}{reason}"
    for process in told["processes"]:
        yield f"  {process['name']:<9} pid {process['pid']}  restarts {process['restarts']}"


@main.command("audit")
@click.option("--csv", "as_csv", is_flag=True, help="All of it, as CSV.")
@click.option("--most", default=20, type=click.IntRange(1, 10_000), help="How many of the last entries.")
@click.argument("words", nargs=-1)
@as_json
def tell_audit(as_csv: bool, most: int, words: tuple[str, ...], json_: bool) -> None:
    """Who changed what, when and from where: the last entries, or those that have all these WORDS."""
    begin = beginner(connected(settings()).database_url)
    sought = " ".join(words)
    if as_csv:
        for line in audit.as_csv(begin, sought):
            click.echo(line, nl=False)
        return
    with begin() as session:
        found = [audit.plain(row) for row in audit.listed(session, most=most, words=sought)]
    if json_:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for row in reversed(found):
        values = json.dumps(row["values"], ensure_ascii=False)
        click.echo(
            f"{row['at'][:19]}  {row['status']}  {row['who']}  {row['action']}  {row['target']}  {values}"
        )


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


for known in (
    *(cli_projects.render, cli_projects.list_projects, cli_projects.again, cli_directions.direct),
    *(cli_workers.workers, cli_models.models, cli_voices.voices_of_farm),
    *(cli_machine.join, cli_machine.work, cli_machine.leave),
):
    main.add_command(known)


if __name__ == "__main__":
    main()
