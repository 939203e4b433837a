"""Voices: recordings to send, to make in the browser, to hear and to prepare; the presets beside them."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard import snapshots_voices as snapshots
from dashboard import uploads
from dashboard.auth import limiter
from dashboard.belongings import belongings
from dashboard.languages import language, say
from farm import recordings
from farm.audio import received
from farm.audio.cleaning import LONGEST_S
from farm.errors import FarmError
from farm.samples import LONGEST
from farm.voices import PRESETS, SAMPLES, TO_RECORD

bp = Blueprint("voices", __name__)

YES = "on"  # what a browser sends of a box that is ticked


@bp.get("/voices")
def index() -> ResponseReturnValue:
    return page()


@bp.post("/voices")
@uploads.takes(uploads.recordings)
@limiter.limit(uploads.RECORDINGS)
def create() -> ResponseReturnValue:
    """A form, so that sending a file works without scripts."""
    form = request.form
    made = uploads.keep_recording(
        belongings(),
        request.files.get("file"),
        name=form.get("name", "").strip(),
        trim=form.get("trim") == YES,
        denoise=form.get("denoise") == YES,
        consent=form.get("consent") == YES,
        by=current_user.name,
        sentence=say(recordings.CONSENT),
    )
    return redirect(url_for(".index", _anchor=f"r{made}"))


@bp.errorhandler(FarmError)
def refused(e: FarmError) -> ResponseReturnValue:
    return page(sentence=say(e.message), name=request.form.get("name", "")), e.status


def page(**also: object) -> str:
    with belongings().begin() as session:
        everyone = snapshots.everyone(session)
        gone = [snapshots.of(session, row) for row in recordings.removed(session)]
    return render_template(
        "voices.html",
        voices=[voice["recording"] for voice in everyone if voice["recording"]],
        removed=gone,
        presets=PRESETS,
        consent=say(recordings.CONSENT),
        formats=received.NAMES,
        limit_mb=recordings.LARGEST // 2**20,
        longest_s=round(LONGEST_S),
        to_record=TO_RECORD[language()],
        sample=SAMPLES[language()],
        longest_sample=LONGEST,
        **also,
    )
