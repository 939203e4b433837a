import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from farm.errors import Forbidden, Rejected, ServiceDown, Transient
from farm.storage import Upload
from farm.storage.folder import FolderStore
from farm.storage.transfer import upload


def test_importing_transfer_loads_no_s3_library_database_or_web() -> None:
    program = "import sys, farm.storage.transfer; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "urllib3" in loaded
    assert {"boto3", "botocore", "sqlalchemy", "flask", "werkzeug", "celery"}.isdisjoint(loaded)


def test_a_file_url_inside_the_root_is_written_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "a store", local=True)
    upload(store.upload_url("takes/1.flac", 5, 60), b"12345", allowed_root=store.root)
    assert store.read("takes/1.flac", limit=5) == b"12345"
    assert [found.name for found in store.list()] == ["takes/1.flac"]


@pytest.mark.parametrize(
    "path",
    [
        "{0}/outside",
        "{0}/store/../outside",
        "{0}/store/%2e%2e/outside",
        "{0}/storehouse/a",
        "/etc/x",
        "relative",
    ],
)
def test_a_file_url_outside_the_root_is_forbidden(path: str, tmp_path: Path) -> None:
    leave = Upload("PUT", "file://" + path.format(tmp_path), {"Content-Length": "1"})
    with pytest.raises(Forbidden):
        upload(leave, b"x", allowed_root=tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_a_file_url_through_a_link_or_to_the_root_is_rejected(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    (tmp_path / "outside").mkdir()
    (store.root / "link").symlink_to(tmp_path / "outside")
    for path in ("link/a", "", ".incoming/a"):
        with pytest.raises(Rejected):
            upload(Upload("PUT", f"file://{store.root}/{path}", {"Content-Length": "1"}), b"x", store.root)
    assert list((tmp_path / "outside").iterdir()) == []


def test_no_file_is_written_where_no_root_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        upload(Upload("PUT", f"file://{tmp_path}/a", {"Content-Length": "1"}), b"x")


Serve = Callable[[list[int]], tuple[str, list[bytes]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers these statuses in turn, the last for ever; its URL, and what it got."""
    stops: list[Callable[[], None]] = []

    def start(statuses: list[int]) -> tuple[str, list[bytes]]:
        received: list[bytes] = []

        @Request.application
        def answer(request: Request) -> Response:
            received.append(request.get_data())
            return Response("because", status=statuses[min(len(received), len(statuses)) - 1])

        server = make_server("127.0.0.1", 0, answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        stops.extend([server.server_close, thread.join, server.shutdown])
        return f"http://127.0.0.1:{server.server_port}/x", received

    yield start
    for stop in reversed(stops):
        stop()


def test_a_busy_server_is_sent_the_whole_body_again(serve: Serve, tmp_path: Path) -> None:
    url, received = serve([503, 500, 201])
    source = tmp_path / "take"
    source.write_bytes(b"abc" * 50_000)
    upload(Upload("PUT", url, {"Content-Length": "150000"}), source)
    assert received == [source.read_bytes()] * 3


def test_a_server_that_stays_busy_is_transient(serve: Serve) -> None:
    url, received = serve([503])
    with pytest.raises(Transient, match="busy \\(503: because"):
        upload(Upload("PUT", url, {"Content-Length": "1"}), b"x")
    assert len(received) == 5


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, Forbidden), (401, Forbidden), (400, Rejected), (413, Rejected), (302, Rejected)],
)
def test_a_refusal_is_not_tried_again(serve: Serve, status: int, error: type[Exception]) -> None:
    url, received = serve([status])
    with pytest.raises(error, match=f"{status}: because"):
        upload(Upload("PUT", url, {"Content-Length": "1"}), b"x")
    assert len(received) == 1


def test_nobody_there_is_service_down_after_several_tries() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceDown, match="does not answer"):
        upload(Upload("PUT", f"http://127.0.0.1:{port}/x", {"Content-Length": "1"}), b"x")
