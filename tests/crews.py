"""Workers in every state, as a real farm has them on a bad evening."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from farm import workers
from farm.db import now
from farm.messages import Message
from farm.protocol import PROTOCOL
from farm.tables import Block, Job, Mishap, Project, Segment, Worker, WorkerState
from farm.workers import Beat

FINGERPRINT = "f1"
NIGHTS = {
    "zone": "Europe/Berlin",
    "hours": {
        day: [["22:00", "07:00"]] if day in ("mon", "tue", "wed", "thu", "fri") else [["00:00", "24:00"]]
        for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    },
}
TAGS = ["studio", "night"]
SILENT = Message("Three different passages in a row failed here; it may be the worker.")
RTX_3060 = {"gpu": "NVIDIA GeForce RTX 3060", "vram_total_mib": 12288}
RTX_4090 = {"gpu": "NVIDIA GeForce RTX 4090", "vram_total_mib": 24564}
H200 = {"gpu": "NVIDIA H200", "vram_total_mib": 143771}
AT_WORK = {"utilisation": 0.97, "celsius": 71, "watts": 164, "voices": ["narrator", "dialogue"]}
STAGES = {"codes": 410.0, "latents": 40.0, "mel": 390.0, "wave": 160.0}


def worker(
    session: Session, name: str, state: str, gpu_class: str, facts: dict[str, Any], **also: Any
) -> int:
    """A worker that reported `state` and `facts` just now; `also` are columns of its row."""
    secret = workers.enrol(session, name, gpu_class, local=False)
    made = workers.known(session, secret)
    told = {"host": f"{name}.studio", **facts}
    if state != WorkerState.ENROLLED:
        workers.beat(session, made, Beat(WorkerState(state), "simulated", FINGERPRINT, PROTOCOL, told))
    also = {"engine": "simulated", "address": f"192.168.1.{made.id + 10}", "facts": told, **also}
    session.execute(update(Worker).where(Worker.id == made.id).values(**also))
    session.expire_all()
    return made.id


def everyone(session: Session) -> dict[str, int]:
    """Their ids by name. Those at work speak the first running project, if there is one."""
    away = now - timedelta(hours=3)
    busy_3060 = {**RTX_3060, **AT_WORK, "vram_used_mib": 5700, "speed_now": 5.6}
    busy_4090 = {**RTX_4090, **AT_WORK, "vram_used_mib": 9800, "celsius": 64, "watts": 380, "speed_now": 26.4}
    fast = {**H200, **AT_WORK, "vram_used_mib": 61_000, "celsius": 48, "watts": 610, "speed_now": 58.8}
    fast["stages"] = STAGES
    idle = {**RTX_3060, "vram_used_mib": 5100, "utilisation": 0.0, "celsius": 38, "watts": 14}
    rows: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
        ("attic-3060-1", "busy", "12g", busy_3060, {"speed": 5.6, "benchmark": 5.9, "tags": TAGS}),
        ("attic-3060-2", "busy", "12g", {**busy_3060, "speed_now": 3.1}, {"speed": 4.9, "benchmark": 5.9}),
        ("big-4090", "busy", "24g", busy_4090, {"speed": 27.9, "benchmark": 28.4, "schedule": {}}),
        ("rented-h200", "busy", "24g", fast, {"speed": 58.0, "benchmark": 60.3, "version": "0ld"}),
        ("closing", "busy", "12g", busy_3060, {"speed": 5.5, "benchmark": 5.7, "desired": "drain"}),
        ("waiting-for-work", "ready", "12g", idle, {"speed": 5.7, "benchmark": 5.8}),
        ("gaming-pc", "asleep", "8g", {"gpu": "RTX 2070"}, {"desired": "sleep", "schedule": NIGHTS}),
        ("in-my-hands", "ready", "12g", idle, {"desired": "maintenance"}),
        ("broken-fan", "error", "12g", {**idle, "celsius": 93}, {"speed": 2.0, "benchmark": 5.8}),
        ("mumbling", "ready", "6g", idle, {"hold": SILENT.to_json(), "strikes": [1, 2, 3]}),
        ("stranger", "ready", "24g", {**RTX_4090}, {"approved": False, "benchmark": 27.7}),
        ("newcomer", "enrolled", "12g", {**RTX_3060, "step": "Measuring: 4 of 12"}, {"last_seen": now}),
        ("basement", "ready", "12g", idle, {"last_seen": away, "speed": 5.2}),
    ]  # fmt: skip
    ids = {name: worker(session, name, state, size, facts, **also) for name, state, size, facts, also in rows}
    project = session.scalars(select(Project).where(Project.state == "running").order_by(Project.id)).first()
    if project is not None:
        employ(session, project, ids)
    return ids


def employ(session: Session, project: Project, ids: dict[str, int]) -> None:
    """Give those at work a job, a last take and, some of them, failures and a block."""
    spoken = list(
        session.scalars(
            select(Segment).where(Segment.project_id == project.id, Segment.state == "done").limit(8)
        )
    )
    for at, name in enumerate(("attic-3060-1", "attic-3060-2", "big-4090", "rented-h200", "closing")):
        job = Job(kind="render", state="running", token=name, queue="render.12g", project_id=project.id)
        job.worker_id, job.in_hand, job.claimed_at = ids[name], list(range(8 * (at + 1))), now
        session.add(job)
        if spoken:
            session.get_one(Worker, ids[name]).last_take = spoken[at % len(spoken)].take_key
    for at in range(5):
        fail(session, ids["mumbling"], project, spoken[at] if at < len(spoken) else None)
    session.add(Block(project_id=project.id, worker_id=ids["broken-fan"], reason=SILENT.to_json()))
    session.flush()


def fail(session: Session, worker_id: int, project: Project, segment: Segment | None) -> None:
    session.add(
        Mishap(
            worker_id=worker_id,
            project_id=project.id,
            segment_id=segment.id if segment else 0,
            display=segment.display if segment else "A passage that is no more.",
            kind="audio",
            reason="The take is silent.",
        )
    )
