"""The command line of checkpoints: look at a download, convert and register it, say which one is used."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from farm import checkpoints
from farm.cards import cards
from farm.checkpoints import Checkpoint
from farm.console import as_json
from farm.doctor import NEEDED
from farm.errors import Rejected
from farm.gpu import CLASSES, CPU, class_of
from farm.messages import Message
from farm.readiness import last_line
from farm.settings import inherited_environment, settings

CONVERTERS = {"indextts2": "models.indextts2.add"}
"""Engine: the program that reads its checkpoints. The farm itself knows no nets."""

Watch = Callable[[str, int, int], None]

of_engine = click.argument("engine", type=click.Choice(tuple(CONVERTERS)))
of_directory = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
leaving_out = click.option(
    "--leave-out", multiple=True, metavar="PATTERN", help="Accept unknown keys like this, and leave them out."
)


@click.group()
def models() -> None:
    """The checkpoints that engines on this machine speak with."""


@models.command()
@of_engine
@of_directory
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(("fp32", "fp16", "bf16")),
    help="May be said again. Default: what this machine's cards, or its processor, compute in.",
)
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Another disk than the home's.")
@leaving_out
@as_json
def add(
    engine: str,
    directory: Path,
    precisions: tuple[str, ...],
    to: Path | None,
    leave_out: tuple[str, ...],
    json_: bool,
) -> None:
    """Check the checkpoint downloaded to DIRECTORY, convert it once, and speak with it from now on."""
    home = settings().home
    target = to.absolute() if to else checkpoints.folder(home, engine)
    arguments = [str(directory.absolute()), "--to", str(target)]
    arguments += [f"--precision={each}" for each in precisions or usual_precisions()]
    with bar(json_) as watch:
        added = told(engine, [*arguments, *patterns(leave_out)], watch)["added"]
    path = Path(added["directory"])
    checkpoints.link(home, engine, path)
    used = checkpoints.use(home, engine, path.name)
    if json_:
        click.echo(json.dumps({**plain(used), "made": added["made"]}, ensure_ascii=False))
        return
    click.echo(in_a_line(used))
    click.echo("It was there already." if not added["made"] else f"It lies in {path}; {directory} may go.")


def usual_precisions() -> list[str]:
    classes = {class_of(card.vram_gib) for card in cards()} or {CPU}
    return sorted({CLASSES[name].dtype for name in classes})


@models.command()
@of_engine
@of_directory
@leaving_out
@as_json
def check(engine: str, directory: Path, leave_out: tuple[str, ...], json_: bool) -> None:
    """Look at a checkpoint's every file; say what is missing or wrong, and the commands that bring it."""
    arguments = [str(directory.absolute()), "--check", *patterns(leave_out)]
    report = told(engine, arguments, lambda *_: None)["check"]
    if json_:
        click.echo(json.dumps(report, ensure_ascii=False))
    for line in [] if json_ else report_lines(report):
        click.echo(line)
    sys.exit(0 if report["well"] else 1)


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The findings; what mends them is said once, however many files it brings."""
    remedies: dict[tuple[str, ...], None] = {}
    for finding in report["findings"]:
        yield f"{'ok ' if finding['well'] else 'BAD'} {finding['part']}: {finding['seen']}"
        if not finding["well"] and finding["commands"]:
            remedies[tuple(finding["commands"])] = None
    for part, keys in report["left_out"].items():
        reasons: dict[str, list[str]] = {}
        for key, why in keys.items():
            reasons.setdefault(why, []).append(key)
        for why, of_it in reasons.items():
            more = f" and {len(of_it) - 1} more" if len(of_it) > 1 else ""
            yield f"    {part} leaves out {of_it[0]}{more}: {why}"
    for commands in remedies:
        yield "Download it with one of"
        yield from (f"    {command}" for command in commands)


@models.command("list")
@as_json
def list_all(json_: bool) -> None:
    """List the registered checkpoints; the marked one is spoken with."""
    home = settings().home
    known = [each for engine in CONVERTERS for each in checkpoints.registered(home, engine)]
    if json_:
        click.echo(json.dumps([plain(each) for each in known], ensure_ascii=False))
        return
    for each in known:
        click.echo(in_a_line(each))
    if not known:
        click.echo("None yet. Download one, then run `farm models add indextts2 DIR`.")


@models.command("use")
@of_engine
@click.argument("name")
def choose(engine: str, name: str) -> None:
    """Speak with the registered checkpoint NAME, or the one whose name begins so."""
    click.echo(in_a_line(checkpoints.use(settings().home, engine, name)))


def plain(checkpoint: Checkpoint) -> dict[str, Any]:
    return asdict(checkpoint) | {"path": str(checkpoint.path)}


def in_a_line(checkpoint: Checkpoint) -> str:
    mark = "*" if checkpoint.is_default else " "
    emotion = "" if checkpoint.emotion_from_text else ", no emotion from text"
    return (
        f"{mark} {checkpoint.name}  version {checkpoint.version}, {', '.join(checkpoint.precisions)}, "
        f"{checkpoint.bytes / 1e9:.2f} GB, added {checkpoint.added[:10]}{emotion}"
    )


def patterns(leave_out: Sequence[str]) -> list[str]:
    return [f"--leave-out={pattern}" for pattern in leave_out]


def told(engine: str, arguments: Sequence[str], watch: Watch) -> dict[str, Any]:
    """The last line of what the engine's converter says; the others are steps, which `watch` is told.

    Raises Rejected: what it needs is not installed, it refused, or it died.
    """
    extra, needed = NEEDED[engine]
    missing = [module for module in needed if find_spec(module) is None]
    if missing:
        raise Rejected(
            "{engine} needs {missing}. Install the farm with its extra {extra}.",
            engine=engine,
            missing=", ".join(missing),
            extra=extra,
        )
    command = [sys.executable, "-m", CONVERTERS[engine], *arguments]
    last: dict[str, Any] = {}
    with TemporaryFile("w+") as complaints:
        with subprocess.Popen(
            command,
            env=inherited_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last = json.loads(line)
                if "step" in last:
                    watch(last["step"], last["done"], last["total"])
        if "error" in last:
            raise Rejected("{reason}", reason=Message.from_json(last["error"]))
        if process.returncode:
            complaints.seek(0)
            raise Rejected(
                "The checkpoint could not be read (status {status}): {reason}",
                status=process.returncode,
                reason=last_line(complaints.read()),
            )
    return last


@contextmanager
def bar(quiet: bool) -> Iterator[Watch]:
    """A progress bar on stderr for each step, in bytes."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as shown:
        tasks: dict[str, Any] = {}

        def watch(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(step, total=total)
            shown.update(tasks[step], completed=done)

        yield watch
