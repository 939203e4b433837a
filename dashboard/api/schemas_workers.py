"""The shapes of workers, of the tokens they join with, and of blocks."""

from typing import Any

from marshmallow import fields, validate

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
    string,
)
from dashboard.fields import Strict, row_id, small, text, whole
from farm.gpu import CLASSES
from farm.roster import ORDER
from farm.tables import Desired

TAG, MOST_TAGS = 40, 50
MOST_PROJECTS = 1000
DAY_S = 86_400
WISHES = [wish.value for wish in Desired if wish != Desired.REVOKED]


def strings() -> fields.List[Any]:
    return fields.List(fields.String(), **YES)


def tags(**options: Any) -> fields.List[Any]:
    return fields.List(text(TAG, 1), validate=validate.Length(max=MOST_TAGS), **options)


def project_ids(**options: Any) -> fields.List[Any]:
    said = {"description": "Those it may serve; none: every"}
    return fields.List(row_id(), validate=validate.Length(max=MOST_PROJECTS), metadata=said, **options)


def week(**options: Any) -> fields.Dict:
    example = {"zone": "Europe/Berlin", "hours": {"mon": [["22:00", "07:00"]]}}
    said = {"description": "When it works; {}: always", "example": example}
    return fields.Dict(keys=fields.String(), validate=small(4000), metadata=said, **options)


class Facts(Strict):
    step = string(metadata={"description": "What it does while it joins"})
    host = string()
    gpu = string()
    trouble = string(metadata={"description": "What keeps it from work, in its own words"})
    vram_used_mib = real(**MAYBE)
    vram_total_mib = real(**MAYBE)
    utilisation = real(metadata={"description": "0 to 1"}, **MAYBE)
    celsius = real(**MAYBE)
    watts = real(**MAYBE)
    speed_now = real(metadata={"description": "x realtime"}, **MAYBE)
    rss_mib = real(**MAYBE)
    spooled_mib = real(metadata={"description": "Spoken audio that waits for the store"}, **MAYBE)
    voices = real(metadata={"description": "How many it holds"}, **MAYBE)
    stages = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        metadata={"description": "Seconds by stage of its engine's work, since that was loaded"},
        **YES,
    )


class Doing(Strict):
    project = count()
    title = string()
    segments = count()
    since = moment(**MAYBE)


class Spoke(Strict):
    segment = count()
    chapter = count()
    project = count()
    title = string()
    display = string()


class Mishap(Strict):
    at = moment()
    project = count()
    title = string()
    chapter = count(**MAYBE)
    segment = count()
    display = string()
    kind = string()
    reason = string()


class KeptFrom(Strict):
    project = count()
    title = string()
    reason = nested(Sentence)


class Worker(Strict):
    id = count()
    name = string()
    word = string(validate=validate.OneOf(ORDER))
    why = nested(Sentence)
    wakes_at = moment(metadata={"description": "When it sleeps by its schedule"}, **MAYBE)
    desired = string(validate=validate.OneOf([wish.value for wish in Desired]))
    at_once = boolean()
    approved = boolean()
    ephemeral = boolean()
    local = boolean()
    gpu_class = string()
    engine = string()
    version = string()
    protocol = count()
    tags = strings()
    projects = fields.List(fields.Integer(), **YES)
    schedule = fields.Dict(keys=fields.String(), **YES)
    speed = real(metadata={"description": "x realtime"}, **MAYBE)
    benchmark = real(metadata={"description": "x realtime, measured when it joined"}, **MAYBE)
    facts = nested(Facts)
    doing = nested(Doing, allow_none=True)
    spoke = nested(Spoke, allow_none=True)
    failed = many(Mishap)
    kept_from = many(KeptFrom)
    address = string()
    last_seen = moment(**MAYBE)
    created_at = moment()


class WorkerChanges(Strict):
    tags = tags()
    projects = project_ids()
    schedule = week()
    gpu_class = fields.String(validate=validate.OneOf(CLASSES))


class Wish(Strict):
    desired = fields.String(required=True, validate=validate.OneOf(WISHES))
    at_once = fields.Boolean(
        load_default=False, metadata={"description": "Not after this batch, but now: the rest is given back"}
    )


class JoinToken(Strict):
    id = count()
    name = string()
    engine = string()
    gpu_class = string(metadata={"description": "Empty: by the card"})
    tags = strings()
    projects = fields.List(fields.Integer(), **YES)
    schedule = fields.Dict(keys=fields.String(), **YES)
    approval = boolean()
    ephemeral = boolean()
    uses = count()
    most_uses = count()
    expires_at = moment()
    created_at = moment()


class JoinTokenOnce(JoinToken):
    token = string(metadata={"description": "Said once: only its hash is kept"})
    line = string(metadata={"description": "What to run on the machine"})


class NewJoinToken(Strict):
    name = text(32, 1, required=True)
    engine = text(200, 1, load_default=None)
    gpu_class = fields.String(load_default="", validate=validate.OneOf(["", *CLASSES]))
    tags = tags(load_default=list)
    projects = project_ids(load_default=list)
    schedule = week(load_default=dict)
    approval = fields.Boolean(load_default=None, allow_none=True)
    ephemeral = fields.Boolean(load_default=False)
    most_uses = whole(1, 1000, load_default=1)
    lives_s = whole(60, 90 * DAY_S, load_default=3600)


class Block(Strict):
    worker = count()
    reason = nested(Sentence)
    created_at = moment()


class NewBlock(Strict):
    worker = row_id(required=True)
    reason = text(500, load_default="")
