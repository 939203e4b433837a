"""The render worker: one process per GPU, its engine loaded in the child that speaks."""

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutting_down

from farm.engine import Staged
from farm.errors import FarmError
from farm.protocol import direct_queue
from farm.settings import settings, show_only
from farm.tether import die_with_parent
from tasks.app import celery_app, consume
from tasks.client import FarmClient, Orders
from tasks.delivery import Delivery
from tasks.flags import Engine, Flags, resident_mib
from tasks.foreman import DEAF, REPLACED, Foreman
from tasks.loading import load
from tasks.recorded import FOLDER as RECORDED
from tasks.recorded import Recorded
from tasks.speaking import Speaker, speak_job
from tasks.spool import MIB, NoRoom

log = logging.getLogger(__name__)
config = settings()
queues = [f"render.{config.worker_class}", direct_queue(config.worker_name)]
app = celery_app(config.worker_name, config.broker_url, queues, bare=True, ca_file=config.tls_ca)

flags = Flags()  # before the fork
told = config.home / "run" / f"{config.worker_name}.json"
TELL_S = 1.0
DELIVER_S = 20.0
"""How long a worker that was asked to end goes on delivering; with its micro-batch it has half a minute."""

child: "Child"


def client() -> FarmClient:
    return FarmClient(config.worker_api, config.worker_secret, config.tls_ca)


class Child:
    """What the process that speaks has: an engine when it is awake, and the spool in any case."""

    def __init__(self) -> None:
        self.client = client()
        self.delivery = Delivery(
            self.client,
            config.home / "spool" / config.worker_name,
            config.spool_mb * MIB,
            store_root=config.store_folder,
            heed=self.heed,
            revoked=self.revoked,
        )
        self.speaker: Speaker | None = None
        self.trouble = ""
        self.usual_mib: int | None = None  # what it holds after its first job
        self.said = ""
        self.telling = threading.Lock()

    def load(self) -> None:
        """Only here is an engine ever loaded: CUDA does not survive a fork."""
        if not flags.awake.value:
            flags.engine.value = Engine.UNLOADED
            return
        show_only(config.gpu)
        try:
            recorded = Recorded(self.client, config.home / RECORDED / config.worker_name)
            self.speaker = Speaker(load(config.engine, config), recorded)
        except FarmError as e:
            log.error("the engine cannot be loaded: %s", e)
            self.trouble = str(e)
        except Exception as e:  # as CUDA's, when the card is too small: Celery logs it and goes on
            self.trouble = f"The engine cannot be loaded: {type(e).__name__}: {e}"[:1000]
            raise
        finally:
            self.tell()
            flags.engine.value = Engine.LOADED if self.speaker else Engine.BROKEN

    def speak(self, job_id: int, token: str) -> None:
        if self.speaker is None:
            return  # the doorbell came too late: the farm rings again, elsewhere
        flags.busy.value = 1
        try:
            speak_job(self.client, self.speaker, self.delivery, job_id, token, stopped)
        except NoRoom as e:
            log.warning("job %s goes back: %s", job_id, e)
            flags.full.value = 1
        except FarmError as e:
            log.warning("job %s is left: %s", job_id, e)
        finally:
            self.measure()
            flags.undelivered.value = len(self.delivery.jobs)
            flags.busy.value = 0

    def measure(self) -> None:
        """Ask for a successor when the engine has grown far beyond what it was after its first job."""
        held = resident_mib()
        self.usual_mib = self.usual_mib or held
        if held and self.usual_mib and held - self.usual_mib > config.growth_mb:
            log.warning("grown from %s to %s MiB: the engine is loaded anew", self.usual_mib, held)
            flags.grown.value = 1

    def heed(self, orders: Orders) -> None:
        if orders.desired != "run" and orders.at_once:
            flags.halt.value = 1  # until the parent's next beat says otherwise

    def revoked(self) -> None:
        flags.revoked.value = flags.halt.value = 1

    def tell_forever(self) -> None:
        while True:
            flags.undelivered.value = len(self.delivery.jobs)
            self.tell()
            time.sleep(TELL_S)

    def tell(self) -> None:
        """Write what the parent reports of us, whole or not at all: it may be reading."""
        with self.telling, suppress(OSError):  # a full disk: the parent finds that out itself
            said = json.dumps({**self.identity(), "facts": self.facts()})
            if said != self.said:
                written = told.with_suffix(".new")
                written.write_text(said)
                written.replace(told)
                self.said = said

    def identity(self) -> dict[str, str]:
        """Of the engine; of the one before while none is loaded."""
        if self.speaker:
            engine = self.speaker.engine
            return {"engine": engine.name, "fingerprint": engine.fingerprint}
        known = read_told()
        return {name: str(known.get(name, "")) for name in ("engine", "fingerprint")}

    def facts(self) -> dict[str, Any]:
        speed = self.speaker and self.speaker.speed()
        return {
            "trouble": self.trouble,
            "voices": len(self.speaker.voices) if self.speaker else 0,
            "doing": self.speaker and self.speaker.doing,
            "speed_now": speed and round(speed, 2),
            "stages": self.speaker and stages(self.speaker.engine),
            "spooled_mib": round(self.delivery.size / MIB, 1),
        }


def stages(engine: object) -> dict[str, float] | None:
    """Seconds by stage since the engine was loaded, where it says so."""
    if not isinstance(engine, Staged):
        return None
    return {stage: round(seconds, 1) for stage, seconds in engine.spent.items()}


def read_told() -> dict[str, Any]:
    """What a child said last; nothing when none ever did."""
    try:
        return dict(json.loads(told.read_text()))
    except (OSError, ValueError):
        return {}


def stopped() -> bool:
    return bool(flags.halt.value or flags.end_by.value)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def begin_child(**_: Any) -> None:
    global child
    die_with_parent(signal.SIGKILL, os.getppid())
    flags.born()
    signal.signal(signal.SIGUSR2, lambda *_: os._exit(REPLACED))
    child = Child()
    child.delivery.start()
    threading.Thread(target=child.tell_forever, daemon=True).start()
    child.load()


@app.task(name="tasks.render.speak")  # type: ignore[untyped-decorator]
def speak(job_id: int, token: str) -> None:
    flags.heard.value += 1
    child.speak(job_id, token)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def end_child(**_: Any) -> None:
    child.delivery.finish(flags.end_by.value)


@worker_ready.connect  # type: ignore[untyped-decorator]
def begin_parent(sender: Any, **_: Any) -> None:
    Foreman(config, client(), flags, sender, read_told).start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def wind_down(**_: Any) -> None:
    """Finish the micro-batch, deliver, give the rest back."""
    flags.end_by.value = time.monotonic() + DELIVER_S


if __name__ == "__main__":
    told.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    app.worker_main(consume(app, config.worker_name, queues, 1, config.log_level))
    sys.exit(0 if flags.end_by.value else DEAF)  # it gave up by itself: to be started again
