"""The shape of a direction, as the API is told it and tells it."""

from marshmallow import fields, validate

from dashboard.fields import Strict, number, text
from farm.directions import INTENSITIES, LONGEST_WORDS, PACES, SECONDS, STRENGTHS, WEIGHTS
from farm.engine import EMOTIONS


class Direction(Strict):
    pace = number(
        *PACES,
        allow_none=True,
        metadata={
            "description": "1 is the engine's own tempo, 2 twice as fast; the one thing every engine does"
        },
    )
    seconds = number(
        *SECONDS, allow_none=True, metadata={"description": "In exactly so many instead; of a segment only"}
    )
    emotion = fields.Dict(
        keys=fields.String(validate=validate.OneOf(EMOTIONS)),
        values=number(*WEIGHTS),
        metadata={"description": "Weights by name"},
    )
    intensity = number(*INTENSITIES, allow_none=True)
    words = text(LONGEST_WORDS, allow_none=True, metadata={"description": "The emotion in a few words"})
    like = text(
        100,
        allow_none=True,
        metadata={"description": "The recording whose emotion is taken, as casts name it: recording:12"},
    )
    strength = number(*STRENGTHS, allow_none=True, metadata={"description": "By which it is taken"})
