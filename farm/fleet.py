"""The farm at one moment: its workers, who is kept from what, what the running projects still want spoken."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session, load_only

from farm import blocks, crew, workers
from farm.crew import Blocked
from farm.db import now
from farm.matching import needs_recordings
from farm.sharing import Claim
from farm.tables import Chapter, ChapterState, Job, JobKind, JobState, Project, ProjectState, Worker

SPOKEN_PER_CHARACTER = {"zh": 0.89, "en": 0.337}
"""Spoken characters per visible one, measured on whole novels; until a chapter is planned and counted."""

SECONDS_PER_SPOKEN = {"zh": 0.247, "en": 0.277}
"""Of mastered audio, pauses included, measured on whole novels with the preview engine."""

UNSPOKEN = (ChapterState.DRAFT, ChapterState.PLANNED, ChapterState.RENDERING)
TAKING_WORK = ("ready", "working")  # of workers.word
STEERED = (Project.state, Project.title, Project.language, Project.priority, Project.weight)
ASKED = (
    Project.engine,
    Project.pin,
    Project.cast,
    Project.classes,
    Project.tags,
    Project.longest_segment,
)


def seconds_of(spoken: float, characters: float, language: str) -> float:
    """Seconds of audio of so many spoken characters, and of `characters` of text that nobody planned yet."""
    planned = spoken + characters * SPOKEN_PER_CHARACTER.get(language, 0.9)
    return planned * SECONDS_PER_SPOKEN.get(language, 0.23)


@dataclass
class Fleet:
    """`crew`: the workers not revoked. `unspoken_s` and `rendering` (jobs) are by running project."""

    at: datetime
    crew: list[Worker]
    blocked: Blocked
    running: list[Project]
    unspoken_s: dict[int, float]
    rendering: dict[int, int]
    _serving: dict[Hashable, frozenset[int]] = field(default_factory=dict)
    _able: dict[Hashable, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def words(self) -> dict[int, str]:
        """What each worker is, in one word."""
        return {worker.id: workers.word(worker, self.at) for worker in self.crew}

    @cached_property
    def live(self) -> list[Worker]:
        return [worker for worker in self.crew if self.words[worker.id] in TAKING_WORK]

    @cached_property
    def named(self) -> set[int]:
        """The projects that a worker is kept to, or kept from; each has a crew of its own."""
        kept_to = {project for worker in self.crew for project in worker.projects}
        return kept_to | {project for project, _ in self.blocked}

    def need(self, project: Project) -> Hashable:
        """What decides who can serve a project; those alike in it have the same crew."""
        pin = tuple(sorted(project.pin.items()))
        own = project.id if project.id in self.named else None
        kinds = project.engine, pin, needs_recordings(project), own
        return *kinds, *project.classes, None, *project.tags, project.longest_segment

    def serving(self, project: Project) -> frozenset[int]:
        """The ids of the workers that may serve it, live or not."""
        need = self.need(project)
        if need not in self._serving:
            self._serving[need] = crew.serving(self.crew, project, self.blocked)
        return self._serving[need]

    def able(self, project: Project) -> frozenset[int]:
        """The ids of the live workers that may serve it."""
        need = self.need(project)
        if need not in self._able:
            self._able[need] = self.serving(project) & {worker.id for worker in self.live}
        return self._able[need]

    @cached_property
    def idle(self) -> set[int]:
        """The ids of the live workers that have nothing to do."""
        return {worker.id for worker in self.live if self.words[worker.id] == "ready"}

    @cached_property
    def spoken(self) -> list[Project]:
        """The running projects that a worker speaks now."""
        return [project for project in self.running if self.rendering.get(project.id)]

    @cached_property
    def claims(self) -> dict[int, Claim]:
        """What is left of the running projects, and who can speak it now."""
        return {project.id: self.claim(project, self.unspoken_s[project.id]) for project in self.running}

    def claim(self, project: Project, audio_s: float) -> Claim:
        """A project's, with so much left of it."""
        who = self.able(project)
        return Claim(project.id, audio_s, who, project.priority, project.weight, project.most_workers)


def look(session: Session) -> Fleet:
    """A handful of queries, however many projects and workers there are."""
    columns = (Project.id, *STEERED, *ASKED, Project.most_workers, Project.deadline)
    running = select(Project).options(load_only(*columns)).where(Project.state == ProjectState.RUNNING)
    projects = list(session.scalars(running.order_by(Project.id)))
    return Fleet(
        session.scalars(select(now)).one(),
        crew.known(session),
        blocks.pairs(session),
        projects,
        unspoken(session, projects),
        rendering(session),
    )


def unspoken(session: Session, projects: Sequence[Project]) -> dict[int, float]:
    """Seconds of audio that are still to be spoken of each running project."""
    planned = Chapter.length > 0
    statement = (
        select(
            Chapter.project_id,
            func.sum(case((planned, Chapter.length - Chapter.length_done), else_=0)),
            func.sum(case((planned, 0), else_=Chapter.characters)),
        )
        .join(Project, Project.id == Chapter.project_id)
        .where(Project.state == ProjectState.RUNNING, Chapter.included, Chapter.state.in_(UNSPOKEN))
        .group_by(Chapter.project_id)
    )
    left = {
        project: (float(spoken), float(characters))
        for project, spoken, characters in session.execute(statement)
    }
    return {
        project.id: seconds_of(*left.get(project.id, (0.0, 0.0)), project.language) for project in projects
    }


def rendering(session: Session) -> dict[int, int]:
    """How many render jobs of each project are with workers."""
    held = and_(Job.kind == JobKind.RENDER, Job.state == JobState.RUNNING)
    counted = select(Job.project_id, func.count()).where(held).group_by(Job.project_id)
    return dict(session.execute(counted).all())
