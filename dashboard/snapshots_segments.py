"""What the API is told of a chapter's segments."""

from sqlalchemy.orm import Session

from dashboard.snapshots import Snapshot, message
from farm import casts, chapters, directing, projects
from farm.chapters import Heard
from farm.tables import Project, Segment


def page(session: Session, chapter_id: int, after: int) -> list[Snapshot]:
    """The next ones after a position."""
    chapter = chapters.find(session, chapter_id)
    project = projects.find(session, chapter.project_id)
    return [of(session, project, heard) for heard in chapters.heard(session, chapter, after)]


def one(session: Session, segment: Segment) -> Snapshot:
    chapter = chapters.find(session, segment.chapter_id)
    project = projects.find(session, chapter.project_id)
    return of(session, project, chapters.heard(session, chapter, segment.position - 1)[0])


def of(session: Session, project: Project, heard: Heard) -> Snapshot:
    segment = heard.segment
    directed = [] if segment.direction is None else casts.told(session, [segment.direction])
    return {
        "id": segment.id,
        "position": segment.position,
        "role": segment.role,
        "display": segment.display,
        "state": segment.state,
        "seconds": heard.seconds,
        "failure": message(segment.failure),
        "start_s": heard.start_s,
        "end_s": heard.end_s,
        "direction": directed[0] if directed else None,
        "warnings": [message(warning) for warning in directing.warnings(session, project, segment)],
    }
