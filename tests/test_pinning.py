"""A worker trusts the one certificate it was given, whatever the host is called; else the system's."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from farm import tls
from farm.embedded import Servers
from farm.errors import Rejected, ServiceDown
from farm.settings import Settings
from farm.storage import Upload
from tasks.app import celery_app
from tasks.client import FarmClient
from tests.test_gate import free_port, opened


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tls.Identity:
    return tls.identity(Settings(home=tmp_path_factory.mktemp("ours"), tls=True))


@pytest.fixture(scope="module")
def anothers(tmp_path_factory: pytest.TempPathFactory) -> tls.Identity:
    return tls.identity(Settings(home=tmp_path_factory.mktemp("anothers"), tls=True))


@contextmanager
def serving(own: tls.Identity) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says run to everything; its address."""
    received: list[bytes] = []

    @Request.application
    def answer(request: Request) -> Response:
        received.append(request.get_data())
        return Response('{"desired": "run"}', mimetype="application/json")

    server = make_server("127.0.0.1", 0, answer, ssl_context=tls.server_context(own))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_api_and_its_store_are_reached_by_the_pinned_certificate(
    ours: tls.Identity, tmp_path: Path
) -> None:
    take = tmp_path / "take"
    take.write_bytes(b"take")
    with serving(ours) as (address, received):
        client = FarmClient(address, "s", str(ours.certificate))
        assert client.beat({}).desired == "run"
        client.send(Upload("PUT", "/store/a?signature=x", {"Content-Length": "4"}), take, None)
    assert received[-1] == b"take"


@pytest.mark.parametrize("trusted", ["anothers", ""])
def test_another_certificate_opens_nothing(
    ours: tls.Identity, anothers: tls.Identity, trusted: str, tmp_path: Path
) -> None:
    with serving(ours) as (address, received):
        client = FarmClient(address, "s", str(anothers.certificate) if trusted else "")
        with pytest.raises(ServiceDown, match=r"(?i)certificate"):
            client.beat({})
        assert received == []


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("no certificate")
    with pytest.raises(Rejected, match="note is not a certificate"):
        FarmClient("https://x", "s", str(tmp_path / "note"))


@pytest.fixture
def door(servers: Servers, ours: tls.Identity, tmp_path: Path) -> Iterator[Settings]:
    config = Settings(
        home=tmp_path,
        tls=True,
        tls_certificate=str(ours.certificate),
        tls_key=str(ours.key),
        broker_url=servers.broker_url,
        broker_port=free_port(),
    )
    with opened(config):
        yield config


def reach(config: Settings, ca_file: str) -> None:
    """Connect as a worker's Celery does."""
    own = redis.connection.parse_url(config.broker_url)
    url = f"rediss://:{own.get('password', '')}@127.0.0.1:{config.broker_port}/0"
    app = celery_app("w1", url, [], bare=True, ca_file=ca_file)
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        connection.default_channel.client.ping()


def test_the_broker_is_reached_by_the_pinned_certificate_alone(
    door: Settings, ours: tls.Identity, anothers: tls.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(door, str(ours.certificate))
    # Even a server that the system trusts, as it trusts each that a public authority vouches for.
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
    assert ssl.create_default_context().cert_store_stats()["x509"] > 0
    with pytest.raises((OperationalError, redis.ConnectionError, ssl.SSLError)):
        reach(door, str(anothers.certificate))
