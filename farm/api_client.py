"""What a machine says to its farm's worker API, and how the farm's answers become errors."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import urllib3

from farm.errors import Conflict, FarmError, Forbidden, NotFound, Rejected, ServiceDown, Transient
from farm.pinning import trusting

ANSWERS: Mapping[int, type[FarmError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Rejected,
}
OUT_OF_DATE = ("certificate is not yet valid", "certificate has expired")  # OpenSSL's words
LARGEST_ANSWER = 1_000_000  # bytes


class ApiClient:
    """Raises FarmErrors by what the farm answered; ServiceDown when it does not answer.

    `ca` is the file of the one certificate that is trusted, or "" for those that the system trusts.
    """

    def __init__(self, url: str, secret: str = "", ca: str = "") -> None:
        self.url = url.rstrip("/")
        headers = {"Content-Type": "application/json"}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        self.pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30), retries=False, headers=headers, **trusting(ca)
        )

    def get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, json.dumps(body))

    def at(self, address: str) -> str:
        """An address that the farm handed out: what is relative is met on the road that led here."""
        return f"{self.url}{address}" if address.startswith("/") else address

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        address = f"{self.url}/{path}"
        try:
            answer = self.pool.request(method, address, body=body, preload_content=False)
            content = answer.read(LARGEST_ANSWER)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as e:
            raise silence(self.url, reason_of(e)) from e
        said = read(content)
        if answer.status == 200 and said is not None:
            return said
        if said is None or "error" not in said:
            raise ServiceDown(
                "What answers at {url} is not a Voicefarm (HTTP {status}). Check the address.",
                url=self.url,
                status=answer.status,
            )
        raise ANSWERS.get(answer.status, Transient)("{reason}", reason=str(said["error"])[:1000])


def silence(url: str, reason: str) -> ServiceDown:
    """Why there is no answer, and what to look at."""
    if any(words in reason for words in OUT_OF_DATE):
        return ServiceDown(
            "By this machine's clock ({now}) the certificate at {url} is not valid. Set the clock right; if "
            "it is, renew the certificate.",
            now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            url=url,
        )
    return ServiceDown(
        "The farm does not answer at {url}: {reason}. Is it up, and can this machine reach it?",
        url=url,
        reason=reason,
    )


def read(content: bytes) -> dict[str, Any] | None:
    """
    >>> read(b'{"a": 1}'), read(b"<html>"), read(b"[]")
    ({'a': 1}, None, None)
    """
    try:
        said = json.loads(content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def reason_of(error: Exception) -> str:
    """What a person is told: the innermost cause, without objects' addresses."""
    while isinstance(inner := getattr(error, "reason", None), Exception):
        error = inner
    return str(error).partition("): ")[2] or str(error) or type(error).__name__
