"""Sweeping: objects that no row points to any more are deleted once they are old enough."""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from farm import joining, recordings, samples, takes, uses
from farm.db import Begin, now
from farm.importing import COVERS
from farm.mastering import CHAPTERS
from farm.publish import RELEASES
from farm.storage import Store
from farm.storage.sweeping import sweep
from farm.tables import Chapter, Project, Release, Source

log = logging.getLogger(__name__)

UPLOADS = "uploads"


def sweep_orphans(begin: Begin, store: Store, after_s: float) -> None:
    """Delete orphans older than `after_s` (an object is written before the row that points to it)."""
    with begin() as session:
        older_than = session.scalars(select(now)).one() - timedelta(seconds=after_s)
        samples.forget(session, older_than)
        takes.forget_unused(session, older_than)
        recordings.forget_removed(session, older_than)
    for folder, wanted in WANTED.items():
        swept = sweep(store, f"{folder}/", partial(asked, begin, wanted), older_than)
        if swept.count:
            log.info("swept %s objects (%s bytes) nobody needs from %s", swept.count, swept.bytes, folder)


def asked(begin: Begin, wanted: Callable[[Session, list[str]], set[str]], names: Iterable[str]) -> set[str]:
    with begin() as session:
        return wanted(session, list(names))


def uploads(session: Session, names: list[str]) -> set[str]:
    return set(session.scalars(select(Source.object).where(Source.object.in_(names))))


def covers(session: Session, names: list[str]) -> set[str]:
    return set(session.scalars(select(Project.cover).where(Project.cover.in_(names)))) - {None}  # type: ignore[return-value]


def chapter_files(session: Session, names: list[str]) -> set[str]:
    ids = {int(name.split("/")[2].split(".")[0]) for name in names}
    files = session.scalars(select(Chapter.files).where(Chapter.id.in_(ids)))
    return {name for kept in files for name in kept.values()}


def releases(session: Session, names: list[str]) -> set[str]:
    return set(session.scalars(select(Release.object).where(Release.object.in_(names))))


WANTED: dict[str, Callable[[Session, list[str]], set[str]]] = {
    UPLOADS: uploads,
    COVERS: covers,
    CHAPTERS: chapter_files,
    RELEASES: releases,
    takes.FOLDER: takes.wanted,
    uses.ORIGINALS: uses.wanted_originals,
    uses.VOICES: uses.wanted_voices,
    joining.PROBES: lambda _session, _names: set(),
}
