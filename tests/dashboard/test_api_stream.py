"""The dashboard under gunicorn: live progress, ranges, uploads that are too large."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3
from builders import project

from dashboard.belongings import Belongings
from dashboard.events import Broadcaster
from dashboard.live import Live
from farm import projects
from farm.db import Begin
from farm.embedded import Servers
from farm.settings import Settings, inherited_environment
from tests.dashboard.making import SOUND, Book, finished

THREADS = 4


@pytest.fixture
def book(have: Belongings) -> Book:
    with have.begin() as session:
        return finished(session, have.store)


@pytest.fixture(scope="module")
def settings(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("site")
    return Settings(
        home=home,
        database_url=servers.database_url,
        broker_url=servers.broker_url,
        store_url=str(home / "store"),
        secret="a secret for tests",
        upload_limit_mb=1,
        web_threads=THREADS,
    )


@pytest.fixture(scope="module")
def port(settings: Settings) -> Iterator[int]:
    """A dashboard as `farm up` runs it, with room for two streams."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    options = [
        "--worker-class=gthread",
        "--workers=1",
        f"--threads={THREADS}",
        "--graceful-timeout=1",
        "--no-control-socket",
    ]
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            *options,
            f"--bind=127.0.0.1:{port}",
            "dashboard.wsgi:dashboard()",
        ],
        env={**inherited_environment(), **settings.environment()},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline, "it never listened"
            time.sleep(0.1)
    yield port
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=30)


@pytest.fixture
def site(port: int, token: str) -> Iterator["Site"]:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    with urllib3.PoolManager(retries=False, timeout=20.0, maxsize=8, headers=headers) as pool:
        yield Site(f"http://127.0.0.1:{port}/api/v1", pool)


class Site:
    def __init__(self, url: str, pool: urllib3.PoolManager) -> None:
        self.url, self.pool = url, pool

    def get(self, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        return self.pool.request("GET", self.url + path, **options)

    def stream(self, path: str) -> urllib3.BaseHTTPResponse:
        return self.get(path, preload_content=False)


def events(stream: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, Any]]:
    """(event, data) of a stream of server-sent events."""
    name = ""
    for line in iter(stream.readline, b""):
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@pytest.mark.timeout(60, func_only=True)
def test_a_page_is_told_what_changed_and_what_it_polls_is_the_same(
    site: Site, begin: Begin, book: Book
) -> None:
    with site.stream(f"/stream?project={book.project}") as stream:
        told = events(stream)
        name, first = next(told)
        assert (name, first["state"], len(first["strip"])) == ("project", "running", 2)
        assert first == site.get(f"/projects/{book.project}/live").json()
        assert next(told)[0] == "farm"
        with begin() as session:
            projects.pause(session, book.project)
        states = (data["state"] for name, data in told if name == "project")
        assert "paused" in states
        with begin() as session:
            projects.delete(session, book.project)
        assert ("gone", {"id": book.project}) in told


def test_a_page_of_all_projects_begins_with_each_of_them(site: Site, have: Belongings, book: Book) -> None:
    with have.begin() as session:
        other = project(session, title="Another").id
    with site.stream("/stream") as stream:
        told = events(stream)
        assert {next(told)[1]["id"] for _ in range(2)} == {book.project, other}


def test_streams_leave_room_for_pages_that_then_poll(site: Site, book: Book) -> None:
    with site.stream("/stream"), site.stream("/stream"):
        refused = site.get("/stream")
        assert (refused.status, "Too many pages" in refused.json()["error"]) == (503, True)
        assert site.get(f"/projects/{book.project}/live").status == 200


def test_sound_is_served_in_ranges(site: Site, book: Book) -> None:
    address = f"/chapters/{book.chapter}/files/m4a"
    headers = {**site.pool.headers, "Range": "bytes=100-199"}
    part = site.get(address, headers=headers)
    assert (part.status, part.data, part.headers["Content-Length"]) == (206, SOUND[100:200], "100")


def test_who_sends_too_much_hears_so_before_sending_it(port: int, token: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Length": str(2**31)}
    connection.request(
        "POST",
        "/api/v1/projects",
        headers={**headers, "Content-Type": "multipart/form-data; boundary=b"},
    )
    answer = connection.getresponse()
    assert answer.status == 413
    assert "larger than the 1 MiB" in json.load(answer)["error"]
    connection.close()


def test_what_changed_is_looked_up_once_for_all_pages_and_again_after_the_next_change(
    app: Any, settings: Settings
) -> None:
    broadcaster = Broadcaster(settings.database_url, THREADS)
    live, looked = Live(broadcaster), []

    def look() -> dict[str, Any]:
        looked.append(threading.get_ident())
        time.sleep(0.05)
        return {"n": len(looked)}

    def ask(_: int) -> dict[str, Any]:
        with app.test_request_context():
            return live.get(1, look)

    with ThreadPoolExecutor(8) as pages:
        assert list(pages.map(ask, range(8))) == [{"n": 1}] * 8
        broadcaster.told_at = time.monotonic()
        assert list(pages.map(ask, range(8))) == [{"n": 2}] * 8
        time.sleep(0.35)
        assert ask(0) == {"n": 3}
