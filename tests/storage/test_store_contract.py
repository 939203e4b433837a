"""What every store promises, asked of a folder and of a bucket."""

import hashlib
import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import urllib3

from farm.errors import NotFound, Rejected
from farm.storage import Store
from farm.storage.transfer import upload

HOSTILE = [
    "",
    "/",
    "/etc/passwd",
    "../out",
    "a/../../out",
    "a/./b",
    "a//b",
    "a/",
    ".hidden",
    "a/.incoming",
    "..",
    "a\\b",
    "a b",
    "a\nb",
    "a\0b",
    "第1章",
    "a%2e%2e/b",
    "~root",
    "a/" + "b" * 256,
    "/".join(["abcdefgh"] * 60),
]


def test_what_is_put_is_read_again(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source.flac"
    source.write_bytes(b"from a path")
    store.put("takes/1.flac", source)
    store.put("takes/2.flac", b"from bytes")
    store.put("takes/3.flac", io.BytesIO(b"from a stream"))
    assert [store.read(f"takes/{n}.flac", limit=100) for n in (1, 2, 3)] == [
        b"from a path",
        b"from bytes",
        b"from a stream",
    ]


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.read("empty", limit=0) == b""
    assert store.head("empty").size == 0
    with store.open("empty", 0, 5) as body:
        assert b"".join(body) == b""


def test_a_second_put_replaces_the_first(store: Store) -> None:
    store.put("a/b.txt", b"the first and longer")
    store.put("a/b.txt", b"the second")
    assert store.read("a/b.txt", limit=100) == b"the second"


def test_reading_more_than_the_limit_is_rejected(store: Store) -> None:
    store.put("a", b"12345")
    assert store.read("a", limit=5) == b"12345"
    with pytest.raises(Rejected, match="5 bytes, more than the 4"):
        store.read("a", limit=4)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 5, b"34"),
        (9, 99, b"9"),
        (10, None, b""),
        (10, 12, b""),
        (4, 4, b""),
        (6, 2, b""),
    ],
)
def test_a_range_is_what_a_slice_would_be(store: Store, start: int, end: int | None, expected: bytes) -> None:
    store.put("digits", b"0123456789")
    with store.open("digits", start, end) as body:
        assert body.length == len(expected)
        assert b"".join(body) == expected


def test_a_range_behind_the_end_is_rejected(store: Store) -> None:
    store.put("digits", b"0123456789")
    with pytest.raises(Rejected, match="ends at byte 10, before byte 11"):
        store.open("digits", 11)


def test_what_is_absent_is_not_found(store: Store, tmp_path: Path) -> None:
    for ask in (
        lambda: store.read("no/such", limit=1),
        lambda: store.open("no/such"),
        lambda: store.open("no/such", 2, 4),
        lambda: store.open("no/such", 4, 4),
        lambda: store.head("no/such"),
        lambda: store.fetch("no/such", tmp_path / "target"),
    ):
        with pytest.raises(NotFound, match="no/such"):
            ask()
    assert list(tmp_path.glob("*target*")) == []


def test_head_tells_size_and_an_aware_time(store: Store) -> None:
    store.put("a", b"12345")
    found = store.head("a")
    assert (found.name, found.size) == ("a", 5)
    assert found.modified.tzinfo is not None
    assert abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1)


def test_a_hostile_name_is_rejected_everywhere(store: Store, tmp_path: Path) -> None:
    asks: list[Callable[[str], object]] = [
        lambda name: store.put(name, b"x"),
        lambda name: store.read(name, limit=1),
        lambda name: store.open(name),
        lambda name: store.fetch(name, tmp_path / "target"),
        lambda name: store.head(name),
        lambda name: store.delete([name]),
        lambda name: store.upload_url(name, 1, 60),
        lambda name: store.download_url(name, 60),
    ]
    for name in HOSTILE:
        for ask in asks:
            with pytest.raises(Rejected, match="cannot name an object"):
                ask(name)
    assert list(store.list()) == []


def test_the_longest_names_are_good(store: Store) -> None:
    name = "/".join(["A-z_0.9=" + "b" * 247] * 2)
    assert len(name) == 511
    store.put(name, b"x")
    assert [found.name for found in store.list()] == [name]


