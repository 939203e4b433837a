"""The clock as a process of its own, on a real database."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from farm import jobs
from farm.db import Begin, now
from farm.embedded import Servers
from farm.jobs import Times
from farm.tables import Job, JobKind
from tests import builders
from tests.farms import ROOT, eventually


def test_a_clock_that_begins_gives_everybody_time_to_renew(
    begin: Begin, servers: Servers, tmp_path: Path
) -> None:
    """It cannot know for how long nobody could."""
    with begin() as session:
        book = builders.project(session).id
        held, waiting = (jobs.write(session, JobKind.IMPORT, book) for _ in range(2))
        assert jobs.claim(session, held.id, held.token, Times())
        session.get_one(Job, held.id).lease_until = now - timedelta(hours=1)
    environment = {
        **os.environ,
        "FARM_HOME": str(tmp_path),
        "FARM_DATABASE_URL": servers.database_url,
        "FARM_BROKER_URL": servers.broker_url,
    }

    def has_ticked() -> bool:
        with begin() as session:
            return session.get_one(Job, waiting.id).published_at is not None

    process = subprocess.Popen([sys.executable, "-m", "tasks.clock"], cwd=ROOT, env=environment)
    try:
        eventually(has_ticked)
    finally:
        process.terminate()
        process.wait(30)
    with begin() as session:
        assert session.get_one(Job, held.id).state == "running"
        jobs.renew(session, held.id, held.token, Times(), 0.5)
