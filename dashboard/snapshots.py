"""What the API, the open pages and their streams are told of a thing: plain values, built in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from dashboard.languages import say
from farm import casts, chapters, crew, directions, progress, projects, publish
from farm.engine import preset
from farm.forecast import Forecast
from farm.gpu import CLASSES
from farm.messages import Message
from farm.outlook import Outlook
from farm.progress import Progress
from farm.tables import Chapter, Event, Project, ProjectState, Release

Snapshot = dict[str, Any]

REVIEW = ProjectState.REVIEW
PREVIEW = 3000  # characters of a chapter's text


def message(stored: Mapping[str, Any] | Message | None) -> Snapshot | None:
    """A sentence as template and values, and as text in the reader's language."""
    if stored is None:
        return None
    known = stored if isinstance(stored, Message) else Message.from_json(stored)
    return {**known.to_json(), "text": say(known)}


def listed(session: Session) -> list[Snapshot]:
    """Every project: counters only, whatever the number of segments."""
    found = projects.listed(session)
    so_far = progress.of_projects(session, found)
    return [summary(project, so_far[project.id]) for project in found]


def one(session: Session, project_id: int) -> Snapshot:
    project = projects.find(session, project_id)
    return summary(project, progress.of_projects(session, [project])[project_id])


def summary(project: Project, so_far: Progress) -> Snapshot:
    return {
        "id": project.id,
        "kind": project.kind,
        "state": project.state,
        "title": project.title,
        "author": project.author,
        "narrator": project.narrator,
        "language": project.language,
        "description": project.description,
        "has_cover": project.cover is not None,
        "priority": project.priority,
        "engine": project.engine,
        "preset": preset_of(project),
        "created_at": moment(project.created_at),
        "started_at": moment(project.started_at),
        "finished_at": moment(project.finished_at),
        "failure": message(project.failure),
        **serving(project),
        "progress": {**figures(so_far), "strip": strip(so_far)},
    }


def preset_of(project: Project) -> str:
    """How carefully it is spoken, or will be; "" where its engine knows one way."""
    return preset(project.engine, project.pin.get("preset", "") if project.pin else project.preset)


def warnings(project: Project) -> Snapshot:
    """What may be wrong with the directions of roles: those with which something may."""
    told = {role: directions.warnings(project.engine, its) for role, its in project.directions.items()}
    return {role: [message(each) for each in found] for role, found in told.items() if found}


def serving(project: Project) -> Snapshot:
    """Who may serve a project, what it needs of them, and whether it was cut shorter since its start."""
    return {
        "classes": project.classes,
        "tags": project.tags,
        "most_workers": project.most_workers,
        "deadline": moment(project.deadline),
        "needs": {
            "engine": project.engine,
            "precision": project.pin.get("precision") or None,
            "longest_segment": project.longest_segment if project.pin else None,
            "classes": crew.classes_for(project),
            "tags": project.tags,
        },
        "shortened": message(project.shortened),
    }


def figures(so_far: Progress) -> Snapshot:
    """Seconds of audio, and of waiting; `share` from 0 to 1."""
    return {
        "share": round(so_far.share, 4),
        "done_s": round(so_far.done_s, 1),
        "total_s": round(so_far.total_s, 1),
        "soonest_s": so_far.soonest_s and round(so_far.soonest_s, 1),
        "latest_s": so_far.latest_s and round(so_far.latest_s, 1),
        "failed": so_far.failed,
        "why": message(so_far.why),
        "reasons": [message(reason) for reason in so_far.reasons],
        "forecast": forecast(so_far.forecast),
    }


def forecast(found: Forecast) -> Snapshot:
    """Seconds from now; `spare_s` is left until the deadline, below 0 when it will be missed."""
    more = found.one_more
    return {
        "soonest_s": found.soonest_s and round(found.soonest_s, 1),
        "latest_s": found.latest_s and round(found.latest_s, 1),
        "deadline": moment(found.deadline),
        "spare_s": None if found.spare_s is None else round(found.spare_s, 1),
        "late": found.late,
        "one_more": more
        and {
            "class": more.gpu_class,
            "title": CLASSES[more.gpu_class].title,
            "soonest_s": round(more.soonest_s, 1),
            "latest_s": round(more.latest_s, 1),
            "measured": more.measured,
            "in_time": found.one_more_is_in_time,
        },
    }


