"""What only the bucket promises: what its addresses sign, and the errors of S3 in words."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from farm.errors import Rejected, ServiceDown, Transient
from farm.storage import Store
from farm.storage.s3 import S3Store


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_an_upload_address_signs_length_type_and_end(bucket: Store) -> None:
    leave = bucket.upload_url("takes/1.flac", 12345, 90)
    query = query_of(leave.url)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["90"]
    assert leave.headers == {"Content-Length": "12345", "Content-Type": "audio/flac"}
    other = bucket.upload_url("takes/1.flac", 12346, 90)
    assert query_of(other.url)["X-Amz-Signature"] != query["X-Amz-Signature"]


def test_objects_lie_under_the_prefix(s3_endpoint: str) -> None:
    whole, part = S3Store("books", endpoint=s3_endpoint), S3Store("books", "tenant/1", s3_endpoint)
    part.put("a", b"x")
    assert whole.read("tenant/1/a", limit=1) == b"x"
    assert [found.name for found in part.list()] == ["a"]
    whole.delete(["tenant/1/a"])


def test_keys_that_are_no_names_are_not_listed(s3_endpoint: str) -> None:
    store = S3Store("books", "odd", s3_endpoint)
    for key in ("odd/folder/", "odd/第1章", "odd/good"):
        store._client.put_object(Bucket="books", Key=key, Body=b"")
    assert [found.name for found in store.list()] == ["good"]


def test_a_missing_bucket_is_said_with_its_remedy(s3_endpoint: str) -> None:
    with pytest.raises(ServiceDown, match="no bucket nowhere"):
        S3Store("nowhere", endpoint=s3_endpoint).check()


def test_missing_keys_are_said_with_their_remedy(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ServiceDown, match="Set AWS_ACCESS_KEY_ID"):
        S3Store("books", endpoint=s3_endpoint).check()


def test_a_server_that_is_down_is_named(s3_endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServiceDown, match=f"{endpoint} does not answer"):
        S3Store("books", endpoint=endpoint).check()


class Truncating(BaseHTTPRequestHandler):
    """Promises a thousand bytes and sends ten."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"0123456789")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_answer_that_breaks_off_is_service_down_and_leaves_no_file(
    s3_endpoint: str, tmp_path: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Truncating) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        store = S3Store("books", endpoint=f"http://127.0.0.1:{server.server_port}")
        for ask in (lambda: store.read("a", limit=1000), lambda: store.fetch("a", tmp_path / "target")):
            with pytest.raises(ServiceDown, match="does not answer"):
                ask()
        server.shutdown()
        thread.join()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "status", "error", "remedy"),
    [
        ("InvalidAccessKeyId", 403, ServiceDown, "Correct AWS_ACCESS_KEY_ID"),
        ("AccessDenied", 403, ServiceDown, "Allow it to get, put, delete and list"),
        ("PermanentRedirect", 301, ServiceDown, "region="),
        ("RequestTimeTooSkewed", 403, ServiceDown, "clock"),
        ("SlowDown", 503, Transient, "Try again"),
        ("KeyTooLongError", 400, Rejected, "refused a/b"),
    ],
)
def test_the_codes_of_s3_have_words(code: str, status: int, error: type[Exception], remedy: str) -> None:
    meaning = S3Store("books")._meaning(code, status, "the reason", "a/b")
    assert type(meaning) is error
    assert remedy in str(meaning)
