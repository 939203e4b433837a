import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import urllib3
from flask import Flask

from dashboard.events import Broadcaster, Changed, Subscription, stream_response
from farm import embedded
from farm.db import plain
from farm.errors import Transient
from farm.supervisor import Supervisor
from tests.conftest import place

ROOT = Path(__file__).parent.parent.parent
ANYTHING = Changed(None)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with place() as folder, Supervisor(folder / "home") as farm:
        yield plain(embedded.start(farm).database_url)


@pytest.fixture
def admin(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def broadcaster(database: str) -> Iterator[Broadcaster]:
    """Four streams at most; heartbeats each 0.6 s instead of 15."""
    broadcaster = Broadcaster(database, threads=8, heartbeat_s=0.6)
    yield broadcaster
    broadcaster.stop()


def say(connection: psycopg.Connection, payload: str) -> None:
    connection.execute("SELECT pg_notify('farm', %s)", [payload])


def changed(connection: psycopg.Connection, *projects: int) -> None:
    for project in projects:
        say(connection, f'{{"project": {project}}}')


def listeners(connection: psycopg.Connection) -> list[int]:
    """The processes of PostgreSQL that serve a broadcaster which listens."""
    rows = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'farm events' AND query = 'LISTEN farm'"
    )
    return [pid for (pid,) in rows]


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def settled(page: Subscription, admin: psycopg.Connection) -> Iterator[Changed | None]:
    """The page's events once the listener listens and the page was told of that."""
    until(lambda: listeners(admin))
    events = iter(page)
    while next(events) is not None:
        pass
    return events


def test_a_page_begins_with_a_change_because_it_may_be_older_than_its_stream(
    broadcaster: Broadcaster,
) -> None:
    with broadcaster.subscribe(7) as page, broadcaster.subscribe() as overview:
        assert next(iter(page)) == Changed(7)
        assert next(iter(overview)) == ANYTHING


