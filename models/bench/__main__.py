"""`python -m models.bench`: IndexTTS-2's nets, official dimensions, random weights, beside their bars."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
import torch
from rich.console import Console

from models.bench import stages, whole
from models.bench.figures import Figure, machine, show
from models.bench.stages import Bench
from models.bench.yardsticks import measure, torchs
from models.indextts2 import processor
from models.indextts2.checkpoint import DTYPES
from models.indextts2.drawn import SMALL, SMALL_BIGVGAN, Drawn
from models.indextts2.pipeline import Pipeline

PARTS = ("ar", "cfm", "vocoder", "end")
BATCHES = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 32, 64)}
SHRUNK = 64
"""What --small divides the yardsticks by."""

Part = Callable[[Bench], Iterable[Figure]]


@click.command()
@click.option("--threads", type=click.IntRange(1), help="Of the processor; else all.")
@click.option("--device", help="As torch names it; else a card where there is one.")
@click.option("--precision", type=click.Choice(tuple(DTYPES)), help="Else fp16 on a card, fp32 on none.")
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Else all; whole batches on a card alone."
)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), help="Rows; may be said again.")
@click.option("--repeats", default=3, type=click.IntRange(1), help="The quickest of so many counts.")
@click.option("--small", is_flag=True, help="Small nets: to see that all of it runs. They measure nothing.")
@click.option("--json", "as_json", is_flag=True)
def main(
    threads: int | None,
    device: str | None,
    precision: str | None,
    only: tuple[str, ...],
    batches: tuple[int, ...],
    repeats: int,
    small: bool,
    as_json: bool,
) -> None:
    """Exit code 1 when a bar is missed."""
    if threads:
        torch.set_num_threads(threads)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if place.type == "cpu":
        processor.bound()  # as the engine does; before the first product
    precision = precision or ("fp16" if place.type == "cuda" else "fp32")
    console = Console(stderr=as_json)
    header = {**machine(), **torchs(place), "device": str(place), "precision": precision, "small": small}
    console.print(header)
    yardsticks = measure(place, DTYPES[precision], repeats, SHRUNK if small else 1)
    answers = {"machine": yardsticks.figures(DTYPES[precision])}
    show("machine", 0, answers["machine"], console)
    checkpoint = Drawn(SMALL, SMALL_BIGVGAN, precision) if small else Drawn(precision=precision)
    rows = batches or BATCHES[place.type]
    bench = Bench(Pipeline(checkpoint, place), yardsticks, DTYPES[precision], rows, repeats, small)
    for name, part in _parts(only, place).items():
        since = time.monotonic()
        answers[name] = list(part(bench))
        show(name, time.monotonic() - since, answers[name], console)
    if place.type == "cpu":
        console.print("No GPU here: nothing was measured of one.")
    answers["memory"] = stages.memory(place)
    show("memory", 0, answers["memory"], console)
    if as_json:
        click.echo(json.dumps(_json(header, answers)))
    sys.exit(any(figure.holds is False for figures in answers.values() for figure in figures))


def _parts(only: Sequence[str], place: torch.device) -> Mapping[str, Part]:
    """What is to be measured, in this order. On a processor whole batches only where they are asked for."""
    on_card = place.type == "cuda"
    parts: dict[str, Part] = {"ar": stages.ar, "cfm": stages.cfm, "vocoder": stages.vocoder}
    if on_card or "end" in only:
        parts["end"] = whole.end
    chosen = {name: part for name, part in parts.items() if not only or name in only}
    if on_card and "end" in chosen:
        chosen |= {"capped": whole.capped, "fused": whole.fused}  # fused last: it changes the vocoder
    return chosen


def _json(header: Mapping[str, Any], answers: Mapping[str, Sequence[Figure]]) -> Mapping[str, Any]:
    return {"on": header, **{name: [f.to_json() for f in figures] for name, figures in answers.items()}}


if __name__ == "__main__":
    main()
