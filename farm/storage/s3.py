"""Objects in a bucket of S3, or of any server that speaks its protocol."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from s3transfer.exceptions import RetriesExceededError

from farm.errors import FarmError, NotFound, Rejected, ServiceDown, Transient
from farm.storage import (
    Body,
    Stored,
    Upload,
    attachment,
    batches,
    behind_its_end,
    checked,
    is_name,
    media_type,
    round_trip,
    whole,
)
from farm.storage.disk import opened, replacing

_PART = 8 * 1024 * 1024  # bytes; an upload holds a few parts in memory, whatever its size
_THREADS = 4
_BUSY = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "ThrottlingException",
    "PreconditionFailed",  # the object was replaced between two parts of a fetch
}


class S3Store:
    """A store under `prefix` in `bucket`. The client is made at first use, one a process.

    Uploads that were killed half-way leave parts that S3 bills and does not list: give the bucket a lifecycle
    rule AbortIncompleteMultipartUpload.
    """

    def __init__(
        self, bucket: str, prefix: str = "", endpoint: str | None = None, region: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint
        self._region = region
        self._lock = threading.Lock()
        self._made: tuple[int, Any] | None = None
        self._transfer = TransferConfig(
            multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=_THREADS
        )

    def put(self, name: str, source: Path | bytes | BinaryIO, content_type: str | None = None) -> None:
        at, kind = self._at(name), content_type or media_type(name)
        with self._translated(name):
            if isinstance(source, bytes):
                self._client.put_object(**at, Body=source, ContentType=kind)
                return
            with opened(source) as stream:
                extra = {"ContentType": kind}
                self._client.upload_fileobj(stream, **at, ExtraArgs=extra, Config=self._transfer)

    def read(self, name: str, limit: int) -> bytes:
        return whole(name, self.open(name), limit)

    def open(self, name: str, start: int = 0, end: int | None = None) -> Body:
        if end is not None and end <= start:
            return self._nothing(name, start)
        some = (
            {} if (start, end) == (0, None) else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        )
        try:
            with self._translated(name):
                answer = self._client.get_object(**self._at(name), **some)
        except _BehindTheEnd:
            return self._nothing(name, start)
        return self._body(name, answer)

    def fetch(self, name: str, target: Path) -> None:
        at = self._at(name)
        with self._translated(name), replacing(target) as file:
            self._client.download_fileobj(**at, Fileobj=file, Config=self._transfer)

    def head(self, name: str) -> Stored:
        with self._translated(name):
            found = self._client.head_object(**self._at(name))
        return Stored(name, found["ContentLength"], found["LastModified"])

    def delete(self, names: Iterable[str]) -> None:
        for batch in batches(names, 1000):
            keys = [{"Key": self._at(name)["Key"]} for name in batch]
            with self._translated(batch[0]):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )
            if refused := answer.get("Errors"):
                first = refused[0]
                raise self._meaning(first.get("Code", ""), 0, first.get("Message", ""), first["Key"])

    def list(self, prefix: str = "") -> Iterator[Stored]:
        with self._translated(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for found in page.get("Contents", []):
                    name = found["Key"].removeprefix(self._prefix)
                    if is_name(name):
                        yield Stored(name, found["Size"], found["LastModified"])

    def upload_url(self, name: str, size: int, expires_s: int) -> Upload:
        headers = {"Content-Length": str(size), "Content-Type": media_type(name)}
        params = self._at(name) | {"ContentLength": size, "ContentType": headers["Content-Type"]}
        return Upload("PUT", self._presigned("put_object", params, expires_s), headers)

    def download_url(self, name: str, expires_s: int, download_as: str | None = None) -> str:
        params = self._at(name) | {"ResponseContentType": media_type(name)}
        if download_as is not None:
            params["ResponseContentDisposition"] = attachment(download_as)
        return self._presigned("get_object", params, expires_s)

    def check(self) -> None:
        round_trip(self)

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + checked(name)}

    def _body(self, name: str, answer: Any) -> Body:
        stream = answer["Body"]

        def read(most: int) -> bytes:
            with self._translated(name):
                return bytes(stream.read(most))

        return Body(answer["ContentLength"], read, stream.close)

    def _nothing(self, name: str, start: int) -> Body:
        """An empty body: S3 cannot express the empty range."""
        size = self.head(name).size
        if start > size:
            raise behind_its_end(name, size, start)
        return Body(0, lambda most: b"", lambda: None)

    def _presigned(self, operation: str, params: dict[str, Any], expires_s: int) -> str:
        with self._translated(params["Key"]):
            return str(self._client.generate_presigned_url(operation, params, expires_s))

    @property
    def _client(self) -> Any:
        """boto3's client; its type is Any because its stubs come and go with the environment."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():  # sockets do not survive a fork
                self._made = os.getpid(), self._connect()
            return self._made[1]

    def _connect(self) -> Any:
        session = Session()
        region = self._region or session.region_name or "us-east-1"
        config = Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path" if self._endpoint else "auto"},
            # Many servers other than Amazon's refuse the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return session.client("s3", region_name=region, endpoint_url=self._endpoint, config=config)

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except ClientError as e:
            error, status = e.response["Error"], e.response["ResponseMetadata"]["HTTPStatusCode"]
            raise self._meaning(error.get("Code", ""), status, error.get("Message", ""), name) from e
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound) as e:
            raise ServiceDown(
                "There is no key for the bucket {bucket} ({reason}). Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or another of boto3's sources.",
                bucket=self._bucket,
                reason=str(e),
            ) from e
        except (ConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError) as e:
            raise ServiceDown(
                "The storage at {endpoint} does not answer: {reason}. Check that it runs, and the address.",
                endpoint=self._endpoint or "S3",
                reason=str(e),
            ) from e

    def _meaning(self, code: str, status: int, reason: str, name: str) -> FarmError:
        match code:
            case "NoSuchKey" | "NotFound" | "404":
                return NotFound("There is no {name} in the storage.", name=name)
            case "InvalidRange" | "416":
                return _BehindTheEnd("{name} has no such range.", name=name)
            case "NoSuchBucket":
                return ServiceDown(
                    "There is no bucket {bucket}. Make it, or correct FARM_STORE_URL.", bucket=self._bucket
                )
            case "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken":
                return ServiceDown(
                    "The storage does not know the farm's key ({code}). "
                    "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
                    code=code,
                )
            case "AccessDenied" | "AllAccessDisabled" | "403":
                return ServiceDown(
                    "The farm's key may not use {name} in the bucket {bucket}. "
                    "Allow it to get, put, delete and list objects there.",
                    name=name,
                    bucket=self._bucket,
                )
            case "AuthorizationHeaderMalformed" | "PermanentRedirect" | "301":
                return ServiceDown(
                    "The bucket {bucket} is in another region ({reason}). Put region=… into FARM_STORE_URL.",
                    bucket=self._bucket,
                    reason=reason,
                )
            case "RequestTimeTooSkewed":
                return ServiceDown(
                    "The storage finds this machine's clock wrong ({reason}). Set it.", reason=reason
                )
        if status >= 500 or status == 429 or code in _BUSY:
            return Transient("The storage is busy ({code}: {reason}). Try again.", code=code, reason=reason)
        return Rejected("The storage refused {name}: {reason} ({code}).", name=name, reason=reason, code=code)


class _BehindTheEnd(Rejected):
    """A range that begins behind the object's end, or any range of an empty object."""