def test_a_page_hears_of_its_project_and_an_overview_of_all(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    with broadcaster.subscribe(7) as page, broadcaster.subscribe() as overview:
        of_one, of_all = settled(page, admin), settled(overview, admin)
        changed(admin, 8, 7)
        assert next(of_one) == Changed(7)
        assert [next(of_all), next(of_all)] == [Changed(8), Changed(7)]
        assert next(of_one) is None


@pytest.mark.timeout(60, func_only=True)
def test_however_many_changes_a_page_is_told_at_most_twice_a_second(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    with broadcaster.subscribe(7) as page:
        events = settled(page, admin)
        told: list[Changed | None] = []
        reader = threading.Thread(target=lambda: told.extend(events))
        reader.start()
        began = time.monotonic()
        while told.count(Changed(7)) < 4:
            changed(admin, 7)
            time.sleep(0.01)
        page.close()
        reader.join()
        passed = time.monotonic() - began
    assert told.count(Changed(7)) <= 1 + passed / 0.5


def test_a_slow_page_gets_the_latest_and_no_backlog(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    with broadcaster.subscribe() as overview:
        events = settled(overview, admin)
        changed(admin, *range(1, 401), *range(1, 401))
        time.sleep(0.5)
        told = [event.project for event in iter(lambda: next(events), None) if event]
        assert sorted(project for project in told if project) == list(range(1, 401))


def test_a_page_far_behind_is_told_to_look_at_everything() -> None:
    page = Subscription(None, heartbeat_s=0.05, gap_s=0.5)
    for project in range(10_000):
        page.tell(project)
    events = iter(page)
    told = list(iter(lambda: next(events), None))
    assert len(told) <= 500
    assert ANYTHING in told


def test_what_is_no_notification_of_ours_means_look_at_everything(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    with broadcaster.subscribe() as overview:
        events = settled(overview, admin)
        for payload in ("", "nonsense", "[]", "7", '{"project": "x"}'):
            say(admin, payload)
        assert next(events) == ANYTHING
        time.sleep(0.6)
        changed(admin, 3)
        assert Changed(3) in [next(events), next(events)]


def test_after_the_database_dropped_us_every_page_is_told_to_look_again(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    with broadcaster.subscribe(7) as page:
        events = settled(page, admin)
        [pid] = listeners(admin)
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert Changed(7) in [next(events), next(events)]
        assert listeners(admin) != [pid]
        changed(admin, 7)
        assert Changed(7) in [next(events), next(events)]


def test_half_of_the_threads_may_stream_and_a_closed_page_makes_room(broadcaster: Broadcaster) -> None:
    pages = [broadcaster.subscribe() for _ in range(4)]
    with pytest.raises(Transient, match="Too many pages"):
        broadcaster.subscribe()
    pages[0].close()
    with broadcaster.subscribe(), pytest.raises(Transient):
        broadcaster.subscribe()


def test_a_page_that_was_forgotten_makes_room(broadcaster: Broadcaster) -> None:
    for _ in range(20):
        broadcaster.subscribe()
        gc.collect()


def test_one_connection_serves_all_pages_and_none_is_made_before_the_first(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    until(lambda: not listeners(admin))
    with broadcaster.subscribe() as one, broadcaster.subscribe() as two:
        settled(one, admin)
        settled(two, admin)
        assert len(listeners(admin)) == 1


def test_stopping_ends_thread_connection_and_streams_and_a_new_page_starts_again(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    page = broadcaster.subscribe()
    events = settled(page, admin)
    broadcaster.stop()
    assert list(events) == []
    until(lambda: not listeners(admin))
    with broadcaster.subscribe(7) as page:
        events = settled(page, admin)
        changed(admin, 7)
        assert next(events) == Changed(7)


def test_the_response_is_an_event_stream_with_heartbeats(
    broadcaster: Broadcaster, admin: psycopg.Connection
) -> None:
    app = Flask(__name__)
    page = broadcaster.subscribe(7)
    with app.test_request_context():
        response = stream_response(page)
    chunks = iter(response.response)
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert next(chunks) == b"retry: 3000\n\n"
    assert next(chunks) == b'event: changed\ndata: {"project": 7}\n\n'
    assert b": still here\n\n" in [next(chunks), next(chunks)]
    response.close()
    assert page.closed


APP = """
import os, time
from flask import Flask
from dashboard.events import Broadcaster, stream_response
from farm.errors import FarmError

app = Flask(__name__)
events = Broadcaster(os.environ["DATABASE"], threads=4, heartbeat_s=0.3)
events.subscribe().close()
app.register_error_handler(FarmError, lambda e: (str(e), e.status))

@app.get("/events")
def stream():
    return stream_response(events.subscribe(7))

@app.get("/page")
def page():
    return str(os.getpid())
"""


@pytest.fixture
def site(database: str, tmp_path: Path) -> Iterator[str]:
    """A dashboard of gunicorn's threads, loaded and already listening before the fork."""
    (tmp_path / "site_app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = [
        "--preload",
        "--threads",
        "4",
        "--workers",
        "1",
        "--graceful-timeout",
        "2",
        "--no-control-socket",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", "site_app:app"],
        cwd=tmp_path,
        env=os.environ | {"DATABASE": database, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: reachable(port))
    yield url
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=15)


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_under_gunicorn_streams_leave_threads_to_pages_and_gone_clients_make_room(
    site: str, admin: psycopg.Connection
) -> None:
    with urllib3.PoolManager(retries=False, timeout=5.0, maxsize=8) as http:

        def stream() -> urllib3.BaseHTTPResponse:
            return http.request("GET", f"{site}/events", preload_content=False)

        assert [http.request("HEAD", f"{site}/events").status for _ in range(6)] == [200] * 6
        one, two = stream(), stream()
        assert (one.status, two.status) == (200, 200)
        assert one.readline() == b"retry: 3000\n"
        refused = stream()
        assert (refused.status, b"Too many pages" in refused.read()) == (503, True)
        assert [http.request("GET", f"{site}/page").status for _ in range(20)] == [200] * 20

        time.sleep(1.0)
        changed(admin, 7)
        lines = iter(one.readline, b"")
        assert sum(line == b'data: {"project": 7}\n' for line, _ in zip(lines, range(12), strict=False)) >= 1
        one.close()
        until(lambda: fresh_stream_opens(stream))
        two.close()


def fresh_stream_opens(stream: Callable[[], urllib3.BaseHTTPResponse]) -> bool:
    with stream() as answer:
        return answer.status == 200
