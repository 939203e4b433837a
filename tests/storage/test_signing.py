from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3

from farm.errors import Forbidden, Rejected
from farm.storage.folder import FolderStore
from farm.storage.signing import Signer

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
SIGNER = Signer(b"secret", "https://farm.example/")


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_an_address_is_good_for_what_it_was_signed_for() -> None:
    url = SIGNER.sign("PUT", "takes/a=b.flac", SOON, size=10)
    assert url.startswith("https://farm.example/store/takes/a%3Db.flac?")
    SIGNER.verify("PUT", "takes/a=b.flac", query_of(url), 10, NOW)


def test_a_download_may_be_asked_for_its_headers() -> None:
    SIGNER.verify("HEAD", "a", query_of(SIGNER.sign("GET", "a", SOON)), None, NOW)


@pytest.mark.parametrize(
    ("method", "name", "size"),
    [
        ("GET", "a", 10),
        ("GET", "a", None),
        ("POST", "a", 10),
        ("PUT", "b", 10),
        ("PUT", "a", 11),
        ("PUT", "a", None),
    ],
)
def test_another_method_name_or_size_is_forbidden(method: str, name: str, size: int | None) -> None:
    query = query_of(SIGNER.sign("PUT", "a", SOON, size=10))
    with pytest.raises(Forbidden, match="not given for this"):
        SIGNER.verify(method, name, query, size, NOW)


@pytest.mark.parametrize("change", [{"expires": "99999999999"}, {"as": "evil.exe"}, {"signature": "é\udc80"}])
def test_a_changed_query_is_forbidden(change: dict[str, str]) -> None:
    query = query_of(SIGNER.sign("GET", "a", SOON, download_as="book.m4b")) | change
    with pytest.raises(Forbidden):
        SIGNER.verify("GET", "a", query, None, NOW)


@pytest.mark.parametrize("missing", ["expires", "as", "signature"])
def test_a_query_with_a_part_missing_is_forbidden(missing: str) -> None:
    query = query_of(SIGNER.sign("GET", "a", SOON, download_as="book.m4b"))
    del query[missing]
    with pytest.raises(Forbidden):
        SIGNER.verify("GET", "a", query, None, NOW)


def test_an_address_expires_on_the_second() -> None:
    query = query_of(SIGNER.sign("GET", "a", SOON))
    SIGNER.verify("GET", "a", query, None, SOON - timedelta(seconds=1))
    with pytest.raises(Forbidden, match="expired"):
        SIGNER.verify("GET", "a", query, None, SOON)


def test_another_secret_signs_nothing_here() -> None:
    query = query_of(Signer(b"other", "https://farm.example").sign("GET", "a", SOON))
    with pytest.raises(Forbidden):
        SIGNER.verify("GET", "a", query, None, NOW)


def test_no_secret_is_rejected() -> None:
    with pytest.raises(Rejected):
        Signer(b"", "https://farm.example")


def test_the_door_refuses_a_longer_or_shorter_body(folder: FolderStore, http: urllib3.PoolManager) -> None:
    leave = folder.upload_url("takes/1", 5, 60)
    for body in (b"123456", b"1234"):
        answer = http.request("PUT", leave.url, body=body)
        assert (answer.status, list(folder.list())) == (403, [])
    chunked = http.request("PUT", leave.url, body=iter([b"12345"]))
    assert (chunked.status, list(folder.list())) == (403, [])


def test_the_door_refuses_what_has_expired(folder: FolderStore, http: urllib3.PoolManager) -> None:
    folder.put("a", b"x")
    upload = folder.upload_url("b", 1, expires_s=-1)
    assert http.request("GET", folder.download_url("a", expires_s=-1)).status == 403
    assert http.request("PUT", upload.url, body=b"x").status == 403


def test_the_door_refuses_hostile_names(folder: FolderStore, http: urllib3.PoolManager) -> None:
    folder.put("a", b"x")
    url = folder.download_url("a", 60)
    for name in ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", ".incoming"):
        assert http.request("GET", url.replace("/store/a?", f"/store/{name}?")).status == 403
