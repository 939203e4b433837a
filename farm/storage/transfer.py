"""The worker's side of the store: one HTTP PUT or GET, or one file; no keys, no database, no S3 library."""

import time
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from farm.errors import FarmError, Forbidden, NotFound, Rejected, ServiceDown, Transient
from farm.pinning import trusting
from farm.storage import CHUNK, Upload
from farm.storage.disk import opened
from farm.storage.folder import FolderStore

SLOWEST_S = 60.0  # for one recording: a store that drips must not hold up a worker
_BUSY = (408, 425, 429, 500, 502, 503, 504)


def connections(ca_file: str = "") -> urllib3.PoolManager:
    """What uploads go through."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=10, read=30),
        retries=urllib3.Retry(
            total=4,
            connect=2,
            read=1,  # a silent store holds up a worker for a minute: its jobs must not seem to hang
            redirect=False,
            status_forcelist=_BUSY,
            allowed_methods={"PUT"},
            backoff_factor=0.3,  # seconds: 0, 0.6, 1.2, 2.4, well inside a lease
            backoff_jitter=0.3,
            respect_retry_after_header=False,
            raise_on_status=False,
        ),
        **trusting(ca_file),
    )


_http = connections()


def upload(
    leave: Upload,
    source: Path | bytes,
    allowed_root: Path | None = None,
    http: urllib3.PoolManager = _http,
) -> None:
    """Send `source` where `leave` says. A file URL must lie in `allowed_root`, the store's folder.

    Raises Forbidden (not signed for this, or expired), Rejected; after some tries Transient or ServiceDown.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    allowed = leave.headers.get("Content-Length")
    if allowed != str(size):
        raise Rejected("This upload is for {allowed} bytes, not {size}.", allowed=allowed, size=size)
    if urlsplit(leave.url).scheme == "file":
        _write(leave.url, source, allowed_root)
    else:
        _send(leave, source, http)


def download(url: str, most: int, http: urllib3.PoolManager = _http) -> bytes:
    """What lies at `url`, tried once. Neither is believed: the answer ends after `most` bytes or `SLOWEST_S`.

    Raises NotFound, Forbidden, Rejected (it is larger), Transient, ServiceDown.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise Rejected("{url} is no address of a storage.", url=url[:80])
    until = time.monotonic() + SLOWEST_S
    content = bytearray()
    try:
        with http.request("GET", url, redirect=False, retries=False, preload_content=False) as answer:
            if answer.status != 200:
                raise _refusal(answer.status, answer.read(500).decode(errors="replace"))
            while piece := answer.read1(CHUNK):
                content += piece
                if len(content) > most:
                    raise Rejected("The storage sends more than {most} bytes of it.", most=most)
                if time.monotonic() > until:
                    raise ServiceDown("The storage took more than {s} s to send it.", s=round(SLOWEST_S))
    except HTTPError as e:
        raise ServiceDown("The storage does not answer: {reason}.", reason=str(e)) from e
    return bytes(content)


def _write(url: str, source: Path | bytes, root: Path | None) -> None:
    path = PurePosixPath(unquote(urlsplit(url).path))
    if root is None or ".." in path.parts or not path.is_relative_to(root.resolve()):
        raise Forbidden(
            "{path} is not in this machine's storage folder ({root}).", path=str(path), root=str(root)
        )
    FolderStore(root).put(str(path.relative_to(root.resolve())), source)


def _send(leave: Upload, source: Path | bytes, http: urllib3.PoolManager) -> None:
    try:
        with opened(source) as body:
            answer = http.request(
                leave.method,
                leave.url,
                body=body,
                headers=dict(leave.headers),
                redirect=False,
                preload_content=False,
            )
            reason = answer.read(500).decode(errors="replace")
            answer.release_conn()
    except HTTPError as e:
        raise ServiceDown(
            "The storage does not answer: {reason}. The upload is tried again.", reason=str(e)
        ) from e
    if not 200 <= answer.status < 300:
        raise _refusal(answer.status, reason)


def _refusal(status: int, reason: str) -> FarmError:
    if status in _BUSY or status >= 500:
        return Transient("The storage is busy ({status}: {reason}).", status=status, reason=reason)
    if status == 404:
        return NotFound("The storage does not have it ({reason}).", reason=reason)
    if status in (401, 403):
        return Forbidden("The storage refused this ({status}: {reason}).", status=status, reason=reason)
    return Rejected("The storage refused this ({status}: {reason}).", status=status, reason=reason)