def outlook(found: Outlook) -> Snapshot:
    """What a project would be if it were started now, and with and without each class."""
    return {
        **asdict(found.prospect),
        "choices": [
            {
                "class": choice.gpu_class,
                "workers": choice.workers,
                "allowed": choice.allowed,
                "with_it": asdict(choice.with_it),
                "without_it": asdict(choice.without_it),
            }
            for choice in found.choices
        ],
    }


def strip(so_far: Progress) -> list[Snapshot]:
    return [
        {
            "id": part.id,
            "title": part.title,
            "state": part.state,
            "share": round(part.share, 4),
            "weight": round(part.weight, 1),
            "failed": part.failed,
        }
        for part in so_far.strip
    ]


def live(session: Session, project_id: int) -> Snapshot:
    """What moves while a project is made; streamed and polled."""
    project = projects.find(session, project_id)
    so_far = progress.of_projects(session, [project])[project_id]
    return {
        "id": project_id,
        "state": project.state,
        **figures(so_far),
        "failure": message(project.failure),
        "shortened": message(project.shortened),
        "strip": [
            {"id": part.id, "state": part.state, "share": round(part.share, 4), "failed": part.failed}
            for part in so_far.strip
        ],
        "releases": len(publish.of_project(session, project_id)),
        "underway": {str(key): share for key, share in progress.underway(session, project_id).items()},
    }


def details(session: Session, project_id: int) -> Snapshot:
    """A project with all that its pages show."""
    project = projects.find(session, project_id)
    releases = publish.of_project(session, project_id)
    return {
        **summary(project, progress.of_projects(session, [project])[project_id]),
        "reading": reading(project.reading),
        "chapters": [
            chapter(part, mp3_of(part.id, releases)) for part in chapters.of_project(session, project_id)
        ],
        "releases": [release(found) for found in releases],
        "cast": casts.keys(session, project.cast),
        "directions": casts.roles_told(session, project.directions),
        "warnings": warnings(project),
        "mastering": project.mastering,
        "lexicon": project.lexicon,
        "one_sentence": project.one_sentence,
        "seed": project.seed,
        "longest_segment": project.longest_segment,
        "outlook": outlook(progress.of_review(session, project)) if project.state == REVIEW else None,
        "sources": [
            {"filename": source.filename, "size": source.size, "encoding": source.encoding}
            for source in projects.sources(session, project_id)
        ],
    }


def reading(stored: Mapping[str, Any]) -> Snapshot:
    """What was noticed in the file; empty until it was read."""
    return {
        "characters": stored.get("characters", 0),
        "oddities": [message(oddity) for oddity in stored.get("oddities", [])],
        "removed": [{**part, "reason": message(part["reason"])} for part in stored.get("removed", [])],
        "encoding": stored.get("encoding"),
    }


def mp3_of(chapter_id: int, releases: Sequence[Release]) -> int | None:
    return next(
        (found.id for found in releases if found.chapter_id == chapter_id and found.format == "mp3"), None
    )


def chapter(part: Chapter, mp3: int | None) -> Snapshot:
    return {
        "id": part.id,
        "project": part.project_id,
        "position": part.position,
        "kind": part.kind,
        "title": part.title,
        "volume": part.volume,
        "characters": part.characters,
        "included": part.included,
        "state": part.state,
        "segments": part.segments,
        "segments_done": part.segments_done,
        "segments_failed": part.segments_failed,
        "seconds": part.seconds,
        "loudness": (part.mastered or {}).get("loudness"),
        "failure": message(part.failure),
        "files": sorted(part.files),
        "mp3": mp3,
    }


def one_chapter(session: Session, chapter_id: int) -> Snapshot:
    part = chapters.find(session, chapter_id)
    mp3 = mp3_of(chapter_id, publish.of_project(session, part.project_id))
    return {**chapter(part, mp3), "text": chapters.preview(session, chapter_id, PREVIEW)}


def release(found: Release) -> Snapshot:
    return {
        "id": found.id,
        "chapter": found.chapter_id,
        "format": found.format,
        "name": found.name,
        "size": found.size,
        "seconds": found.seconds,
        "created_at": moment(found.created_at),
    }


def farm(session: Session) -> Snapshot:
    found = progress.of_farm(session)
    return {
        "word": found.word,
        "why": message(found.why),
        "details": [message(detail) for detail in found.details],
        "workers": found.workers,
        "speed": round(found.speed, 2),
    }


def event(happened: Event) -> Snapshot:
    return {
        "id": happened.id,
        "at": moment(happened.at),
        "chapter": happened.chapter_id,
        "what": happened.what,
    }


def moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
