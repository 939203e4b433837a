"""`python -m tests.bench.ticks` dispatches as the clock does until its input ends, and tells how long."""

import json
import sys
import threading
import time

import psycopg

from farm.db import beginner, plain
from farm.dispatch import tick
from farm.jobs import CLOCK
from farm.promptness import be_prompt
from farm.settings import settings
from tasks.clock import Clock


def main() -> None:
    config, over = settings(), threading.Event()
    begin, clock = beginner(config.database_url), Clock(config)
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    be_prompt()
    took_ms: list[float] = []
    cpu_s = time.thread_time()
    with psycopg.connect(plain(config.database_url), autocommit=True) as connection:
        connection.execute(f"LISTEN {CLOCK}")
        while not over.is_set():
            since = time.monotonic()
            tick(begin, clock.publish, clock.plan)
            took_ms.append(1000 * (time.monotonic() - since))
            for _ in connection.notifies(timeout=config.tick_s, stop_after=1):
                pass
    sys.stdout.write(json.dumps({"took_ms": took_ms, "cpu_s": time.thread_time() - cpu_s}))


if __name__ == "__main__":
    main()
