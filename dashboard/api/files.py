"""Sound and files over the API: to play in part, to save under a good name."""

from typing import Any

from flask import Response

from dashboard.api.noun import Noun
from dashboard.api.schemas import Hearing, Saving
from dashboard.belongings import belongings
from dashboard.media import send_object
from farm import publish, takes

bp = Noun("api-files", __name__, url_prefix="/api/v1", description="Sound, subtitles and releases")

BYTES = {"type": "string", "format": "binary"}
ANY = "application/octet-stream"


@bp.get("/chapters/<int:chapter_id>/files/<any(m4a,mp3,srt,vtt):ending>")
@bp.arguments(Saving, location="query")
@bp.response(200, BYTES, content_type=ANY)
@bp.alt_response(206, schema=BYTES, content_type=ANY, description="The range that was asked for")
@bp.alt_response(416, description="The file is shorter")
def chapter_file(asked: dict[str, Any], chapter_id: int, ending: str) -> Response:
    """A mastered chapter as M4A or MP3, its subtitles as SRT or VTT"""
    with belongings().begin() as session:
        name, called = publish.file_of(session, chapter_id, ending)
    return send_object(belongings().store, name, called if asked["download"] else None, lasts=False)


@bp.get("/segments/<int:segment_id>/audio")
@bp.arguments(Hearing, location="query")
@bp.response(200, BYTES, content_type="audio/flac")
@bp.alt_response(206, schema=BYTES, content_type="audio/flac", description="The range that was asked for")
@bp.alt_response(416, description="The file is shorter")
def segment_audio(asked: dict[str, Any], segment_id: int) -> Response:
    """A segment's take; while a new one is made, the earlier"""
    with belongings().begin() as session:
        take = takes.of_segment(session, segment_id)
    return send_object(belongings().store, take.object, lasts=take.key.startswith(asked["of"] or "-"))


@bp.get("/releases/<int:release_id>/file")
@bp.response(200, BYTES, content_type=ANY)
@bp.alt_response(206, schema=BYTES, content_type=ANY, description="The range that was asked for")
@bp.alt_response(416, description="The file is shorter")
def release_file(release_id: int) -> Response:
    """A release, to save"""
    with belongings().begin() as session:
        found = publish.find(session, release_id)
    return send_object(belongings().store, found.object, found.name)
