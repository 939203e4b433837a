"""Workers: the cards of all, one with its settings and failures, the line that adds another."""

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlsplit

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from dashboard.belongings import belongings
from farm import joining, projects, roster, wheel
from farm.addresses import is_loopback
from farm.engine import LOADABLE, OFFERED
from farm.errors import Rejected
from farm.gpu import CLASSES
from farm.roster import Standing
from farm.settings import Settings
from farm.tables import Project, ProjectState

bp = Blueprint("workers", __name__)

PAGE = 100  # workers on a page of the list
EVER = datetime.min.replace(tzinfo=UTC)
ENDED = (ProjectState.FINISHED, ProjectState.CANCELLED)


@cache
def version() -> str:
    """Of the code that machines get here; "" where none can be given."""
    with suppress(Rejected):
        return wheel.build().version
    return ""


@bp.get("/workers")
def index() -> ResponseReturnValue:
    skipped = max(request.args.get("after", 0, type=int), 0)
    with belongings().begin() as session:
        everyone = roster.standings(session)
        shown = roster.seen(session, everyone[skipped : skipped + PAGE])
    working = [standing for standing in everyone if standing.works]
    return render_template(
        "workers.html",
        everyone=everyone,
        shown=shown,
        more=skipped + PAGE if len(everyone) > skipped + PAGE else None,
        working=len(working),
        speed=sum(standing.speed or 0.0 for standing in working),
        version=version(),
    )


@bp.get("/workers/<int:worker_id>")
def show(worker_id: int) -> ResponseReturnValue:
    with belongings().begin() as session:
        seen = roster.one(session, worker_id)
        tags = roster.tags(session)
        choice = choosable(projects.listed(session), seen.worker.projects)
    return render_template(
        "worker.html", seen=seen, tags=tags, projects=choice, classes=CLASSES, version=version()
    )


@bp.get("/workers/new")
def new() -> ResponseReturnValue:
    """`?name=attic&since=…` also shows who joined by that name since."""
    awaited = request.args.get("name", "")
    since = request.args.get("since", EVER, type=moment)
    config = belongings().settings
    with belongings().begin() as session:
        tokens = joining.tokens(session)
        everyone = roster.standings(session) if awaited else []
        arrived = roster.seen(session, called(everyone, awaited, since))
        taken = set(roster.names(session).values())
        tags = roster.tags(session)
        choice = choosable(projects.listed(session), [])
    return render_template(
        "new_worker.html",
        tokens=tokens,
        awaited=awaited,
        arrived=arrived,
        tags=tags,
        projects=choice,
        name=free_name(taken | {token.name for token in tokens}),
        engines=offered(config),
        config=config,
        classes=CLASSES,
        alone=is_alone(config),
        version=version(),
    )


def moment(text: str) -> datetime:
    """Raises ValueError, also where it has no time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def called(everyone: list[Standing], name: str, since: datetime) -> list[Standing]:
    """Those that a token of that name let in: of several cards or machines it numbers the workers."""
    return [
        it for it in everyone if f"{it.worker.name}-".startswith(f"{name}-") and it.worker.created_at >= since
    ]


def choosable(listed: list[Project], chosen: list[int]) -> list[Project]:
    return [project for project in listed if project.state not in ENDED or project.id in chosen]


def free_name(taken: set[str]) -> str:
    """
    >>> free_name({"worker-1", "attic"})
    'worker-2'
    """
    return next(name for n in range(1, len(taken) + 2) if (name := f"worker-{n}") not in taken)


def offered(config: Settings) -> list[str]:
    """The engines to choose from, and the farm's own with its options, whichever that is."""
    own = [config.engine] if config.engine.partition(":")[0] in LOADABLE else []
    return sorted({*own, *OFFERED})


def is_alone(config: Settings) -> bool:
    """Whether no other machine reaches this farm."""
    return is_loopback(urlsplit(config.dashboard_url).hostname or "")
