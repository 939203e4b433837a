"""The command line of voices: recordings added, looked at, prepared, agreed to, named and removed."""

import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from farm import recordings, samples, uses, voices
from farm.audio.cleaning import Preparation
from farm.audio.quality import Quality, grade
from farm.casting import key_of
from farm.cli_roster import printable
from farm.console import acting, acting_apart, as_json, connected, who
from farm.db import Begin, beginner
from farm.errors import NotFound, Rejected
from farm.settings import Settings, settings
from farm.storage.opening import store_of
from farm.tables import Recording
from farm.uses import Use

POLL_S = 0.25
of_voice = click.argument("name")
right = click.option("--i-have-the-right", "agreed", is_flag=True, help=f"“{recordings.CONSENT}”")
undo = click.option("--undo", is_flag=True, help="Go back to what it was.")


def looking(config: Settings) -> AbstractContextManager[Session]:
    return beginner(config.database_url)()


def plain(row: Recording, where: Sequence[Use]) -> dict[str, Any]:
    """As the API tells it, in English."""
    names = ("id", "name", "voice", "uploaded_by", "filename", "size", "seconds", "preparation", "quality")
    told = {name: getattr(row, name) for name in (*names, "consent")}
    told |= {"given_seconds": row.voice_seconds, "created_at": row.created_at.isoformat()}
    told |= {"grade": grade(recordings.quality_of(row)), "advice": [*map(str, recordings.advice_on(row))]}
    return told | {"used_by": [{"project": use.project, "title": use.title} for use in where]}


@click.group("voices")
def voices_of_farm() -> None:
    """Voices made of recordings: for projects whose engine clones voices."""


@voices_of_farm.command("list")
@as_json
def list_voices(json_: bool) -> None:
    """List whom roles can be cast with: recordings and presets."""
    with looking(connected(settings())) as session:
        where = uses.of_recordings(session)
        found = [plain(row, where.get(row.id, [])) for row in recordings.listed(session)]
    if json_:
        presets = [{"name": voice.name, "title": voice.title} for voice in voices.PRESETS]
        click.echo(json.dumps({"recordings": found, "presets": presets}, ensure_ascii=False))
        return
    for row in found:
        state = "agreed" if row["consent"] else "nobody agreed"
        seconds = f"{row['given_seconds']:.1f} s"
        click.echo(printable(f"{row['name']:<24}  {row['grade']:<5} {seconds:>7}  {state}"))
    for voice in voices.PRESETS:
        click.echo(f"{voice.name:<24}  preset")


@voices_of_farm.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="What it is called. Default: as the file.")
@click.option("--trim", is_flag=True, help="Leave out the silence at both ends.")
@click.option("--denoise", is_flag=True, help="Take steady noise out.")
@right
@as_json
def add(file: Path, name: str | None, trim: bool, denoise: bool, agreed: bool, json_: bool) -> None:
    """Make a voice of FILE: 6 to 15 seconds of one person who speaks."""
    config = connected(settings())
    called = name if name is not None else file.stem[: recordings.LONGEST_NAME]
    values = {"file": file.name, "trim": trim, "denoise": denoise, "i_have_the_right": agreed}
    with acting_apart(config, "voices.create", called, **values) as begin, file.open("rb") as source:
        made = recordings.add(
            begin,
            store_of(config),
            source,
            file.name,
            name=called,
            by=who(),
            wanted=Preparation(trim, denoise),
            agreed=str(recordings.CONSENT) if agreed else None,
        )
    tell(begin, made, json_)


@voices_of_farm.command()
@of_voice
@as_json
def show(name: str, json_: bool) -> None:
    """Tell all of a recording: how good it is, what was done to it, who agreed, where it speaks."""
    config = connected(settings())
    with looking(config) as session:
        known = recordings.named(session, name).id
    tell(beginner(config.database_url), known, json_)


@voices_of_farm.command()
@of_voice
@undo
@as_json
def trim(name: str, undo: bool, json_: bool) -> None:
    """Leave out the silence at both ends; what was sent is kept."""
    prepare(name, json_, trim=not undo)


@voices_of_farm.command()
@of_voice
@undo
@as_json
def denoise(name: str, undo: bool, json_: bool) -> None:
    """Take steady noise out: hum, hiss, fans; what was sent is kept."""
    prepare(name, json_, denoise=not undo)


