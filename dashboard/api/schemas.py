"""The shapes of what the API is sent and answers; every answer of the tests is checked against them."""

from typing import Any

from marshmallow import fields, validate

from dashboard.api.schemas_directions import Direction
from dashboard.fields import Strict, row_id, small, text, whole
from farm.project_fields import LANGUAGES, LONGEST_TAG, MOST_TAGS, MOST_WORKERS
from farm.projects import KINDS
from farm.tables import ChapterState, ProjectState, SegmentState

YES: dict[str, Any] = {"required": True}
MAYBE: dict[str, Any] = {"required": True, "allow_none": True}
ENCODING = 40  # characters of an encoding's name


def string(**options: Any) -> fields.String:
    return fields.String(**(YES | options))


def count(**options: Any) -> fields.Integer:
    return fields.Integer(strict=True, **(YES | options))


def real(**options: Any) -> fields.Float:
    return fields.Float(allow_nan=False, **(YES | options))


def boolean() -> fields.Boolean:
    return fields.Boolean(**YES)


def state(states: Any) -> fields.String:
    return string(validate=validate.OneOf([state.value for state in states]))


def moment(**options: Any) -> fields.DateTime:
    return fields.AwareDateTime(format="iso", **(YES | options))


def nested(schema: type[Strict], **options: Any) -> fields.Nested:
    return fields.Nested(schema, **(YES | options))


def many(schema: type[Strict]) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), **YES)


class Failure(Strict):
    error = string(metadata={"description": "What is wrong and the remedy, in the reader's language"})
    template = string()
    values = fields.Dict(keys=fields.String(), **YES)


class Sentence(Strict):
    template = string(metadata={"description": "English, with {names}"})
    values = fields.Dict(keys=fields.String(), **YES)
    text = string(metadata={"description": "In the reader's language"})


class Farm(Strict):
    word = string(validate=validate.OneOf(["working", "waiting", "idle", "asleep", "trouble"]))
    why = nested(Sentence)
    details = many(Sentence)
    workers = count()
    speed = real(metadata={"description": "Seconds of audio a second, of the workers that are busy"})


class Piece(Strict):
    id = count()
    state = state(ChapterState)
    share = real(metadata={"description": "0 to 1"})
    failed = count(metadata={"description": "Segments"})


class TitledPiece(Piece):
    title = string()
    weight = real(metadata={"description": "Seconds of audio"})


class OneMore(Strict):
    class_ = string(data_key="class")
    title = string(metadata={"description": "As people call the class"})
    soonest_s = real()
    latest_s = real()
    measured = boolean()
    in_time = boolean()


class Forecast(Strict):
    soonest_s = real(**MAYBE)
    latest_s = real(**MAYBE)
    deadline = moment(**MAYBE)
    spare_s = real(metadata={"description": "Left until the deadline; below 0: missed"}, **MAYBE)
    late = boolean()
    one_more = nested(OneMore, allow_none=True, metadata={"description": "What another worker would change"})


class Figures(Strict):
    share = real(metadata={"description": "0 to 1"})
    done_s = real()
    total_s = real()
    soonest_s = real(**MAYBE)
    latest_s = real(**MAYBE)
    failed = count(metadata={"description": "Segments"})
    why = nested(Sentence, allow_none=True)
    reasons = many(Sentence)
    forecast = nested(Forecast)


class Progress(Figures):
    strip = many(TitledPiece)


class Live(Figures):
    id = count()
    state = state(ProjectState)
    failure = nested(Sentence, allow_none=True)
    shortened = nested(Sentence, allow_none=True)
    strip = many(Piece)
    releases = count()
    underway = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        metadata={"description": "Chapter -> share of the house work that goes on"},
        **YES,
    )


class Needs(Strict):
    engine = string()
    precision = string(**MAYBE)
    longest_segment = real(metadata={"description": "Spoken characters; none before the start"}, **MAYBE)
    classes = fields.List(fields.String(), metadata={"description": "That could serve it"}, **YES)
    tags = fields.List(fields.String(), **YES)


class Prospect(Strict):
    longest_segment = real(metadata={"description": "Spoken characters; none: nobody may serve it"}, **MAYBE)
    soonest_s = real(**MAYBE)
    latest_s = real(**MAYBE)


class Choice(Strict):
    class_ = string(data_key="class")
    workers = count()
    allowed = boolean()
    with_it = nested(Prospect)
    without_it = nested(Prospect)


class Outlook(Prospect):
    choices = many(Choice)


class Project(Strict):
    id = count()
    kind = string(validate=validate.OneOf(KINDS))
    state = state(ProjectState)
    title = string()
    author = string()
    narrator = string()
    language = string()
    description = string()
    has_cover = boolean()
    priority = count()
    engine = string()
    preset = string(metadata={"description": "How carefully it is spoken; none: its engine knows one way"})
    created_at = moment()
    started_at = moment(**MAYBE)
    finished_at = moment(**MAYBE)
    failure = nested(Sentence, allow_none=True)
    classes = fields.List(fields.String(), metadata={"description": "Allowed; none: every"}, **YES)
    tags = fields.List(fields.String(), **YES)
    most_workers = count(**MAYBE)
    deadline = moment(**MAYBE)
    needs = nested(Needs)
    shortened = nested(Sentence, allow_none=True)
    progress = nested(Progress)


class Removed(Strict):
    reason = nested(Sentence)
    characters = count()
    sample = string()


