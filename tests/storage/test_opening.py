from pathlib import Path

import pytest

from farm.errors import Rejected
from farm.storage import Store
from farm.storage.folder import FolderStore
from farm.storage.opening import open_store


def opened(url: str, local: bool = False) -> Store:
    return open_store(url, secret=b"secret", public_url="http://farm.example", local=local)


@pytest.mark.parametrize("form", ["{}/a folder?#%41", "file://{}/a%20folder%3F%23%2541"])
def test_a_path_and_a_file_url_open_a_folder(form: str, tmp_path: Path) -> None:
    store = opened(form.format(tmp_path))
    assert isinstance(store, FolderStore)
    assert store.root == tmp_path / "a folder?#%41"


def test_on_one_host_uploads_are_file_urls(tmp_path: Path) -> None:
    store = opened(str(tmp_path), local=True)
    assert store.upload_url("takes/1", 5, 60).url == f"file://{tmp_path}/takes/1"
    assert store.download_url("takes/1", 60).startswith("http://farm.example/store/takes/1?")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative/path",
        "file://host/path",
        "file:///p?x=1",
        "http://bucket",
        "s3://",
        "s3:///prefix",
        "s3://[",
        "s3://b",
        "s3://bucket/../x",
        "s3://bucket?endpoint=minio:9000",
        "s3://bucket?endpont=http://x",
        "s3://bucket:9000/x",
        "s3://bucket#x",
        "s3://bucket?endpoint=http://a%20b",
        "s3://bucket?endpoint=http://",
        "s3://bucket?region=",
        "/a\0b",
        "file:///a%00b",
    ],
)
def test_what_names_no_storage_is_rejected(url: str) -> None:
    with pytest.raises(Rejected, match=r"s3://bucket/prefix\?endpoint=|cannot name an object"):
        opened(url)


def test_keys_in_a_url_are_not_repeated() -> None:
    with pytest.raises(Rejected) as raised:
        opened("s3://AKIAKEY:verysecret@bucket/prefix")
    assert "verysecret" not in str(raised.value)
