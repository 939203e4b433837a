"""The rows the farm remembers. PostgreSQL only; every time is aware and comes from the database's clock."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]


class ProjectState(StrEnum):
    DRAFT = "draft"
    IMPORTING = "importing"
    REVIEW = "review"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class ChapterState(StrEnum):
    DRAFT = "draft"
    PLANNED = "planned"
    RENDERING = "rendering"
    MASTERING = "mastering"
    DONE = "done"
    HELD = "held"


class SegmentState(StrEnum):
    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    EXPIRED = "expired"
    FAILED = "failed"
    RECALLED = "recalled"


class JobKind(StrEnum):
    IMPORT = "import"
    PLAN = "plan"
    RENDER = "render"
    MASTER = "master"
    PUBLISH = "publish"


class WorkerState(StrEnum):
    """What a worker reports of itself."""

    ENROLLED = "enrolled"
    READY = "ready"
    BUSY = "busy"
    ASLEEP = "asleep"
    ERROR = "error"


class Desired(StrEnum):
    """What a person wants of a worker."""

    RUN = "run"
    DRAIN = "drain"
    SLEEP = "sleep"
    MAINTENANCE = "maintenance"
    STOP = "stop"
    REVOKED = "revoked"


class Row(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        str: Text,
        datetime: DateTime(timezone=True),
        Json: JSONB,
        list[Any]: JSONB,
        list[int]: ARRAY(BigInteger),
        list[str]: ARRAY(Text),
    }


def created() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def project_key() -> Mapped[int]:
    return mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)


class User(Row):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime] = created()


class SignInLink(Row):
    """A one-time link; only the hash of its token is kept."""

    __tablename__ = "sign_in_links"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiToken(Row):
    """What a script signs in with; only the hash is kept."""

    __tablename__ = "api_tokens"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    created_at: Mapped[datetime] = created()


class Project(Row):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    kind: Mapped[str]  # book | course
    state: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    author: Mapped[str] = mapped_column(server_default="")
    narrator: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str] = mapped_column(server_default="")  # zh | en | ja | ko, "" until read
    description: Mapped[str] = mapped_column(server_default="")
    cover: Mapped[str | None]  # object name
    engine: Mapped[str]
    pin: Mapped[Json] = mapped_column(
        server_default="{}"
    )  # fingerprint, precision, preset: fixed at the start
    seed: Mapped[int] = mapped_column(server_default="0")
    preset: Mapped[str] = mapped_column(server_default="")  # how carefully it is spoken; "": the default
    longest_segment: Mapped[float] = mapped_column(server_default="100")  # spoken characters
    one_sentence: Mapped[bool] = mapped_column(server_default=text("false"))
    cast: Mapped[Json] = mapped_column(server_default="{}")  # role -> voice
    directions: Mapped[Json] = mapped_column(
        server_default="{}"
    )  # role -> direction, what differs from usual
    mastering: Mapped[Json] = mapped_column(server_default="{}")
    lexicon: Mapped[str] = mapped_column(server_default="")
    priority: Mapped[int] = mapped_column(server_default="50")
    weight: Mapped[float] = mapped_column(server_default="1")
    classes: Mapped[list[str]] = mapped_column(
        server_default="{}"
    )  # GPU classes that may serve it; {}: every
    tags: Mapped[list[str]] = mapped_column(server_default="{}")  # its workers carry all of them
    most_workers: Mapped[int | None]  # at once; None: as many as there are
    deadline: Mapped[datetime | None]
    shortened: Mapped[Json | None]  # why its segments were cut shorter than at the start
    reading: Mapped[Json] = mapped_column(server_default="{}")  # oddities, removed parts, encoding guess
    request: Mapped[str | None] = mapped_column(index=True)  # hash of what `farm render` was asked for
    failure: Mapped[Json | None]
    created_at: Mapped[datetime] = created()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Source(Row):
    """An uploaded file."""

    __tablename__ = "sources"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = project_key()
    position: Mapped[int]
    filename: Mapped[str]
    object: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    encoding: Mapped[str | None]  # chosen by a person


class Chapter(Row):
    __tablename__ = "chapters"
    __table_args__ = (UniqueConstraint("project_id", "position", deferrable=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = project_key()
    position: Mapped[int]
    kind: Mapped[str]
    title: Mapped[str]
    volume: Mapped[str]
    text: Mapped[str] = mapped_column(deferred=True)
    characters: Mapped[int]
    included: Mapped[bool]
    state: Mapped[str]
    segments: Mapped[int] = mapped_column(server_default="0")
    segments_done: Mapped[int] = mapped_column(server_default="0")
    segments_failed: Mapped[int] = mapped_column(server_default="0")
    length: Mapped[float] = mapped_column(server_default="0")  # spoken characters
    length_done: Mapped[float] = mapped_column(server_default="0")
    seconds: Mapped[float | None]  # of the mastered audio
    mastered: Mapped[Json | None]  # loudness, and where each segment lies
    files: Mapped[Json] = mapped_column(server_default="{}")  # m4a, srt, vtt -> object name
    failure: Mapped[Json | None]


class Segment(Row):
    """What the engine speaks in one breath. The only table with hundreds of thousands of rows."""

    __tablename__ = "segments"
    __table_args__ = (
        UniqueConstraint("chapter_id", "position"),
        Index("ix_segments_ready", "project_id", "rank", postgresql_where=text("state = 'ready'")),
        Index("ix_segments_leased", "job_id", postgresql_where=text("state = 'leased'")),
        Index("ix_segments_failed", "chapter_id", postgresql_where=text("state = 'failed'")),
        Index(
            "ix_segments_tried",
            "project_id",
            "rank",
            postgresql_where=text("state = 'ready' AND attempts > 0"),
        ),
        Index("ix_segments_earlier", "earlier_key", postgresql_where=text("earlier_key IS NOT NULL")),
        Index("ix_segments_directed", "project_id", postgresql_where=text("direction IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    chapter_id: Mapped[int] = mapped_column(ForeignKey("chapters.id", ondelete="CASCADE"))
    position: Mapped[int]
    rank: Mapped[int] = mapped_column(BigInteger)  # order in the book: early chapters are spoken first
    role: Mapped[str]
    language: Mapped[str]
    display: Mapped[str]
    spoken: Mapped[str]
    after: Mapped[str]
    length: Mapped[float]  # spoken characters
    sentences: Mapped[list[Any]]  # [end in display, spoken characters]
    state: Mapped[str]
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    take_key: Mapped[str | None] = mapped_column(index=True)  # None: nothing to speak
    take_number: Mapped[int] = mapped_column(server_default="0")  # of the take that is wanted
    direction: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))  # its own; None: its role's
    earlier_key: Mapped[str | None]  # of the take that is kept until the wanted one is there
    earlier_number: Mapped[int | None]  # of that take; None: one before the wanted one's
    earlier_direction: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    attempts: Mapped[int] = mapped_column(server_default="0")
    failed_by: Mapped[list[int]] = mapped_column(server_default="{}")  # workers
    failure: Mapped[Json | None]


class Take(Row):
    """The audio of a recipe; segments find it by its key."""

    __tablename__ = "takes"
    key: Mapped[str] = mapped_column(primary_key=True)
    object: Mapped[str]
    size: Mapped[int]
    seconds: Mapped[float]
    seed: Mapped[int] = mapped_column(BigInteger)  # the one used, after the engine's own retries
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = created()


class Job(Row):
    """One delivery attempt of one unit of work; never reused: a second try is a new row with a new token."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_open", "queue", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_jobs_project", "project_id", "kind"),
        Index("ix_jobs_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    token: Mapped[str]
    queue: Mapped[str]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    chapter_id: Mapped[int | None] = mapped_column(ForeignKey("chapters.id", ondelete="CASCADE"), index=True)
    payload: Mapped[Json] = mapped_column(server_default="{}")
    attempt: Mapped[int] = mapped_column(server_default="1")
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id", ondelete="SET NULL"))
    in_hand: Mapped[list[int]] = mapped_column(server_default="{}")  # segments the worker said it is speaking
    progress: Mapped[float] = mapped_column(server_default="0")  # 0 to 1
    progressed_at: Mapped[datetime | None]
    cost_s: Mapped[float] = mapped_column(server_default="0")  # expected rendering seconds, for fairness
    cpu_s: Mapped[float | None]  # processor seconds that the house spent on it
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime] = created()
    audio_s: Mapped[float] = mapped_column(server_default="0")  # accepted of a render job
    created_at: Mapped[datetime] = created()
    published_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    failure: Mapped[Json | None]


