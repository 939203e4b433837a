"""The command line of projects: make one from a book, list them, render parts of one again."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from farm import audit, casts, directions, oneshot, progress, projects, retakes
from farm.cli_directions import of_roles, warn
from farm.console import acting, as_json, connected, entry, some_farm
from farm.db import Begin, beginner
from farm.engine import LOADABLE
from farm.project_fields import preset_of
from farm.settings import settings
from farm.storage.opening import store_of
from farm.tables import Project


@click.command()
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
@click.option("--engine", type=click.Choice(LOADABLE), help="What speaks it. Default: FARM_ENGINE.")
@click.option("--voice", help="Who narrates: a preset, or a recording by its name (`farm voices list`).")
@click.option("--dialogue", help="Who speaks quotes.")
@click.option(
    "--direct",
    "ways",
    multiple=True,
    metavar="'ROLE NAME=VALUE…'",
    help="How a role speaks: 'dialogue sad=0.6 pace=1.1' (names: `farm direct --help`).",
)
@click.option("--preset", help="How carefully it is spoken: exact, fast or draft, where the engine has them.")
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
    engine: str | None,
    voice: str | None,
    dialogue: str | None,
    ways: tuple[str, ...],
    preset: str | None,
    language: str | None,
    encoding: str | None,
    title: str | None,
    author: str | None,
    json_: bool,
) -> None:
    """Turn BOOK into an audiobook, on the running farm or a private one; after Ctrl-C it resumes."""
    started = time.monotonic()
    config = settings()
    usual = config.engine.partition(":")[0]
    if engine and engine != usual:  # else what runs here keeps the options it has
        config = replace(config, engine=engine)
    cast = {"narrator": voice or "narrator", "dialogue": dialogue}
    changes = {
        "language": language,
        "title": title,
        "author": author,
        "cast": cast if voice or dialogue else None,
        "directions": of_roles(ways),
        "preset": preset,
    }
    request = oneshot.Request(
        tuple(path.absolute() for path in book),
        kind="course" if course else "book",
        engine=engine or usual,
        encoding=encoding,
        chapters=numbers(chapters),
        changes={name: value for name, value in changes.items() if value},
    )
    with some_farm(config) as config, bar(json_) as watch:
        begin = beginner(config.database_url)
        voices, roles = chosen(begin, request)
        request = replace(request, voices=voices, directions=roles)
        for direction in roles.values():
            warn(directions.warnings(request.engine, direction))
        asked = {**request.changes, "files": [path.name for path in book]}
        audit.keep(begin, **entry("projects.render", str(out), asked))  # before hours of work
        made = oneshot.render(begin, store_of(config), request, out.absolute(), watch)
    took = time.monotonic() - started
    if json_:
        click.echo(json.dumps({"files": [str(path) for path in made], "seconds": round(took, 1)}))
    for path in [] if json_ else made:
        click.echo(f"{path}  ({path.stat().st_size / 2**20:.1f} MiB, made in {took:.0f} s)")


def chosen(begin: Begin, request: oneshot.Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The voices and directions that are asked for, before hours of work. Raises Rejected."""
    cast: Any = request.changes.get("cast")
    ways: Any = request.changes.get("directions", {})
    preset_of(request.engine, str(request.changes.get("preset", "")))
    with begin() as session:
        voices = casts.chosen(session, request.engine, cast) if cast else {}
        return voices, casts.roles_directed(session, request.engine, ways)


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


@click.command("projects")
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


@click.command()
@click.argument("what", type=click.Choice(("chapter", "segment")))
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@as_json
def again(what: str, number: int, json_: bool) -> None:
    """Render a spoken chapter or segment again, by the NUMBER in its address.

    What was spoken is heard until the new take is there.
    """
    action = "chapters.render_again" if what == "chapter" else "chapters.render_segment_again"
    count = 1
    with acting(connected(settings()), action, f"{what} {number}") as session:
        if what == "chapter":
            count = retakes.of_chapter(session, number)
        else:
            retakes.of_segment(session, number)
    click.echo(json.dumps({"segments": count}) if json_ else f"Segments that are rendered again: {count}")
