"""The render worker: one process per GPU, its engine loaded in the child that speaks."""

import json
import logging
import os
import signal
import threading
import time
from multiprocessing import Value
from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutting_down

import models
from farm.engine import Engine
from farm.errors import FarmError
from farm.protocol import PROTOCOL
from farm.settings import settings
from farm.tether import die_with_parent
from tasks.app import celery_app, consume
from tasks.client import FarmClient
from tasks.speaking import speak_job

log = logging.getLogger(__name__)
config = settings()
queues = [f"render.{config.worker_class}", f"w.{config.worker_name}"]
app = celery_app("render", config.broker_url, queues)

# Shared between the parent, which beats, and its child, which speaks; made before the fork.
busy = Value("b", 0)
stopping = Value("b", 0)
child_facts = config.home / "run" / f"{config.worker_name}.json"

_engine: Engine | None = None


def client() -> FarmClient:
    return FarmClient(config.worker_api, config.worker_secret)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def load_engine(**_: Any) -> None:
    """Only the child ever loads an engine: CUDA does not survive a fork."""
    global _engine
    die_with_parent(signal.SIGKILL, os.getppid())
    _engine = models.load(config.engine)
    written = child_facts.with_suffix(".new")
    written.write_text(json.dumps({"engine": _engine.name, "fingerprint": _engine.fingerprint}))
    written.replace(child_facts)  # whole or absent: the parent may be reading


@app.task(name="tasks.render.speak")  # type: ignore[untyped-decorator]
def speak(job_id: int, token: str) -> None:
    assert _engine is not None
    busy.value = 1
    try:
        speak_job(client(), _engine, job_id, token, lambda: bool(stopping.value), config.store_folder)
    finally:
        busy.value = 0


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_beating(**_: Any) -> None:
    threading.Thread(target=beat_forever, daemon=True).start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def wind_down(**_: Any) -> None:
    """Finish the micro-batch, give the rest back."""
    stopping.value = 1


def beat_forever() -> None:
    farm = client()
    while not child_facts.exists():
        time.sleep(0.05)
    while True:
        try:
            farm.beat(report())
        except FarmError as e:
            log.warning("beat failed: %s", e)
        time.sleep(config.beat_s)


def report() -> dict[str, Any]:
    state = "asleep" if stopping.value else "busy" if busy.value else "ready"
    return {
        **json.loads(child_facts.read_text()),
        "state": state,
        "protocol": PROTOCOL,
        "facts": {"pid": os.getpid()},
    }


if __name__ == "__main__":
    child_facts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    child_facts.unlink(missing_ok=True)  # of the worker that ran before
    app.worker_main(consume(app, config.worker_name, queues, 1, config.log_level))
