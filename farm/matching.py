"""Matching: whether a worker may do a project's work, and why not. Pure choices over rows."""

from collections.abc import Collection

from farm.casting import recordings_in
from farm.engine import precision
from farm.gpu import CLASSES, GpuClass
from farm.messages import Message
from farm.protocol import RECORDINGS_SINCE, is_understood
from farm.tables import Project, Worker

Pair = tuple[int, int]
"""A project's and a worker's id."""


def misfit(worker: Worker, project: Project, blocked: Collection[Pair] = ()) -> Message | None:
    """The first reason why this worker may not serve this project, or None. A pure choice."""
    return (
        unlike(worker, project)
        or unable(worker, project)
        or unwanted(worker, project)
        or barred(worker, project, blocked)
    )


def can_serve(worker: Worker, project: Project, blocked: Collection[Pair] = ()) -> bool:
    return misfit(worker, project, blocked) is None


def limit(classes: Collection[str]) -> float:
    """The longest segment, in spoken characters, that every one of these GPU classes may be given."""
    return min(CLASSES[name].longest_segment for name in classes)


def computes_alike(gpu_class: GpuClass, project: Project) -> bool:
    """Whether the project's engine computes in the project's precision on a card of this class."""
    own = precision(project.engine, gpu_class.dtype)
    return own in ("", project.pin.get("precision"))


def needs_recordings(project: Project) -> bool:
    """Whether its workers must be told where recordings of voices are."""
    return bool(recordings_in(project.cast or {}))


def unlike(worker: Worker, project: Project) -> Message | None:
    """Why its takes would not be the project's."""
    named = {"worker": worker.name, "project": project.title}
    if worker.protocol and not is_understood(worker.protocol):  # 0 has not said, nor what it speaks with
        return Message("{worker} speaks another protocol than this farm. Update it.", named)
    if worker.engine != project.engine:
        engines = {"engine": worker.engine or "?", "wanted": project.engine}
        return Message("{worker} speaks with {engine}, this project with {wanted}.", {**named, **engines})
    if worker.fingerprint != project.pin.get("fingerprint"):
        return Message("{worker} has other weights than this project began with.", named)
    own = CLASSES[worker.gpu_class]
    if not computes_alike(own, project):
        both = {"precision": own.dtype, "wanted": project.pin.get("precision", "?")}
        return Message("{worker} computes in {precision}, this project in {wanted}.", {**named, **both})
    return None


def unable(worker: Worker, project: Project) -> Message | None:
    """Why its card, or its code, is not one for this work."""
    gpu_class = CLASSES[worker.gpu_class]
    if project.classes and gpu_class.name not in project.classes:
        allowed = {"class": gpu_class.name, "allowed": ", ".join(project.classes)}
        return Message(
            "{worker} is of class {class}, this project allows {allowed}.", {"worker": worker.name, **allowed}
        )
    if gpu_class.longest_segment < project.longest_segment:
        lengths = {"most": round(gpu_class.longest_segment), "longest": round(project.longest_segment)}
        return Message(
            "{worker} speaks up to {most} characters at once, this project's sentences have up to {longest}.",
            {"worker": worker.name, **lengths},
        )
    old = worker.protocol and worker.protocol < RECORDINGS_SINCE
    if old and needs_recordings(project):
        named = {"worker": worker.name, "project": project.title}
        return Message("{worker} is too old to speak with the recordings of {project}. Update it.", named)
    return None


def unwanted(worker: Worker, project: Project) -> Message | None:
    """Why a person keeps the two apart in general."""
    if missing := sorted(set(project.tags) - set(worker.tags)):
        return Message(
            "{worker} lacks the tags this project asks for: {tags}.",
            {"worker": worker.name, "tags": ", ".join(missing)},
        )
    if worker.projects and project.id not in worker.projects:
        return Message(
            "{worker} is reserved for other projects than {project}.",
            {"worker": worker.name, "project": project.title},
        )
    return None


def barred(worker: Worker, project: Project, blocked: Collection[Pair]) -> Message | None:
    if (project.id, worker.id) not in blocked:
        return None
    named = {"worker": worker.name, "project": project.title}
    return Message("{worker} is kept from {project} by its list of blocked workers.", named)