class Turn(Row):
    """How far a project is in the rotation of a GPU class, in seconds of rendering ÷ weight."""

    __tablename__ = "turns"
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    gpu_class: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[float]  # where its latest job began
    finish: Mapped[float]  # where it ends: the next begins there


class Worker(Row):
    """One process on one GPU of one machine (or on its CPU)."""

    __tablename__ = "workers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    broker_hash: Mapped[str] = mapped_column(
        server_default=""
    )  # SHA-256 of its Redis password, as ACLs have it
    local: Mapped[bool]  # shares the store's folder with the farm
    gpu_class: Mapped[str]
    engine: Mapped[str] = mapped_column(server_default="")
    fingerprint: Mapped[str] = mapped_column(server_default="")
    protocol: Mapped[int] = mapped_column(server_default="0")  # 0: never reported
    version: Mapped[str] = mapped_column(server_default="")  # of the wheel it runs
    state: Mapped[str]
    desired: Mapped[str] = mapped_column(server_default="run")
    at_once: Mapped[bool] = mapped_column(server_default=text("false"))  # not after this batch, but now
    approved: Mapped[bool] = mapped_column(server_default=text("true"))
    ephemeral: Mapped[bool] = mapped_column(server_default=text("false"))  # forgotten when it stays away
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    projects: Mapped[list[int]] = mapped_column(server_default="{}")  # that it may serve; {}: every
    schedule: Mapped[Json] = mapped_column(server_default="{}")  # when it works; {}: always
    speed: Mapped[float | None]  # x realtime, moving average over accepted takes
    benchmark: Mapped[float | None]  # x realtime, measured when it joined
    profile: Mapped[Json] = mapped_column(server_default="{}")  # what was measured beside it: batch, peak_mib
    strikes: Mapped[list[int]] = mapped_column(server_default="{}")  # segments failed here in a row
    hold: Mapped[Json | None]  # why the farm gives it no work
    last_take: Mapped[str | None]  # key
    facts: Mapped[Json] = mapped_column(server_default="{}")
    address: Mapped[str] = mapped_column(server_default="")  # where it was last heard from
    last_seen: Mapped[datetime | None]
    created_at: Mapped[datetime] = created()


