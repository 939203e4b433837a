"""The worker's parent process: reports for its child, heeds the farm's orders, starts the child anew."""

import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from celery.worker import state as celery_state

from farm import cards
from farm.errors import FarmError, Rejected
from farm.machine import REVOKED, STOPPED, version
from farm.protocol import PROTOCOL
from farm.settings import Settings
from tasks.client import FarmClient, Orders, Revoked
from tasks.flags import MIB, Engine, Flags, resident_mib
from tasks.recorded import FOLDER as RECORDED
from tasks.spool import NoRoom, check_room, free_bytes

log = logging.getLogger(__name__)

DEAF = 4
"""Exit status of a worker that hears no doorbells, or has no child: start it again."""

REPLACED = 0x9B
"""Exit status by which billiard knows a child that makes room for another."""

DEAFENED = -1
LOOK_S = 0.25
ON_ITS_WAY_S = 1.5  # kombu waits a second for a doorbell once it has asked
LOAD_S = 900.0  # no engine takes longer to load; Celery itself ends a child after 600 s
GONE_S = 60.0  # Celery starts a child anew within a second
LOAD_AGAIN_S = 60.0
UNHEARD_S = 30.0
AWAKE = ("run", "drain")


class Foreman:
    """Celery's consumer takes doorbells only while it is told to and the child is fit for work."""

    def __init__(
        self,
        config: Settings,
        client: FarmClient,
        flags: Flags,
        consumer: Any,
        told: Callable[[], Mapping[str, Any]],
    ) -> None:
        """`told`: what the child said last, engine, fingerprint and facts."""
        self.config, self.client, self.flags = config, client, flags
        self.consumer, self.told = consumer, told
        self.spool = config.home / "spool" / config.worker_name
        self.orders = Orders()
        self.gpu_class = config.worker_class
        self.trouble = ""
        self.deaf_since = self.alive_at = self.shut_at = time.monotonic()
        self.heard = 0

    def start(self) -> None:
        """Called in Celery's loop before it first asks for a doorbell."""
        self.listen(time.monotonic(), False)
        threading.Thread(target=self.keep_on, daemon=True).start()

    def keep_on(self) -> None:
        beat_at = 0.0
        while True:
            now = time.monotonic()
            if now >= beat_at:
                beat_at = now + self.config.beat_s
                self.look_at_the_disk()
                self.beat()
            self.tend(now)
            time.sleep(LOOK_S)

    def beat(self) -> None:
        report = self.report()
        if not report["fingerprint"] and not report["facts"].get("trouble"):
            self.deaf_since = time.monotonic()
            return  # its first engine is being loaded
        try:
            self.heed(self.client.beat(report))
        except Revoked as e:
            self.leave_revoked(str(e))
        except Rejected as e:  # it does not understand us
            log.error("the farm refuses this worker: %s", e)
            self.heed(Orders("drain", why=str(e)))
        except FarmError as e:
            self.deaf_since = time.monotonic()
            log.warning("beat failed: %s", e)

    def heed(self, orders: Orders) -> None:
        if orders != self.orders and (orders.desired, orders.why) != (self.orders.desired, self.orders.why):
            log.info("the farm wants: %s %s", orders.desired, orders.why)
        self.orders = orders
        self.flags.awake.value = orders.desired in AWAKE
        self.flags.halt.value = orders.desired != "run" and orders.at_once
        if orders.desired == "revoked":
            self.leave_revoked(orders.why)
        if orders.rung is None:
            self.deaf_since = time.monotonic()

    def tend(self, now: float) -> None:
        """What is to be done between two beats."""
        if self.flags.revoked.value:
            self.leave_revoked("it answers so")
        self.check_ears(now)
        self.check_child(now)
        self.listen(now, self.works())
        if not self.works() and now - self.shut_at > ON_ITS_WAY_S:
            self.consumer.call_soon(self.adjust)
        if self.orders.desired == "stop" and self.state() == "asleep" and not self.config.database_url:
            # The farm's own worker has nobody who would start it again, and stays.
            self.leave(STOPPED, "the farm asked it to stop")

    def works(self) -> bool:
        """Whether doorbells are to be heard."""
        fit = self.flags.engine.value == Engine.LOADED and not self.flags.grown.value
        here = self.orders.gpu_class in ("", self.gpu_class)
        ends = bool(self.flags.end_by.value)
        return self.orders.desired == "run" and fit and here and not self.trouble and not ends

    def listen(self, now: float, to_bells: bool) -> None:
        """Let Celery ask for doorbells, or not: those that ring stay in their queues, for others.

        It asks as long as it has fewer tasks in hand than this attribute says (`worker_disable_prefetch`).
        Cancelling its queues would not do: a doorbell on its way would have to be put back, which a
        worker's Redis user may not do.
        """
        if not to_bells and self.consumer.controller.max_concurrency != DEAFENED:
            self.shut_at = now
        self.consumer.controller.max_concurrency = None if to_bells else DEAFENED

    def adjust(self) -> None:
        """In Celery's loop: when nothing is done or on its way, become what the farm wants us to be."""
        is_idle = not (celery_state.reserved_requests or self.flags.busy.value or self.flags.end_by.value)
        if is_idle and not self.works():
            self.change_class()
            if self.is_unfit():
                self.replace_child()

    def change_class(self) -> None:
        wanted = self.orders.gpu_class
        if wanted not in ("", self.gpu_class) and self.consumer.task_consumer:
            old, new = f"render.{self.gpu_class}", f"render.{wanted}"
            log.info("this worker is of class %s now", wanted)
            self.consumer.cancel_task_queue(old)
            self.consumer.add_task_queue(new, exchange=new, routing_key=new, no_declare=True)
            self.gpu_class = wanted

    def is_unfit(self) -> bool:
        """Whether another child should take this one's place: its engine is to go, to come, or has grown."""
        engine, awake = self.flags.engine.value, self.flags.awake.value
        if engine == Engine.BROKEN and awake:
            return time.monotonic() - float(self.flags.since.value) > LOAD_AGAIN_S
        wrong = engine == Engine.UNLOADED if awake else engine in (Engine.LOADED, Engine.BROKEN)
        return bool(wrong or self.flags.grown.value)

    def replace_child(self) -> None:
        """Celery starts another at once, which takes up what this one had not delivered."""
        log.info("the child makes room for another")
        ended, self.flags.pid.value = self.flags.pid.value, 0
        self.flags.engine.value, self.flags.grown.value = Engine.LOADING, 0
        end_process(ended, signal.SIGUSR2)

    def check_ears(self, now: float) -> None:
        """Celery on Redis can fall deaf and look healthy: leave when doorbells go unheard for long."""
        if self.flags.heard.value != self.heard or self.state() != "ready":
            self.heard, self.deaf_since = self.flags.heard.value, now
        elif now - self.deaf_since > max(3 * self.config.beat_s, UNHEARD_S):
            self.leave(DEAF, "the farm's doorbells ring unheard")

    def check_child(self, now: float) -> None:
        loading_s = now - self.flags.since.value if self.flags.engine.value == Engine.LOADING else 0.0
        if not self.flags.pid.value or has_ended(self.flags.pid.value):
            self.consumer.call_soon(self.consumer.pool.maintain_pool)  # it looks every 5 s by itself
        else:
            self.alive_at = now
        if now - self.alive_at > GONE_S or (self.flags.pid.value and loading_s > LOAD_S):
            self.leave(DEAF, "its child has gone, or loads for ever")

    def state(self) -> str:
        """As farm.tables.WorkerState has it."""
        loading = self.flags.engine.value == Engine.LOADING
        if self.trouble or self.flags.engine.value == Engine.BROKEN:
            return "error"
        if self.flags.busy.value or (loading and self.flags.awake.value):
            return "busy"
        if not self.works():
            return "busy" if self.flags.undelivered.value else "asleep"
        return "ready"

    def report(self) -> dict[str, Any]:
        said = dict(self.told())
        return {
            "engine": said.get("engine") or self.config.engine.partition(":")[0],
            "fingerprint": said.get("fingerprint", ""),
            "state": self.state(),
            "protocol": PROTOCOL,
            "version": version(),
            "facts": {
                name: value for name, value in self.facts(said.get("facts", {})).items() if value is not None
            },
        }

    def facts(self, said: Mapping[str, Any]) -> dict[str, Any]:
        loading = self.flags.engine.value == Engine.LOADING
        return {
            **said,
            **self.card(),
            "step": "loading the engine" if loading else "",
            "trouble": self.trouble or said.get("trouble"),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "rss_mib": resident_mib(self.flags.pid.value),
            "disk_free_mib": free_bytes(self.spool) // MIB,
        }

    def card(self) -> dict[str, Any]:
        if not self.config.gpu:
            return {}
        with suppress(FarmError):
            if reading := cards.reading(self.config.gpu):
                return {
                    "vram_used_mib": reading.used_mib,
                    "vram_total_mib": reading.total_mib,
                    "utilisation": reading.utilisation,
                    "celsius": reading.celsius,
                    "watts": reading.watts,
                }
        return {}

    def look_at_the_disk(self) -> None:
        """Without room for takes there is no work; it goes on when there is room again."""
        try:
            check_room(self.spool, self.config.spool_mb * MIB, by_writing=bool(self.flags.full.value))
            self.flags.full.value, self.trouble = 0, ""
        except NoRoom as e:
            if not self.trouble:
                log.warning("no work is taken: %s", e)
            self.trouble = str(e)

    def leave_revoked(self, why: str) -> NoReturn:
        for folder in (self.spool, self.config.home / RECORDED / self.config.worker_name):
            shutil.rmtree(folder, ignore_errors=True)
        self.leave(REVOKED, f"the farm knows this worker no more: {why}")

    def leave(self, status: int, why: str) -> NoReturn:
        """End at once, with the child; Celery's own way out waits for a broker that may not be there."""
        log.error("this worker ends (exit status %d): %s", status, why)
        end_process(self.flags.pid.value, signal.SIGKILL)
        os._exit(status)


def has_ended(pid: int) -> bool:
    """Whether a child is no more, or waits for its parent to notice."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def end_process(pid: int, number: signal.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
