"""The command line: `farm up`, `farm render BOOK -o OUT.m4b`, and what scripts ask of a farm."""

import json
import logging
import os
import sys
from dataclasses import asdict, replace

import click

from farm import (
    cli_machine,
    cli_projects,
    doctor,
    embedded,
    progress,
    projects,
    schema,
    supervisor,
    tls,
    users,
)
from farm.console import Commands, acting, as_json, connected
from farm.db import beginner
from farm.settings import Settings, inherited_environment, settings
from farm.up import GATE, NAMES, Running, beside, command, enrolled, farm_up


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


for known in (
    *(cli_projects.render, cli_projects.list_projects),
    *(cli_machine.join, cli_machine.work, cli_machine.leave),
):
    main.add_command(known)


if __name__ == "__main__":
    main()
