"""The shapes of what the API says of voices, and is told."""

from marshmallow import ValidationError, fields, validate

from dashboard.api.schemas import (
    MAYBE,
    YES,
    Sentence,
    boolean,
    count,
    many,
    moment,
    nested,
    real,
    state,
    string,
)
from dashboard.fields import Strict
from dashboard.fields import text as words
from dashboard.snapshots_voices import KINDS
from farm.audio.quality import Grade
from farm.recordings import LONGEST_NAME
from farm.samples import LONGEST, STATES
from farm.tables import ProjectState


class Quality(Strict):
    seconds = real()
    clipped = real(metadata={"description": "Share of samples, 0 to 1"})
    noise_db = real(
        metadata={"description": "Of the pauses, dB of full scale; none: digital silence"}, **MAYBE
    )
    snr_db = real(metadata={"description": "Speech over noise; none: no speech, or no noise"}, **MAYBE)
    bandwidth_hz = count(metadata={"description": "Up to where the voice is heard"})
    speech = real(metadata={"description": "Share of the time in which someone speaks, 0 to 1"})


class Qualities(Strict):
    sent = nested(Quality)
    given = nested(Quality)


class Preparation(Strict):
    trim = boolean()
    denoise = boolean()
    start_s = real(metadata={"description": "What is kept of it: from when"})
    end_s = real()


class Consent(Strict):
    sentence = string()
    by = string()
    at = moment()


class Use(Strict):
    project = count()
    title = string()
    state = state(ProjectState)
    roles = fields.List(fields.String(), **YES)


class Recording(Strict):
    id = count()
    name = string()
    voice = string(metadata={"description": "SHA-256 of what engines are given; part of every take's name"})
    uploaded_by = string()
    created_at = moment()
    filename = string()
    size = count(metadata={"description": "Bytes of what was sent"})
    seconds = real(metadata={"description": "Of what was sent"})
    given_seconds = real(metadata={"description": "Of what engines are given"})
    preparation = nested(Preparation)
    quality = nested(Qualities)
    grade = string(validate=validate.OneOf([grade.value for grade in Grade]))
    advice = many(Sentence)
    consent = nested(Consent, allow_none=True, metadata={"description": "None: nobody is cast with it yet"})
    used_by = many(Use)
    removed_at = moment(**MAYBE)


class Sample(Strict):
    text = string()
    engine = string()
    state = string(validate=validate.OneOf(STATES))
    why = nested(Sentence, allow_none=True, metadata={"description": "It waits, or failed"})
    seconds = real(metadata={"description": "Once it is done"}, **MAYBE)


class NewSample(Strict):
    text = words(LONGEST, 1, required=True)
    engine = words(100, 1, load_default="", metadata={"description": "Default: one that a worker here has"})


class Voice(Strict):
    name = string(metadata={"description": "What a project's cast names it by"})
    title = string()
    kind = string(validate=validate.OneOf(KINDS))
    recording = nested(Recording, allow_none=True)


def yes(value: bool) -> None:
    if not value:
        raise ValidationError("Only true can be agreed to.")


class NewRecording(Strict):
    name = words(LONGEST_NAME, load_default="")
    trim = fields.Boolean(load_default=False)
    denoise = fields.Boolean(load_default=False)
    consent = fields.Boolean(load_default=False)


class RecordingChanges(Strict):
    name = words(LONGEST_NAME, 1, required=True)


class Prepare(Strict):
    trim = fields.Boolean(required=True)
    denoise = fields.Boolean(required=True)


class Agreement(Strict):
    agree = fields.Boolean(required=True, validate=yes)
