"""The clock: a plain loop under an advisory lock; it ticks every second and whenever a job ends."""

import logging
import signal
import threading
import time

import psycopg
from celery import Celery
from kombu.exceptions import OperationalError

from farm.db import beginner, plain
from farm.dispatch import Plan, tick
from farm.errors import FarmError
from farm.jobs import CLOCK, HOUSE, Times
from farm.settings import Settings, settings
from farm.storage.opening import store_of
from farm.sweep import sweep_orphans
from tasks.app import celery_app

log = logging.getLogger(__name__)

LOCK = 0x766F696365  # one clock a database
AWAY_S = 1.0
SWEEP_EVERY_S = 3600.0
TASKS = {HOUSE: "tasks.house.work"}
RENDER_TASK = "tasks.render.speak"


class Clock:
    def __init__(self, config: Settings) -> None:
        self.config = config
        self.begin = beginner(config.database_url)
        self.celery: Celery = celery_app("clock", config.broker_url, [])
        self.plan = Plan(Times.of(config), config.batch_s, house_depth=config.house_workers)

    def run(self) -> None:
        """Tick for ever; a second clock waits here until the first one's connection ends."""
        threading.Thread(target=self.sweep, daemon=True).start()
        while True:
            try:
                with psycopg.connect(plain(self.config.database_url), autocommit=True) as connection:
                    connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                    connection.execute(f"LISTEN {CLOCK}")
                    self.keep_ticking(connection)
            except psycopg.OperationalError as e:
                log.warning("the database is away: %s", e)
                time.sleep(AWAY_S)

    def keep_ticking(self, connection: psycopg.Connection) -> None:
        while True:
            try:
                tick(self.begin, self.publish, self.plan)
            except (FarmError, OperationalError) as e:
                log.warning("a tick failed and is tried again: %s", e)
                time.sleep(AWAY_S)
            for _ in connection.notifies(timeout=self.config.tick_s, stop_after=1):
                pass

    def publish(self, queue: str, job_id: int, token: str) -> None:
        name = TASKS.get(queue, RENDER_TASK)
        self.celery.send_task(name, args=[job_id, token], queue=queue, retry=False)

    def sweep(self) -> None:
        store = store_of(self.config)
        while True:
            time.sleep(SWEEP_EVERY_S)
            try:
                sweep_orphans(self.begin, store, self.config.sweep_after_s)
            except FarmError as e:
                log.warning("the sweep stopped early: %s", e)


def main() -> None:
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: exit(0))
    Clock(settings()).run()


if __name__ == "__main__":
    main()
