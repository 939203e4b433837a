"""The clock: a plain loop under an advisory lock; it ticks every second and whenever a job ends."""

import logging
import signal
import threading
import time

import psycopg
from celery import Celery
from kombu.exceptions import OperationalError

from farm import jobs, steering, workers
from farm.broker import NEWS, Broker
from farm.db import beginner, plain
from farm.dispatch import Plan, tick
from farm.errors import FarmError, ServiceDown
from farm.jobs import CLOCK, HOUSE, Times
from farm.promptness import be_prompt
from farm.settings import Settings, settings
from farm.shortening import shorten_stranded
from farm.storage.opening import store_of
from farm.sweep import sweep_orphans
from farm.tables import Worker
from tasks.app import celery_app

log = logging.getLogger(__name__)

LOCK = 0x766F696365  # one clock a database
AWAY_S = 1.0
WORKERS_EVERY_S = 5.0
SWEEP_EVERY_S = 3600.0
SHORTEN_EVERY_S = 5.0
TASKS = {HOUSE: "tasks.house.work"}
RENDER_TASK = "tasks.render.speak"


class Clock:
    def __init__(self, config: Settings) -> None:
        self.config = config
        self.begin = beginner(config.database_url)
        self.celery: Celery = celery_app("clock", config.broker_url, [])
        self.plan = Plan(Times.of(config), config.batch_s, house_depth=config.house_workers)
        self.stirred = threading.Event()

    def run(self) -> None:
        """Tick for ever; a second clock waits here until the first one's connection ends."""
        threading.Thread(target=self.sweep, daemon=True).start()
        threading.Thread(target=self.tend_workers, daemon=True).start()
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
        shortened, was_away = 0.0, True
        while True:
            try:
                if was_away:
                    self.spare()
                    was_away = False
                tick(self.begin, self.publish, self.plan)
                if time.monotonic() - shortened > SHORTEN_EVERY_S:
                    self.shorten()
                    shortened = time.monotonic()
            except (FarmError, OperationalError) as e:
                log.warning("a tick failed and is tried again: %s", e)
                was_away = isinstance(e, ServiceDown)
                time.sleep(AWAY_S)
            for heard in connection.notifies(timeout=self.config.tick_s, stop_after=1):
                if heard.payload == NEWS:
                    self.stirred.set()

    def spare(self) -> None:
        with self.begin() as session:
            jobs.spare(session, self.plan.times)

    def shorten(self) -> None:
        with self.begin() as session:
            for project_id in shorten_stranded(session):
                log.info("project %s lost its last card; it is cut anew for those that are there", project_id)

    def publish(self, queue: str, job_id: int, token: str) -> None:
        name = TASKS.get(queue, RENDER_TASK)
        self.celery.send_task(name, args=[job_id, token], queue=queue, retry=False)

    def tend_workers(self) -> None:
        """Keep the broker's users as the workers are, and forget those who were to be forgotten."""
        trouble = ""
        with Broker(self.config.broker_url) as broker:
            while True:
                try:
                    self.look_after_workers(broker)
                    trouble = ""
                except FarmError as e:
                    if str(e) != trouble:
                        log.warning("the workers' users at the broker are not looked after: %s", e)
                    trouble = str(e)
                    time.sleep(AWAY_S)

    def look_after_workers(self, broker: Broker) -> None:
        """One round; returns when the next is due: after a while, when told, or when Redis has restarted."""
        with self.begin() as session:
            if gone := steering.forget_away(session):
                log.info("forgot workers that stayed away: %s", ", ".join(gone))
        broker.reconcile(self.known_workers)
        for _ in range(round(WORKERS_EVERY_S / AWAY_S)):
            if self.stirred.wait(AWAY_S) or broker.has_restarted():
                break
        self.stirred.clear()

    def known_workers(self) -> list[Worker]:
        with self.begin() as session:
            return workers.everyone(session)

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
    clock = Clock(settings())
    be_prompt()
    clock.run()


if __name__ == "__main__":
    main()
