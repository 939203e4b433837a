"""`python -m tests.bench`: ratios measured on this machine, beside their bars."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from rich.console import Console

from models.bench.figures import Figure, machine, show
from tests.bench import busy, cpu, dispatch, fleet, flow, memory, pages, scale
from tests.bench.options import Options

BENCHES: Mapping[str, Callable[[Options], list[Figure]]] = {
    "busy": busy.run,
    "cpu": cpu.run,
    "flow": flow.run,
    "dispatch": dispatch.run,
    "memory": memory.run,
    "pages": pages.run,
    "fleet": fleet.run,
    "scale": scale.run,
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHES)), help="These benches; else all.")
@click.option("--book", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=Options.book)
@click.option("--chapters", help="Numbers of the book's chapters, as 1,2,3; else all.", default="")
@click.option("--speed", default=Options.speed, help="Of the simulated engine, × realtime.")
@click.option("--hours", default=Options.hours, help="Of the book for `memory`.")
@click.option("--segments", default=Options.segments, help="Through dispatch, claim and accept.")
@click.option("--ready", default=Options.ready, help="Segments that wait while one dispatch is timed.")
@click.option("--rows", default=Options.rows, help="Segments in the database behind the pages.")
@click.option("--workers", default=Options.workers, help="Simulated as protocol clients.")
@click.option("--seconds", default=Options.seconds, help="For which they work.")
@click.option("--json", "as_json", is_flag=True)
def main(only: tuple[str, ...], chapters: str, as_json: bool, **given: object) -> None:
    """Exit code 1 when a bar is missed."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        del os.environ[name]  # never the farm that is in use here
    options = Options(chapters=tuple(int(n) for n in chapters.split(",") if n), **given)  # type: ignore[arg-type]
    console = Console(stderr=as_json)
    console.print(machine())
    answers = {}
    for name in only or BENCHES:
        since = time.monotonic()
        answers[name] = BENCHES[name](options)
        show(name, time.monotonic() - since, answers[name], console)
    if as_json:
        found = {name: [figure.to_json() for figure in figures] for name, figures in answers.items()}
        click.echo(
            json.dumps({"machine": machine(), "options": vars(options), "benches": found}, default=str)
        )
    missed = [figure for figures in answers.values() for figure in figures if figure.holds is False]
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
