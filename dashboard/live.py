"""Live progress: each change is looked up once a process, and told to every page that is open on it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, current_app, stream_with_context

from dashboard import snapshots
from dashboard.belongings import belongings
from dashboard.events import Broadcaster, Changed, stream_response
from dashboard.languages import language
from dashboard.snapshots import Snapshot
from farm import projects
from farm.db import plain
from farm.errors import NotFound
from farm.settings import Settings

KEPT_S = 0.3
NAME = "live"


@dataclass
class Live:
    """What was looked up lately, by what and language; good until the next change, and `KEPT_S` at most."""

    broadcaster: Broadcaster
    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[tuple[Any, str], tuple[float, Snapshot]] = field(default_factory=dict)

    def get(self, what: Any, look: Callable[[], Snapshot]) -> Snapshot:
        key = (what, language())
        with self.lock:
            since = max(time.monotonic() - KEPT_S, self.broadcaster.told_at)
            self.known = {k: found for k, found in self.known.items() if found[0] > since}
            if key not in self.known:
                self.known[key] = (time.monotonic(), look())
            return self.known[key][1]


def set_up_live(app: Flask, config: Settings) -> None:
    """The listener's thread begins with the first stream."""
    app.extensions[NAME] = Live(Broadcaster(plain(config.database_url), config.web_threads))


def current() -> Live:
    found: Live = current_app.extensions[NAME]
    return found


def latest(project_id: int) -> Snapshot:
    """What moves of a project. Raises NotFound."""

    def look() -> Snapshot:
        with belongings().begin() as session:
            return snapshots.live(session, project_id)

    return current().get(project_id, look)


def farm_word() -> Snapshot:
    def look() -> Snapshot:
        with belongings().begin() as session:
            return snapshots.farm(session)

    return current().get("farm", look)


def stream(project_id: int | None) -> Response:
    """Events of one project, or of all. Raises NotFound, and Transient when too many pages are open."""
    if project_id is not None:
        latest(project_id)
    answer = stream_response(current().broadcaster.subscribe(project_id), frames)
    answer.response = stream_with_context(answer.iter_encoded())  # the language is the request's
    return answer


def frames(change: Changed) -> Iterator[bytes]:
    for project_id in everything() if change.project is None else [change.project]:
        yield told(project_id)
    yield frame("farm", farm_word())


def everything() -> list[int]:
    with belongings().begin() as session:
        return [project.id for project in projects.listed(session)]


def told(project_id: int) -> bytes:
    try:
        return frame("project", latest(project_id))
    except NotFound:
        return frame("gone", {"id": project_id})


def frame(event: str, data: Snapshot) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