def test_listing_is_by_the_first_characters_of_names(store: Store) -> None:
    names = ["book/1/a", "book/1/b", "book/10/a", "book/1", "bookcase", "other/x"]
    for name in [n for n in names if n != "book/1"]:  # a folder store cannot hold book/1 beside book/1/a
        store.put(name, name.encode())
    assert {found.name for found in store.list()} == set(names) - {"book/1"}
    assert {found.name for found in store.list("book/1")} == {"book/1/a", "book/1/b", "book/10/a"}
    assert {found.name for found in store.list("book/1/")} == {"book/1/a", "book/1/b"}
    assert {found.name for found in store.list("book")} == {"book/1/a", "book/1/b", "book/10/a", "bookcase"}
    assert {(found.name, found.size) for found in store.list("other/")} == {("other/x", 7)}
    assert list(store.list("nothing/here")) == []
    assert list(store.list("../")) == []


def test_listing_passes_a_thousand_and_may_be_deleted_under_way(store: Store) -> None:
    for n in range(1050):
        store.put(f"many/{n % 7}/{n}", b"")
    seen = []
    for found in store.list("many/"):
        seen.append(found.name)
        if len(seen) % 500 == 0:
            store.delete(seen)
    assert len(set(seen)) == len(seen) == 1050


def test_deleting_is_idempotent_and_passes_a_thousand(store: Store) -> None:
    names = [f"gone/{n}" for n in range(1100)]
    for name in names[::100]:
        store.put(name, b"x")
    store.put("stays", b"x")
    store.delete(iter(names))
    store.delete(names[:3])
    store.delete([])
    assert [found.name for found in store.list()] == ["stays"]


def test_readers_of_an_object_being_replaced_see_one_or_the_other(store: Store) -> None:
    contents = [bytes([n]) * 300_000 for n in range(3)]
    store.put("hot", contents[0])
    torn: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen = store.read("hot", limit=400_000)
            if seen not in contents:
                torn.append(seen)

    readers = [threading.Thread(target=watch) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(30):
        store.put("hot", io.BytesIO(contents[n % 3]))
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_source_that_fails_leaves_what_was_there(store: Store) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 200_000:
                raise ConnectionResetError("the uploader went away")
            return super().read(min(size or -1, 100_000) if size else 100_000)

    store.put("a", b"old")
    with pytest.raises(ConnectionResetError):
        store.put("a", Breaking(bytes(1_000_000)))
    with pytest.raises(ConnectionResetError):
        store.put("new", Breaking(bytes(1_000_000)))
    assert [(found.name, found.size) for found in store.list()] == [("a", 3)]


def test_twenty_megabytes_go_and_come_back(store: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    block = bytes(range(256)) * 4096
    with source.open("wb") as file:
        for n in range(20):
            file.write(bytes([n]) + block[1:])
    store.put("big.m4b", source)
    target.write_bytes(b"what was here before")
    store.fetch("big.m4b", target)
    assert store.head("big.m4b").size == 20 * len(block)
    assert digest(source) == digest(target)
    with store.open("big.m4b", 19 * len(block), 19 * len(block) + 3) as body:
        assert b"".join(body) == b"\x13\x01\x02"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"source", "target"}


def digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def test_a_signed_upload_needs_no_key(store: Store, http: urllib3.PoolManager) -> None:
    leave = store.upload_url("takes/1.flac", 5, 60)
    answer = http.request(leave.method, leave.url, body=b"12345", headers=dict(leave.headers))
    assert answer.status in (200, 201)
    assert store.read("takes/1.flac", limit=10) == b"12345"


def test_the_worker_uploads_bytes_and_files(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "take.flac"
    source.write_bytes(bytes(range(256)) * 1000)
    upload(store.upload_url("takes/file", 256_000, 60), source)
    upload(store.upload_url("takes/bytes", 3, 60), b"abc")
    assert store.read("takes/file", limit=300_000) == source.read_bytes()
    assert store.read("takes/bytes", limit=3) == b"abc"


def test_the_worker_refuses_to_send_another_size(store: Store) -> None:
    with pytest.raises(Rejected, match="for 5 bytes, not 6"):
        upload(store.upload_url("takes/1", 5, 60), b"123456")
    assert list(store.list()) == []


def test_a_signed_download_needs_no_key(store: Store, http: urllib3.PoolManager) -> None:
    store.put("release/book.m4b", b"0123456789")
    url = store.download_url("release/book.m4b", 60, download_as='红楼梦 "1".m4b')
    whole = http.request("GET", url)
    assert (whole.status, whole.data) == (200, b"0123456789")
    assert whole.headers["Content-Type"] == "audio/mp4"
    assert quote("红楼梦") in whole.headers["Content-Disposition"]
    some = http.request("GET", url, headers={"Range": "bytes=2-4"})
    assert (some.status, some.data, some.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")


def test_the_check_passes_and_leaves_nothing(store: Store) -> None:
    store.check()
    assert list(store.list()) == []