def prepare(name: str, json_: bool, **changed: bool) -> None:
    config = connected(settings())
    with acting_apart(config, "voices.prepare", name, **changed) as begin:
        with begin() as session:
            row = recordings.named(session, name)
        before = {wish: row.preparation[wish] for wish in ("trim", "denoise")}
        recordings.prepare(begin, store_of(config), row.id, Preparation(**{**before, **changed}))
    tell(begin, row.id, json_)


@voices_of_farm.command()
@of_voice
@right
@as_json
def agree(name: str, agreed: bool, json_: bool) -> None:
    """Say that it may be used, with --i-have-the-right; before that, no role can be cast with it."""
    if not agreed:
        raise click.UsageError(f"Say --i-have-the-right if this is so: {recordings.CONSENT}")
    config = connected(settings())
    with acting(config, "voices.consent", name) as session:
        row = recordings.named(session, name)
        recordings.agree(session, row.id, by=who(), sentence=str(recordings.CONSENT))
    tell(beginner(config.database_url), row.id, json_)


@voices_of_farm.command()
@of_voice
@click.argument("text")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The M4A to write.")
@click.option("--engine", default="", help="What it is spoken with. Default: one that a worker here has.")
@as_json
def say(name: str, text: str, out: Path, engine: str, json_: bool) -> None:
    """Have TEXT spoken with it, before everything else."""
    config = connected(settings())
    begin = beginner(config.database_url)
    with acting(config, "voices.try_out", name, text=text) as session:
        row = recordings.named(session, name)
        sample = samples.ask(session, row.id, text, engine)
    while sample.state == samples.WAITING:
        time.sleep(POLL_S)
        with begin() as session:
            sample = samples.latest(session, row.id)
    if sample.state == samples.FAILED:
        raise Rejected("{reason}", reason=str(sample.why or "?"))
    store_of(config).fetch(sample.audio, out.absolute())
    told = {"file": str(out), "seconds": sample.chapter.seconds, "engine": sample.engine}
    click.echo(
        json.dumps(told) if json_ else f"{out}  ({sample.chapter.seconds or 0:.1f} s, {sample.engine})"
    )


@voices_of_farm.command()
@of_voice
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Call it NEW; what was cast with it stays so."""
    with acting(connected(settings()), "voices.edit", name, name=new) as session:
        recordings.rename(session, recordings.named(session, name).id, new)


@voices_of_farm.command()
@of_voice
def remove(name: str) -> None:
    """Take it out of use; its audio is deleted a day later, once no project has it either."""
    with acting(connected(settings()), "voices.remove", name) as session:
        recordings.remove(session, recordings.named(session, name).id)
    click.echo(printable(f"{name} is removed. `farm voices restore` brings it back for a day."))


@voices_of_farm.command()
@of_voice
def restore(name: str) -> None:
    """Bring back what was removed."""
    with acting(connected(settings()), "voices.restore", name) as session:
        gone = [row for row in recordings.removed(session) if row.name == name]
        if not gone:
            raise NotFound("No recording called {name} was removed lately.", name=name)
        recordings.restore(session, gone[0].id)


def tell(begin: Begin, recording_id: int, json_: bool) -> None:
    with begin() as session:
        row = recordings.find(session, recording_id)
        told = plain(row, uses.of_recordings(session).get(recording_id, []))
    if json_:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    for line in in_lines(told):
        click.echo(printable(line))


def in_lines(told: dict[str, Any]) -> list[str]:
    quality = Quality(**told["quality"]["given"])
    done = [wish for wish in ("trim", "denoise") if told["preparation"][wish]]
    consent = told["consent"]
    return [
        f"{told['name']}  ({key_of(told['id'])}): {told['grade']}",
        *(f"  {sentence}" for sentence in told["advice"]),
        f"  length     {told['seconds']:.1f} s; engines hear {told['given_seconds']:.1f} s of it",
        f"  speech     {quality.speech:.0%}",
        f"  noise      {decibels(quality.noise_db, 'dBFS')}, {decibels(quality.snr_db, 'dB')} below speech",
        f"  clipped    {quality.clipped:.2%}",
        f"  bandwidth  {quality.bandwidth_hz} Hz",
        f"  done to it {', '.join(done) or 'nothing'}",
        f"  right      {consent['by']}, {consent['at'][:10]}"
        if consent
        else "  right      nobody agreed yet",
        *(f"  speaks in  {use['project']} {use['title']}" for use in told["used_by"]),
    ]


def decibels(level: float | None, unit: str) -> str:
    return "–" if level is None else f"{level:.0f} {unit}"
