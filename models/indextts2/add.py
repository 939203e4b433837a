"""`python -m models.indextts2.add DIR --to FOLDER` converts a downloaded checkpoint; `--check` only looks.

It prints lines of JSON: {step, done, total} in bytes, then {added} or {check}, or {error} and exit status 1.
`farm models` runs it, because the farm itself knows no nets.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from farm.errors import FarmError
from models.indextts2.checking import check
from models.indextts2.checkpoint import DTYPES
from models.indextts2.convert import add

EVERY_S = 0.2


def say(line: Mapping[str, Any]) -> None:
    click.echo(json.dumps(line, ensure_ascii=False, default=str))
    sys.stdout.flush()


class Meter:
    """Says how far a step is, not more often than anyone can see."""

    def __init__(self) -> None:
        self.said = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done in (0, total) or now - self.said >= EVERY_S:
            self.said = now
            say({"step": step, "done": done, "total": total})


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), help="Where converted checkpoints lie.")
@click.option("--precision", "precisions", multiple=True, type=click.Choice(tuple(DTYPES)))
@click.option("--leave-out", multiple=True, metavar="PATTERN", help="Keys that may be left out.")
@click.option("--check", "only_check", is_flag=True, help="Look at everything and write nothing.")
def main(
    directory: Path,
    to: Path | None,
    precisions: tuple[str, ...],
    leave_out: tuple[str, ...],
    only_check: bool,
) -> None:
    """Convert the IndexTTS-2 checkpoint in DIRECTORY."""
    if not only_check and to is None:
        raise click.UsageError("Say --to FOLDER, or --check.")
    try:
        if to is None or only_check:
            report = check(directory, leave_out)
            found = [asdict(finding) for finding in report.findings]
            say({"check": {"well": report.well, "findings": found, "left_out": report.left_out()}})
        else:
            say({"added": asdict(add(directory, to, precisions or ("fp32",), leave_out, Meter()))})
    except FarmError as e:
        say({"error": e.message.to_json()})
        sys.exit(1)


if __name__ == "__main__":
    main()
