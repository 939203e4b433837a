"""A book through a whole farm with the simulated engine, and what was noted on the way."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

import models
from farm import oneshot, projects
from farm.audio.encode import decode, encode, m4a
from farm.audio.settings import MasteringSettings
from farm.db import Begin
from farm.engine import Utterance, VoicePrint
from farm.oneshot import Request
from farm.settings import Settings
from farm.tables import Chapter, ChapterState, Job, JobKind, JobState, Project, ProjectState, Segment, Take
from tests.bench import procfs
from tests.bench.options import Options
from tests.conftest import place
from tests.farms import SHORT, Farm, farm_up

POLL_S = 1.0
NEEDS_PEOPLE = (ProjectState.DRAFT, ProjectState.PAUSED, ProjectState.CANCELLED)


@dataclass(frozen=True)
class Run:
    """All in seconds. `audio_s` is mastered audio, `speech_s` that of the takes; `cpu_s` and `stages_s` are
    processor seconds by process and by kind of house job, `engine_s` and `encoder_s` those measured alone."""

    wall_s: float
    audio_s: float
    speech_s: float
    rendering_s: float  # first claim to last accept
    segments: int
    cpu_s: Mapping[str, float]
    stages_s: Mapping[str, float]
    engine_s: float
    encoder_s: float


def real_farm(home: Path, engine: str) -> AbstractContextManager[Farm]:
    """A farm with the times that it has in production."""
    usual = Settings()
    times = {name: str(getattr(usual, name.removeprefix("FARM_").lower())) for name in SHORT}
    return farm_up(home, FARM_ENGINE=engine, FARM_LOG_LEVEL="WARNING", **times)


@cache
def rendered(options: Options) -> Run:
    """The book through the farm; the same run serves every bench that asks for it."""
    request = Request((options.book,), engine="simulated", chapters=options.chapters)
    with place() as folder, real_farm(folder / "home", f"simulated:speed={options.speed}") as farm:
        before, since = procfs.cpu_s(farm), time.monotonic()
        project_id = finish(farm, request)
        wall_s = time.monotonic() - since
        spent = {name: after - before.get(name, 0.0) for name, after in procfs.cpu_s(farm).items()}
        noted = notes(farm.begin, wall_s, spent)
        return replace(
            noted,
            engine_s=engine_alone(farm.begin),
            encoder_s=noted.audio_s * encoder_alone(farm, project_id),
        )


def finish(farm: Farm, request: Request) -> int:
    """Upload, start and wait for the end; the project's id."""
    begin, started = farm.begin, False
    project_id = oneshot.asked_for(begin, farm.store, request)
    while True:
        with begin() as session:
            project = projects.find(session, project_id)
            if project.state == ProjectState.REVIEW and not started:
                oneshot.begin_work(session, project, request)
                started = True
            if project.failure or project.state in NEEDS_PEOPLE:
                raise AssertionError(f"the book stopped: {project.state} {project.failure}")
            if project.state == ProjectState.FINISHED:
                return project_id
            if stuck := oneshot.held(session, project_id):
                raise stuck
        time.sleep(POLL_S)


def notes(begin: Begin, wall_s: float, cpu_s: Mapping[str, float]) -> Run:
    """What the database knows of the run."""
    house = select(Job.kind, func.sum(Job.cpu_s)).where(Job.kind != JobKind.RENDER).group_by(Job.kind)
    with begin() as session:
        render = session.execute(
            select(Job.claimed_at, Job.ended_at)
            .where(Job.kind == JobKind.RENDER, Job.state == JobState.DONE)
            .order_by(Job.claimed_at)
        ).all()
        last_accept, speech_s = session.execute(
            select(func.max(Take.created_at), func.sum(Take.seconds))
        ).one()
        return Run(
            wall_s=wall_s,
            audio_s=session.scalars(select(func.sum(Chapter.seconds))).one(),
            speech_s=speech_s,
            rendering_s=(last_accept - render[0].claimed_at).total_seconds(),
            segments=session.scalars(select(func.count(Segment.id))).one(),
            cpu_s=cpu_s,
            stages_s={kind: spent or 0.0 for kind, spent in session.execute(house)},
            engine_s=0.0,
            encoder_s=0.0,
        )


def engine_alone(begin: Begin) -> float:
    """Processor seconds of the engine for every segment, when it does nothing else."""
    with begin() as session:
        told = session.execute(select(Segment.spoken, Segment.language).where(Segment.take_key.is_not(None)))
        batch = [Utterance(text, language, VoicePrint.of({})) for text, language in told]
    since = time.process_time()
    for _ in models.load("simulated:speed=inf").speak(batch, lambda: False):
        pass
    return time.process_time() - since


def encoder_alone(farm: Farm, project_id: int) -> float:
    """Processor seconds that encoding takes for a second of audio, on the longest chapter."""
    longest = select(Chapter).where(Chapter.project_id == project_id, Chapter.state == ChapterState.DONE)
    with farm.begin() as session:
        chapter = session.scalars(longest.order_by(Chapter.seconds.desc()).limit(1)).one()
        settings = MasteringSettings.from_json(session.get_one(Project, project_id).mastering)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "chapter.m4a"
        farm.store.fetch(chapter.files["m4a"], file)
        pieces = list(decode(file))
        since = time.process_time()
        encoding = m4a(settings.bitrate, settings.aac_coder, settings.sample_rate)
        written = encode(pieces, settings.sample_rate, Path(folder) / "again.m4a", encoding)
        return (time.process_time() - since) * settings.sample_rate / written
