"""The command line of a machine that helps a farm: join, work, leave."""

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from farm import enrolment, machine, machine_doctor, systemd
from farm.readiness import Candidate, await_approval
from farm.settings import Settings, settings


def say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


@click.command()
@click.argument("url")
@click.argument("token")
@click.option("--name", default="", help="What this machine is called. Default: its host name.")
@click.option(
    "--gpu", "gpus", multiple=True, type=int, metavar="INDEX", help="Only this card (again: and this)."
)
@click.option("--engine", default="", help="Another engine than the token says, or its options.")
@click.option("--install", is_flag=True, help="Let systemd start the workers, now and with the machine.")
@click.option("--no-start", is_flag=True, help="Stop when everything is ready.")
@click.option("--yes", is_flag=True, help="Go on without encryption, and in spite of what the doctor finds.")
def join(
    url: str,
    token: str,
    name: str,
    gpus: tuple[int, ...],
    engine: str,
    install: bool,
    no_start: bool,
    yes: bool,
) -> None:
    """Join the farm whose dashboard is at URL, with a worker for each card here, or for the processor."""
    config = settings()
    request = enrolment.Request(url, token, name, gpus, engine, careless=yes)
    crew = enrolment.enrol(config, request)
    for papers in crew:
        say(f"{papers.name}: joined as {papers.gpu_class}{f', card {papers.gpu}' if papers.gpu else ''}")
    candidates = [Candidate(papers, config, say) for papers in crew]
    for candidate in candidates:
        candidate.prepare(careless=yes)
    await_approval(candidates)
    if install:
        say(f"Installed {systemd.install(config.home, start=not no_start)}")
    if no_start:
        say(f"Ready. Start with `{machine.command(config.home)} work`.")
    elif not install:
        run(config)


@click.command()
def work() -> None:
    """Run the workers of this machine until they are stopped, here or on the dashboard."""
    run(settings())


def run(config: Settings) -> None:
    """Exits with the status by which systemd knows that the farm wants none of them any more."""
    names = ", ".join(papers.name for papers in machine.some_joined(config.home))
    say(f"At work: {names}. What they say goes to {config.home / 'logs'}.")
    again = f"{machine.command(config.home)} work"
    say(f"Ctrl-C stops, and gives work that was begun back to the farm; `{again}` goes on.")
    dismissed = machine.work(config)
    for name, status in dismissed.items():
        say(f"{name} was {'revoked: join again to come back' if status == machine.REVOKED else 'stopped'}.")
    sys.exit(machine.REVOKED if machine.REVOKED in dismissed.values() else machine.STOPPED)


@click.command()
@click.confirmation_option(prompt="End this machine's workers at their farm, and forget it here?")
def leave() -> None:
    """Give work back, end this machine's workers at the farm, and forget them here."""
    for papers, trouble in enrolment.leave(settings()):
        say(f"{papers.name} has left." if trouble is None else f"{papers.name}: {trouble}")
        if trouble is not None:
            say("It is forgotten here; revoke it on the dashboard's page of workers.")


def examine(config: Settings, json_: bool) -> bool:
    """`farm doctor --worker`: look at every worker of this machine; whether all is well."""
    found: dict[str, list[Any]] = {
        papers.name: list(machine_doctor.examine(papers, config))
        for papers in machine.some_joined(config.home)
    }
    if json_:
        said = {name: [asdict(finding) for finding in findings] for name, findings in found.items()}
        click.echo(json.dumps(said, ensure_ascii=False))
    for name, findings in [] if json_ else found.items():
        click.echo(f"{name}:")
        for finding in findings:
            click.echo(f"  {finding}")
    return all(finding.well for findings in found.values() for finding in findings)
