"""Opens the store that a URL names."""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from farm.errors import Rejected
from farm.settings import Settings
from farm.storage import Store, checked
from farm.storage.folder import FolderStore
from farm.storage.s3 import S3Store
from farm.storage.signing import Signer

_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,63}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[^\s?#]*)?")
_REGION = re.compile(r"[a-z0-9-]+")


def store_of(config: Settings, *, local: bool = False) -> Store:
    """The store that the settings name; a folder's addresses begin with /store/.

    A worker joins them to its own address of the worker API: whatever way it has found leads to both.
    """
    return open_store(config.store, secret=config.signing_secret.encode(), public_url="", local=local)


def open_store(url: str, *, secret: bytes, public_url: str, local: bool = False) -> Store:
    """`/folder`, `file:///folder` or `s3://bucket/prefix?endpoint=https://…&region=…`. Raises Rejected.

    A folder's addresses are `public_url`/store/…, signed with `secret`; with `local`, its uploads are file
    URLs, for workers on this host. S3's credentials come from boto3's usual chain.
    """
    if url.startswith("/"):
        return _folder(url, url, Signer(secret, public_url), local)
    try:
        parts = urlsplit(url)
    except ValueError as e:
        raise _bad(url) from e
    if parts.scheme == "s3":
        return _s3(url, parts)
    if (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", ""):
        return _folder(url, unquote(parts.path), Signer(secret, public_url), local)
    raise _bad(url)


def _folder(url: str, path: str, signer: Signer, local: bool) -> FolderStore:
    if not path.startswith("/") or "\0" in path:
        raise _bad(url)
    return FolderStore(Path(path), signer, local)


def _s3(url: str, parts: SplitResult) -> S3Store:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    endpoint, region = options.pop("endpoint", None), options.pop("region", None)
    given = [(_BUCKET, parts.netloc), (_ENDPOINT, endpoint), (_REGION, region)]
    if parts.fragment or options or not all(text is None or form.fullmatch(text) for form, text in given):
        raise _bad(url)
    prefix = parts.path.strip("/")
    return S3Store(parts.netloc, checked(prefix) if prefix else "", endpoint, region)


def _bad(url: str) -> Rejected:
    return Rejected(
        "“{url}” names no storage. Write /folder, or "
        "s3://bucket/prefix?endpoint=https://host&region=name (prefix, endpoint and region may be left out).",
        url=re.sub("//.*@", "//…@", url),  # someone may have written their keys into it
    )
