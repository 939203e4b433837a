"""What workers say to the worker API, and how much of it is taken."""

from marshmallow import fields, validate

from dashboard.fields import LARGEST_ID, Strict, number, row_id, small, text, whole
from farm import joining
from farm.tables import WorkerState

MOST_FACTS = 20_000  # characters of JSON


class BeatSchema(Strict):
    state = fields.Enum(WorkerState, by_value=True, required=True)
    engine = text(100, required=True)
    fingerprint = text(128, required=True)
    protocol = whole(1, required=True)
    version = text(64, load_default="")
    facts = fields.Dict(keys=fields.String(), load_default=dict, validate=small(MOST_FACTS))


class CardSchema(Strict):
    uuid = text(100, 1, required=True)
    name = text(200, required=True)
    vram_gib = number(0, 1e5, required=True)


class JoinSchema(Strict):
    token = text(100, required=True)  # the secret in it
    protocol = whole(1, required=True)
    version = text(64, load_default="")
    hostname = text(255, 1, required=True)
    cards = fields.List(
        fields.Nested(CardSchema), load_default=list, validate=validate.Length(max=joining.MOST_CARDS)
    )


class MeasuredSchema(Strict):
    speed = number(0, 1e9, required=True)
    batch = whole(1, required=True)
    peak_mib = number(0, 1e9, required=True)


class TokenSchema(Strict):
    token = text(64, required=True)


class RenewSchema(TokenSchema):
    progress = number(0, 1e9, required=True)
    in_hand = fields.List(row_id(), load_default=list, validate=validate.Length(max=1000))


class UploadsSchema(TokenSchema):
    sizes = fields.Dict(
        keys=fields.Integer(), values=whole(), required=True, validate=validate.Length(max=1000)
    )


class ResultSchema(Strict):
    segment = row_id(required=True)
    size = whole()
    sha256 = fields.String(validate=validate.Regexp(r"[0-9a-f]{64}\Z"))
    seconds = number(0, 1e6)
    busy_s = number(0, 1e6)
    seed = whole(-(2**63), LARGEST_ID)
    kind = fields.String(validate=validate.OneOf(["text", "voice", "engine", "memory", "timeout"]))
    reason = text(2000)


class AcceptSchema(TokenSchema):
    results = fields.List(fields.Nested(ResultSchema), required=True, validate=validate.Length(max=1000))
    last = fields.Boolean(load_default=False)
