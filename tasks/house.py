"""The house worker: imports, plans, masters and publishes, beside the database."""

import os
import signal
from functools import cache
from typing import Any

from celery.signals import worker_process_init

from farm import house
from farm.db import Begin, beginner
from farm.jobs import HOUSE, Times
from farm.settings import settings
from farm.storage import Store
from farm.storage.opening import store_of
from farm.tether import die_with_parent
from tasks.app import celery_app, consume

app = celery_app("house", settings().broker_url, [HOUSE])


@cache
def belongings() -> tuple[Begin, Store, Times]:
    """The database, the store and the times, opened in the process that uses them."""
    config = settings()
    return beginner(config.database_url), store_of(config), Times.of(config)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def stay_tethered(**_: Any) -> None:
    """A child that outlived its parent would hold leases that nobody can see."""
    die_with_parent(signal.SIGKILL, os.getppid())


@app.task(name="tasks.house.work")  # type: ignore[untyped-decorator]
def work(job_id: int, token: str) -> None:
    house.run(*belongings(), job_id, token)


if __name__ == "__main__":
    app.worker_main(consume(app, "house", [HOUSE], settings().house_workers, settings().log_level))
