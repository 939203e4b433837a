"""Voices over the API: presets, and recordings to send, hear, prepare, agree to, name and remove."""

from typing import Any

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard import snapshots_voices as snapshots
from dashboard import uploads
from dashboard.api.files import ANY, BYTES
from dashboard.api.noun import Noun
from dashboard.api.schemas import Hearing, Saving
from dashboard.api.schemas_voices import (
    Agreement,
    NewRecording,
    NewSample,
    Prepare,
    Recording,
    RecordingChanges,
    Sample,
    Voice,
)
from dashboard.auth import limiter
from dashboard.belongings import belongings
from dashboard.languages import say
from dashboard.media import send_object
from farm import recordings, samples
from farm.audio.cleaning import Preparation
from farm.errors import Rejected
from farm.uses import object_of

bp = Noun("api-voices", __name__, url_prefix="/api/v1/voices", description="Presets and recordings")

FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "name": {"type": "string", "description": "Default: the file's"},
        "trim": {"type": "boolean", "default": False},
        "denoise": {"type": "boolean", "default": False},
        "consent": {"type": "boolean", "default": False, "description": str(recordings.CONSENT)},
    },
}


@bp.get("")
@bp.response(200, Voice(many=True))
def index() -> Response:
    """The voices a role can be cast with"""
    with belongings().begin() as session:
        return jsonify(snapshots.everyone(session))


@bp.post("")
@bp.doc(requestBody={"required": True, "content": {"multipart/form-data": {"schema": FORM}}})
@bp.response(201, Recording)
@bp.alt_response(409, description="The name or the file is here already")
@bp.alt_response(413)
@bp.alt_response(422, description="No recording of a voice")
@uploads.takes(uploads.recordings)
@limiter.limit(uploads.RECORDINGS)
def create() -> ResponseReturnValue:
    """Send a recording of a voice; it is measured at once"""
    wanted = NewRecording().load(request.form.to_dict())
    if strangers := sorted(set(request.files) - {"file"}):
        raise Rejected(
            "Send the files in the field “{field}”, not in “{name}”.", field="file", name=strangers[0]
        )
    made = uploads.keep_recording(
        belongings(),
        request.files.get("file"),
        **wanted,
        by=current_user.name,
        sentence=say(recordings.CONSENT),
    )
    with belongings().begin() as session:
        return jsonify(snapshots.one(session, made)), 201


@bp.get("/<int:voice_id>")
@bp.response(200, Recording)
def show(voice_id: int) -> Response:
    """A recording: its quality with advice, what was done to it, who agreed, who uses it"""
    with belongings().begin() as session:
        return jsonify(snapshots.one(session, voice_id))


@bp.patch("/<int:voice_id>")
@bp.arguments(RecordingChanges)
@bp.response(200, Recording)
@bp.alt_response(409, description="The name is taken")
def edit(changes: dict[str, Any], voice_id: int) -> Response:
    """Rename it; what was cast with it stays so"""
    with belongings().begin() as session:
        recordings.rename(session, voice_id, changes["name"])
        return jsonify(snapshots.one(session, voice_id))


@bp.post("/<int:voice_id>/prepare")
@bp.arguments(Prepare)
@bp.response(200, Recording)
def prepare(wanted: dict[str, bool], voice_id: int) -> Response:
    """Trim or denoise it, or undo that; what was sent is kept, and projects that began go on as they are"""
    have = belongings()
    recordings.prepare(have.begin, have.store, voice_id, Preparation(**wanted))
    with have.begin() as session:
        return jsonify(snapshots.one(session, voice_id))


@bp.post("/<int:voice_id>/consent")
@bp.arguments(Agreement)
@bp.response(200, Recording)
def consent(_agreed: dict[str, bool], voice_id: int) -> Response:
    """Say that it may be used: it is your own voice, or its speaker allowed it"""
    with belongings().begin() as session:
        recordings.agree(session, voice_id, by=current_user.name, sentence=say(recordings.CONSENT))
        return jsonify(snapshots.one(session, voice_id))


@bp.delete("/<int:voice_id>")
@bp.response(200, Recording)
@bp.alt_response(409, description="A project that is not over speaks with it")
def remove(voice_id: int) -> Response:
    """Take it out of use; its audio is deleted a day later, once no project has it either"""
    with belongings().begin() as session:
        return jsonify(snapshots.of(session, recordings.remove(session, voice_id)))


@bp.post("/<int:voice_id>/restore")
@bp.response(200, Recording)
@bp.alt_response(409, description="Its name was taken since")
def restore(voice_id: int) -> Response:
    """Bring it back after it was removed"""
    with belongings().begin() as session:
        recordings.restore(session, voice_id)
        return jsonify(snapshots.one(session, voice_id))


@bp.get("/<int:voice_id>/audio")
@bp.arguments(Hearing, location="query")
@bp.response(200, BYTES, content_type="audio/wav")
@bp.alt_response(206, schema=BYTES, content_type="audio/wav", description="The range that was asked for")
@bp.alt_response(416, description="The file is shorter")
def audio(asked: dict[str, Any], voice_id: int) -> Response:
    """What engines are given of it"""
    with belongings().begin() as session:
        row = recordings.find(session, voice_id)
    return send_object(
        belongings().store, object_of(row.voice), lasts=row.voice.startswith(asked["of"] or "-")
    )


@bp.get("/<int:voice_id>/original")
@bp.arguments(Saving, location="query")
@bp.response(200, BYTES, content_type=ANY)
@bp.alt_response(206, schema=BYTES, content_type=ANY, description="The range that was asked for")
@bp.alt_response(416, description="The file is shorter")
def original(asked: dict[str, Any], voice_id: int) -> Response:
    """What was sent"""
    with belongings().begin() as session:
        row = recordings.find(session, voice_id)
    return send_object(belongings().store, row.object, row.filename if asked["download"] else None)


@bp.post("/<int:voice_id>/sample")
@bp.arguments(NewSample)
@bp.response(202, Sample)
@bp.alt_response(409, description="No worker speaks with recordings")
@bp.alt_response(422, description="Nobody has agreed yet")
def try_out(asked: dict[str, str], voice_id: int) -> ResponseReturnValue:
    """Have a sentence spoken with it, before everything else; ask for it until it is done"""
    with belongings().begin() as session:
        return jsonify(snapshots.sample(samples.ask(session, voice_id, **asked))), 202


@bp.get("/<int:voice_id>/sample")
@bp.response(200, Sample)
@bp.alt_response(404, description="None was asked for lately")
def sample(voice_id: int) -> Response:
    """The sentence that was asked for last, and how far it is"""
    with belongings().begin() as session:
        return jsonify(snapshots.sample(samples.latest(session, voice_id)))


@bp.get("/<int:voice_id>/sample/audio")
@bp.response(200, BYTES, content_type="audio/mp4")
@bp.alt_response(206, schema=BYTES, content_type="audio/mp4", description="The range that was asked for")
@bp.alt_response(404, description="It is not done yet")
@bp.alt_response(416, description="The file is shorter")
def sample_audio(voice_id: int) -> Response:
    """The sentence that was asked for last, as it is heard in a book"""
    with belongings().begin() as session:
        made = samples.latest(session, voice_id).audio
    return send_object(belongings().store, made, lasts=False)
