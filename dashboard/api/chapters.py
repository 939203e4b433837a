"""Chapters and segments over the API: tick, rename, read, try again, render again."""

from typing import Any

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from dashboard import snapshots, snapshots_segments
from dashboard.api.noun import Noun
from dashboard.api.schemas import After, ChapterChanges, ChapterWithText, Making, Release, Segment
from dashboard.api.schemas_directions import Direction
from dashboard.belongings import belongings
from farm import chapters, directing, publish, retakes

bp = Noun(
    "api-chapters", __name__, url_prefix="/api/v1", description="Chapters or lessons, and their segments"
)


@bp.get("/chapters/<int:chapter_id>")
@bp.response(200, ChapterWithText)
def show(chapter_id: int) -> Response:
    """A chapter, with the beginning of its text"""
    with belongings().begin() as session:
        return jsonify(snapshots.one_chapter(session, chapter_id))


@bp.patch("/chapters/<int:chapter_id>")
@bp.arguments(ChapterChanges)
@bp.response(200, ChapterWithText)
@bp.alt_response(409, description="Its project was started")
def edit(changes: dict[str, Any], chapter_id: int) -> Response:
    """Rename or tick it while its project is reviewed"""
    with belongings().begin() as session:
        chapters.edit(session, chapter_id, **changes)
        return jsonify(snapshots.one_chapter(session, chapter_id))


@bp.get("/chapters/<int:chapter_id>/segments")
@bp.arguments(After, location="query")
@bp.response(200, Segment(many=True))
def segments(asked: dict[str, int], chapter_id: int) -> Response:
    """The next 200 segments after a position"""
    with belongings().begin() as session:
        return jsonify(snapshots_segments.page(session, chapter_id, asked["after"]))


@bp.post("/chapters/<int:chapter_id>/<any(retry,waive):step>")
@bp.response(200, ChapterWithText)
@bp.alt_response(409, description="Nothing of it has failed")
def mend(chapter_id: int, step: str) -> Response:
    """Try again what failed of it, or give it out without"""
    with belongings().begin() as session:
        getattr(chapters, step)(session, chapter_id)
        return jsonify(snapshots.one_chapter(session, chapter_id))


@bp.post("/chapters/<int:chapter_id>/render-again")
@bp.response(200, ChapterWithText)
@bp.alt_response(409, description="Nothing of it was spoken yet")
def render_again(chapter_id: int) -> Response:
    """Make new takes of all that was spoken; the earlier ones are heard until then"""
    with belongings().begin() as session:
        retakes.of_chapter(session, chapter_id)
        return jsonify(snapshots.one_chapter(session, chapter_id))


@bp.post("/chapters/<int:chapter_id>/mp3")
@bp.response(200, Release)
@bp.alt_response(202, schema=Making, description="It is being made", success=True)
@bp.alt_response(409, description="The chapter is not mastered yet")
def mp3(chapter_id: int) -> ResponseReturnValue:
    """Have its MP3 made, or find it made"""
    with belongings().begin() as session:
        made = publish.request_mp3(session, chapter_id)
        return (jsonify(making=True), 202) if made is None else jsonify(snapshots.release(made))


@bp.post("/segments/<int:segment_id>/retry")
@bp.response(200, ChapterWithText)
@bp.alt_response(409, description="It has not failed")
def retry_segment(segment_id: int) -> Response:
    """Speak a failed segment again"""
    with belongings().begin() as session:
        chapter = chapters.retry_segment(session, segment_id)
        return jsonify(snapshots.one_chapter(session, chapter.id))


@bp.post("/segments/<int:segment_id>/render-again")
@bp.response(200, ChapterWithText)
@bp.alt_response(409, description="It was not spoken yet")
def render_segment_again(segment_id: int) -> Response:
    """Make a new take of a spoken segment; the earlier one is heard until then"""
    with belongings().begin() as session:
        chapter = retakes.of_segment(session, segment_id)
        return jsonify(snapshots.one_chapter(session, chapter.id))


@bp.put("/segments/<int:segment_id>/direction")
@bp.arguments(Direction)
@bp.response(200, Segment)
@bp.alt_response(409, description="It is being spoken just now")
def direct_segment(wanted: dict[str, Any], segment_id: int) -> Response:
    """Have it spoken so, whatever its role's way is; the earlier take is heard until then"""
    with belongings().begin() as session:
        segment = directing.direct(session, segment_id, wanted)
        return jsonify(snapshots_segments.one(session, segment))


@bp.delete("/segments/<int:segment_id>/direction")
@bp.response(200, Segment)
@bp.alt_response(409, description="It is being spoken just now")
def undirect_segment(segment_id: int) -> Response:
    """Have it spoken as its role again; a take that was made so is found"""
    with belongings().begin() as session:
        segment = directing.direct(session, segment_id, None)
        return jsonify(snapshots_segments.one(session, segment))
