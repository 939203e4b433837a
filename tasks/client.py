"""The worker's side of the protocol: JSON over HTTP(S) to the worker API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from farm.errors import Conflict, FarmError, Forbidden, LeaseLost, NotFound, Rejected, ServiceDown, Transient
from farm.storage import Upload

ANSWERS: Mapping[int, type[FarmError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: LeaseLost,
    422: Rejected,
    503: Transient,
}


class FarmClient:
    """Raises FarmErrors by what the farm answered; ServiceDown when it does not answer."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url.rstrip("/")
        self.pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            retries=False,
            maxsize=4,  # delivery, lease and beat talk at once
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )

    def beat(self, report: Mapping[str, Any]) -> str:
        """Report; what the farm wants of this worker."""
        return str(self.post("beat", report)["desired"])

    def claim(self, job_id: int, token: str) -> dict[str, Any] | None:
        """The work of a job, or None when the doorbell was stale."""
        try:
            return self.post(f"jobs/{job_id}/claim", {"token": token})
        except (LeaseLost, Conflict):
            return None

    def renew(self, job_id: int, token: str, progress: float, in_hand: Sequence[int]) -> None:
        self.post(f"jobs/{job_id}/renew", {"token": token, "progress": progress, "in_hand": list(in_hand)})

    def uploads(self, job_id: int, token: str, sizes: Mapping[int, int]) -> dict[int, Upload]:
        """Where each segment's take of so many bytes may be put."""
        answer = self.post(
            f"jobs/{job_id}/uploads", {"token": token, "sizes": {str(s): n for s, n in sizes.items()}}
        )
        return {int(segment): Upload(**leave) for segment, leave in answer["uploads"].items()}

    def accept(self, job_id: int, token: str, results: Sequence[Mapping[str, Any]], *, last: bool) -> None:
        self.post(f"jobs/{job_id}/accept", {"token": token, "results": list(results), "last": last})

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self.pool.request("POST", f"{self.url}/worker/v1/{path}", body=json.dumps(body))
        except urllib3.exceptions.HTTPError as e:
            raise ServiceDown(
                "The farm does not answer at {url}: {reason}", url=self.url, reason=str(e)
            ) from e
        if answer.status == 200:
            return dict(answer.json())
        kind = ANSWERS.get(answer.status, Transient)
        raise kind("{reason}", reason=reason_of(answer))


def reason_of(answer: urllib3.BaseHTTPResponse) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}"
