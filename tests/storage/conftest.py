"""A folder and a bucket on a real S3 protocol server, each behind the port, and the folder's HTTP door."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import urllib3
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from farm.errors import FarmError
from farm.storage import Store, attachment, media_type
from farm.storage.folder import FolderStore
from farm.storage.opening import open_store
from farm.storage.ranges import serve_range
from farm.storage.signing import Signer
from tests.s3 import s3_server

SECRET = b"a secret of the tests"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="books")
        yield endpoint


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[FolderStore]:
    """A folder store whose signed addresses are served over HTTP, as the dashboard will."""
    door = Door()
    server = make_server("127.0.0.1", 0, door, threaded=True)
    public_url = f"http://127.0.0.1:{server.server_port}"
    store = open_store(str(tmp_path / "store"), secret=SECRET, public_url=public_url)
    assert isinstance(store, FolderStore)
    door.store, door.signer = store, Signer(SECRET, public_url)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # seconds between looks at shutdown
    thread.start()
    yield store
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(s3_endpoint: str) -> Store:
    url = f"s3://books/{uuid.uuid4().hex}/deep?endpoint={s3_endpoint}"
    return open_store(url, secret=SECRET, public_url="http://unused")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as pool:
        yield pool


class Door:
    """The WSGI application in front of a folder store: signed GET with ranges, signed PUT."""

    store: FolderStore
    signer: Signer

    @Request.application
    def __call__(self, request: Request) -> Response:
        name = request.path.removeprefix("/store/")
        size = request.content_length if request.method == "PUT" else None
        try:
            self.signer.verify(request.method, name, request.args, size, datetime.now(UTC))
            return self._put(name, request) if request.method == "PUT" else self._get(name, request)
        except FarmError as e:
            return Response(str(e), status=e.status)

    def _put(self, name: str, request: Request) -> Response:
        self.store.put(name, request.stream)
        return Response(status=201)

    def _get(self, name: str, request: Request) -> Response:
        size = self.store.head(name).size
        some = serve_range(request.headers.get("Range"), size)
        start, end = some or (0, size)
        response = Response(
            self.store.open(name, start, end), mimetype=media_type(name), direct_passthrough=True
        )
        response.content_length = end - start
        if some:
            response.status_code = 206
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if "as" in request.args:
            response.headers["Content-Disposition"] = attachment(request.args["as"])
        return response