class EncodingGuess(Strict):
    name = string()
    replaced = count()
    sample = string()


class Reading(Strict):
    characters = count()
    oddities = many(Sentence)
    removed = many(Removed)
    encoding = nested(EncodingGuess, allow_none=True)


class Chapter(Strict):
    id = count()
    project = count()
    position = count()
    kind = string()
    title = string()
    volume = string()
    characters = count()
    included = boolean()
    state = state(ChapterState)
    segments = count()
    segments_done = count()
    segments_failed = count()
    seconds = real(**MAYBE)
    loudness = fields.Dict(keys=fields.String(), **MAYBE)
    failure = nested(Sentence, allow_none=True)
    files = fields.List(fields.String(), **YES)
    mp3 = count(metadata={"description": "Its release"}, **MAYBE)


class ChapterWithText(Chapter):
    text = string(metadata={"description": "The beginning of it"})


class Segment(Strict):
    id = count()
    position = count()
    role = string()
    display = string()
    state = state(SegmentState)
    seconds = real(**MAYBE)
    failure = nested(Sentence, allow_none=True)
    start_s = real(**MAYBE)
    end_s = real(**MAYBE)
    direction = nested(Direction, allow_none=True, metadata={"description": "Its own; none: its role's"})
    warnings = many(Sentence)


class Release(Strict):
    id = count()
    chapter = count(**MAYBE)
    format = string()
    name = string()
    size = count(metadata={"description": "Bytes"})
    seconds = real(**MAYBE)
    created_at = moment()


class Making(Strict):
    making = boolean()


class Source(Strict):
    filename = string()
    size = count(metadata={"description": "Bytes"})
    encoding = string(**MAYBE)


class ProjectWithAll(Project):
    reading = nested(Reading)
    chapters = many(Chapter)
    releases = many(Release)
    cast = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Role -> the name of its voice, as /voices has it"},
        **YES,
    )
    directions = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(Direction),
        metadata={"description": "Role -> how it speaks; others speak as the engine does, or the narrator"},
        **YES,
    )
    warnings = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Nested(Sentence)),
        metadata={"description": "Role -> what may be heard to be wrong with its direction"},
        **YES,
    )
    mastering = fields.Dict(keys=fields.String(), **YES)
    lexicon = string()
    one_sentence = boolean()
    seed = count()
    longest_segment = real()
    outlook = nested(Outlook, allow_none=True, metadata={"description": "Until the start"})
    sources = many(Source)


class Event(Strict):
    id = count()
    at = moment()
    chapter = count(**MAYBE)
    what = fields.Dict(keys=fields.String(), **YES)


class NewProject(Strict):
    kind = fields.String(load_default="book", validate=validate.OneOf(KINDS))
    encoding = text(ENCODING, load_default=None)
    engine = text(100, 1, load_default=None)


class ProjectChanges(Strict):
    title = text(500, 1)
    author = text(500)
    narrator = text(500)
    description = text(20_000)
    language = fields.String(validate=validate.OneOf(LANGUAGES))
    cast = fields.Dict(
        keys=text(100, 1), values=text(100, allow_none=True), validate=validate.Length(max=200)
    )
    directions = fields.Dict(
        keys=text(100, 1), values=fields.Nested(Direction, allow_none=True), validate=validate.Length(max=200)
    )
    preset = text(40)
    mastering = fields.Dict(keys=fields.String(), validate=small(4000))
    lexicon = text(500_000)
    one_sentence = fields.Boolean()
    seed = whole()
    priority = whole(0, 100)
    classes = fields.List(text(40), validate=validate.Length(max=20))
    tags = fields.List(text(LONGEST_TAG), validate=validate.Length(max=MOST_TAGS))
    most_workers = whole(1, MOST_WORKERS, allow_none=True)
    deadline = fields.AwareDateTime(format="iso", allow_none=True)


class ReadAgain(Strict):
    encoding = text(ENCODING, load_default=None)


class Ticks(Strict):
    ids = fields.List(row_id(), required=True, validate=validate.Length(max=100_000))
    included = fields.Boolean(required=True)


class ChapterChanges(Strict):
    title = text(500, 1)
    included = fields.Boolean()


class After(Strict):
    after = fields.Integer(load_default=-1, validate=validate.Range(-1, 2**31 - 1))


class OfProject(Strict):
    project = fields.Integer(load_default=None, validate=validate.Range(1, 2**31 - 1))


class Hearing(Strict):
    of = fields.String(
        load_default="",
        validate=validate.Length(max=80),
        metadata={"description": "What a browser keeps it by: another one for another recording"},
    )


class Saving(Hearing):
    download = fields.Boolean(load_default=False)


class AuditRow(Strict):
    id = count()
    at = moment()
    who = string(metadata={"description": "A user, with the token's name where a script did it"})
    address = string()
    action = string()
    target = string()
    status = count(metadata={"description": "Of the answer, as HTTP has it; 401 where a stranger asked"})
    values = fields.Dict(keys=fields.String(), **YES)


class Audited(Strict):
    rows = many(AuditRow)
    older = count(allow_none=True, metadata={"description": "Ask for what lies before this row"})


class OfAudit(Strict):
    before = fields.Integer(load_default=None, validate=validate.Range(0, 2**63 - 1))
    most = fields.Integer(load_default=100, validate=validate.Range(1, 500))
    words = text(200, load_default="")
