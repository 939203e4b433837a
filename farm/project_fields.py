"""What a person may set of a project, until when, and what is accepted."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from farm.audio.settings import MasteringSettings
from farm.engine import PRESETS
from farm.engine import title as engine_title
from farm.errors import Conflict, Rejected
from farm.gpu import CLASSES
from farm.matching import computes_alike
from farm.tables import Project
from farm.text.lexicon import Lexicon

LANGUAGES = ("zh", "en", "ja", "ko")
WORDS = ("title", "author", "narrator", "description")
"""What may be changed at any time; it reaches the files at the next publishing."""
SHAPING = ("language", "one_sentence", "cast", "directions", "preset", "mastering", "lexicon", "seed")
"""What may be changed until the start, because takes depend on it."""
SERVING = ("classes", "tags", "most_workers", "deadline")
"""What may be changed at any time: who serves it, how many at once, until when."""
MOST_TAGS = 20
LONGEST_TAG = 40
MOST_WORKERS = 10_000


def checked(name: str, value: Any) -> Any:
    """The value as it is stored; a cast is farm.casts' affair. Raises Rejected."""
    plain = value.strip() if isinstance(value, str) else value
    return CHECKS[name](plain) if name in CHECKS else plain


def check_fits(project: Project, classes: list[str]) -> None:
    """Raises Conflict where a class is allowed after the start that its segments or precision exclude."""
    for name in classes if project.started_at else []:
        allowed = CLASSES[name]
        if allowed.longest_segment < project.longest_segment:
            raise Conflict(
                "{title} was cut into segments of up to {longest} characters; class {name} speaks {most}.",
                title=project.title,
                longest=round(project.longest_segment),
                name=name,
                most=round(allowed.longest_segment),
            )
        if not computes_alike(allowed, project):
            raise Conflict(
                "{title} was started in {precision}; class {name} computes in {other}.",
                title=project.title,
                precision=project.pin.get("precision", "?"),
                name=name,
                other=allowed.dtype,
            )


def title_of(value: str) -> str:
    if not value:
        raise Rejected("A project needs a title.")
    return value


def language_of(value: str) -> str:
    if value not in LANGUAGES:
        raise Rejected("{value} is no language of ours. Choose one of zh, en, ja, ko.", value=value)
    return value


def preset_of(engine: str, value: str) -> str:
    """Raises Rejected for what is no preset of the engine; "" is its default."""
    if value and value not in PRESETS.get(engine, ()):
        raise Rejected(
            "The engine {engine} has no preset {name}. It has: {names}.",
            engine=engine_title(engine),
            name=value[:40],
            names=", ".join(PRESETS.get(engine, ())) or "–",
        )
    return value


def mastering_of(value: Mapping[str, Any]) -> dict[str, Any]:
    return MasteringSettings.from_json(value).to_json()


def lexicon_of(value: str) -> str:
    Lexicon.from_text(value)
    return value


def classes_of(value: list[str]) -> list[str]:
    """In their usual order; all of them is the same as none named: every class, those to come, too."""
    if unknown := [name for name in value if name not in CLASSES]:
        raise Rejected(
            "There is no GPU class {name}. There are: {classes}.",
            name=str(unknown[0])[:LONGEST_TAG],
            classes=", ".join(CLASSES),
        )
    named = [name for name in CLASSES if name in value]
    return [] if len(named) == len(CLASSES) else named


def tags_of(value: list[str]) -> list[str]:
    found = sorted({tag.strip() for tag in value} - {""})
    if len(found) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in found):
        raise Rejected(
            "Name at most {tags} tags of at most {length} characters.", tags=MOST_TAGS, length=LONGEST_TAG
        )
    return found


def most_workers_of(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= MOST_WORKERS:
        raise Rejected("A project has 1 to {most} workers at once, not {n}.", most=MOST_WORKERS, n=value)
    return value


def deadline_of(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise Rejected("A deadline needs its time zone, as in 2026-05-01T18:00+02:00.")
    return value


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "title": title_of,
    "language": language_of,
    "mastering": mastering_of,
    "lexicon": lexicon_of,
    "classes": classes_of,
    "tags": tags_of,
    "most_workers": most_workers_of,
    "deadline": deadline_of,
}