class JoinToken(Row):
    """What a machine joins with, and what its workers will be; only the token's hash is kept."""

    __tablename__ = "join_tokens"
    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]  # of the worker; of a reusable token, what its workers' names begin with
    engine: Mapped[str]
    gpu_class: Mapped[str] = mapped_column(server_default="")  # "": by what the card has
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    projects: Mapped[list[int]] = mapped_column(server_default="{}")
    schedule: Mapped[Json] = mapped_column(server_default="{}")
    approval: Mapped[bool] = mapped_column(server_default=text("false"))  # a person lets its workers in
    ephemeral: Mapped[bool] = mapped_column(server_default=text("false"))
    uses: Mapped[int] = mapped_column(server_default="0")
    most_uses: Mapped[int] = mapped_column(server_default="1")
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created()


class Block(Row):
    """A worker that a project is kept from."""

    __tablename__ = "blocks"
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    worker_id: Mapped[int] = mapped_column(
        ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    reason: Mapped[Json]
    created_at: Mapped[datetime] = created()


class Mishap(Row):
    """What went wrong with a segment on a worker; the last ones are shown on its card."""

    __tablename__ = "mishaps"
    __table_args__ = (Index("ix_mishaps_worker_id_id", "worker_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = created()
    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"))
    project_id: Mapped[int] = project_key()
    segment_id: Mapped[int] = mapped_column(BigInteger)
    display: Mapped[str]  # the beginning of its text
    kind: Mapped[str]  # as in farm.engine.SpeechFailure, or lost, upload, audio
    reason: Mapped[str]


class Audit(Row):
    """Who changed what, when, from where; never altered."""

    __tablename__ = "audits"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = created()
    who: Mapped[str]
    address: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    values: Mapped[Json] = mapped_column(server_default="{}")
    status: Mapped[int]  # of the answer, as HTTP has it


class Recording(Row):
    """A voice: the file as it was sent, what is made of it for engines, and the right to use it."""

    __tablename__ = "recordings"
    __table_args__ = (
        Index("ix_recordings_name", "name", unique=True, postgresql_where=text("removed_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    uploaded_by: Mapped[str]
    created_at: Mapped[datetime] = created()
    filename: Mapped[str]
    object: Mapped[str]  # of the file as it was sent
    size: Mapped[int]  # bytes of it
    sha256: Mapped[str] = mapped_column(index=True)  # of it
    seconds: Mapped[float]  # of it
    voice: Mapped[str]  # SHA-256 of what engines are given: names its object, is in casts and takes' keys
    voice_seconds: Mapped[float]
    earlier: Mapped[list[str]] = mapped_column(server_default="{}")  # what `voice` was: projects may use it
    preparation: Mapped[Json]  # trim, denoise: what was asked for; start_s, end_s: what was kept
    quality: Mapped[Json]  # sent, given: farm.audio.quality.Quality of either
    consent: Mapped[Json | None]  # sentence, by, at: without it nobody is cast with it
    removed_at: Mapped[datetime | None]


class Tally(Row):
    """What is counted since the farm began, for the metrics."""

    __tablename__ = "tallies"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Release(Row):
    """A finished file to download."""

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = project_key()
    chapter_id: Mapped[int | None] = mapped_column(ForeignKey("chapters.id", ondelete="CASCADE"), index=True)
    format: Mapped[str]  # m4b | mp3 | zip | report
    name: Mapped[str]
    object: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float | None]
    created_at: Mapped[datetime] = created()


class Event(Row):
    """What happened, for the project's history."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_project_id_id", "project_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = created()
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    chapter_id: Mapped[int | None]
    what: Mapped[Json]
