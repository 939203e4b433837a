"""The checkpoints of engines that this machine has registered, and which of them is spoken with.

<home>/models/<engine>/<name>/manifest.json is written by the engine's own converter; a name may be a link to
another disk. The file `default` beside them holds the name of the one that is used.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from farm.errors import NotFound, Rejected

DEFAULT = "default"


@dataclass(frozen=True)
class Checkpoint:
    """A converted checkpoint. `bytes` is its size on disk, `added` a moment in ISO 8601."""

    name: str
    path: Path
    fingerprint: str
    version: str
    precisions: tuple[str, ...]
    bytes: int
    added: str
    source: str
    emotion_from_text: bool
    is_default: bool


def folder(home: Path, engine: str) -> Path:
    return home / "models" / engine


def registered(home: Path, engine: str) -> list[Checkpoint]:
    """All of them, the newest first. Raises Rejected: what lies there cannot be read."""
    found = (
        _read(path.parent, _chosen(home, engine)) for path in folder(home, engine).glob("[!.]*/manifest.json")
    )
    return sorted(found, key=lambda each: (each.added, each.name), reverse=True)


def default(home: Path, engine: str, farm: str = "farm") -> Checkpoint:
    """The one that is spoken with. Raises NotFound: there is none, and the commands to get one.

    `farm` is how people call the farm's command line on this machine.
    """
    for each in registered(home, engine):
        if each.is_default:
            return each
    raise NotFound(
        "This machine has no checkpoint of {engine}. Download one, then run "
        "`{farm} models add {engine} DIR`.",
        engine=engine,
        farm=farm,
    )


def suited(home: Path, engine: str, precision: str, farm: str = "farm") -> Checkpoint:
    """The one that is spoken with, if it was converted to `precision`.

    Raises NotFound: there is none; Rejected: it is not in this precision, or cannot be read.
    """
    found = default(home, engine, farm)
    if precision not in found.precisions:
        raise Rejected(
            "The checkpoint {name} of {engine} is here in {known}, and this worker computes in {precision}. "
            "Run `{farm} models add {engine} {source} --precision {precision}`.",
            name=found.name,
            engine=engine,
            known=", ".join(found.precisions),
            precision=precision,
            source=found.source,
            farm=farm,
        )
    return found


def use(home: Path, engine: str, name: str) -> Checkpoint:
    """Speak with the one whose name begins with `name`. Raises NotFound: there is none, or more than one."""
    known = registered(home, engine)
    fitting = [each for each in known if each.name.startswith(name)]
    if len(fitting) != 1:
        raise NotFound(
            "There is no checkpoint {name} of {engine}. There are: {known}.",
            name=name,
            engine=engine,
            known=", ".join(each.name for each in known) or "none",
        )
    file = folder(home, engine) / DEFAULT
    new = file.with_name(f"{DEFAULT}.new")
    new.write_text(fitting[0].name, "utf-8")
    new.replace(file)
    return replace(fitting[0], is_default=True)


def link(home: Path, engine: str, path: Path) -> None:
    """Make the converted checkpoint in `path`, wherever it lies, known here.

    Raises Rejected: another is here by its name.
    """
    here = folder(home, engine) / path.name
    if here.exists() and here.samefile(path):
        return
    here.parent.mkdir(parents=True, exist_ok=True)
    if here.is_symlink():
        here.unlink()
    try:
        here.symlink_to(path.absolute())
    except FileExistsError as e:
        raise Rejected("{here} is there already. Remove it, or leave --to away.", here=here) from e


def _chosen(home: Path, engine: str) -> str:
    """The name that `use` wrote; "" where it never did."""
    file = folder(home, engine) / DEFAULT
    return file.read_text("utf-8").strip() if file.is_file() else ""


def _read(path: Path, chosen: str) -> Checkpoint:
    try:
        said = json.loads((path / "manifest.json").read_text("utf-8"))
        return Checkpoint(
            name=path.name,
            path=path,
            fingerprint=said["fingerprint"],
            version=said["version"],
            precisions=tuple(said["precisions"]),
            bytes=sum(said["files"].values()),
            added=said["added"],
            source=said["source"],
            emotion_from_text=said["emotion_from_text"],
            is_default=path.name == chosen,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise Rejected(
            "{path} cannot be read: {reason}. Remove it, and add the checkpoint again.",
            path=path,
            reason=str(e),
        ) from e
