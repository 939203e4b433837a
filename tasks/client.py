"""The worker's side of the protocol: JSON over HTTP(S) to the worker API."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import urllib3

from farm.errors import Conflict, FarmError, Forbidden, LeaseLost, NotFound, Rejected, ServiceDown, Transient
from farm.pinning import trusting
from farm.storage import Upload
from farm.storage.transfer import connections, download, upload


class Revoked(Forbidden):
    """The farm does not know this worker, or knows it no more."""


ANSWERS: Mapping[int, type[FarmError]] = {
    401: Revoked,
    403: Revoked,
    404: NotFound,
    409: LeaseLost,
    422: Rejected,
    503: Transient,
}


@dataclass(frozen=True)
class Orders:
    """What the farm wants of a worker, as its answers say it.

    `desired` as in farm.tables.Desired; `at_once`: after this micro-batch, not after this batch. `rung`: for
    how many seconds a doorbell of this worker has been ringing unheard; None when none is. `gpu_class`: whose
    queue it is to hear; "": as it was told when it was started.
    """

    desired: str = "run"
    at_once: bool = False
    approved: bool = True
    why: str = ""
    rung: float | None = None
    gpu_class: str = ""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From an answer, of which a farm may leave out what it does not know of."""
        rung = answer.get("rung")
        return cls(
            desired=str(answer.get("desired", "run")),
            at_once=bool(answer.get("at_once", False)),
            approved=bool(answer.get("approved", True)),
            why=str(answer.get("why") or ""),
            rung=float(rung) if isinstance(rung, int | float) else None,
            gpu_class=str(answer.get("gpu_class") or ""),
        )


class FarmClient:
    """Raises FarmErrors by what the farm answered: Revoked when it refuses us, ServiceDown for silence."""

    def __init__(self, url: str, secret: str, ca_file: str = "") -> None:
        """`ca_file`: the certificate that alone is trusted, whatever the farm's host is called."""
        self.url = url.rstrip("/")
        self.pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            retries=False,
            maxsize=4,  # delivery, leases and the claim talk at once
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
            **trusting(ca_file),
        )
        self.uploading = connections(ca_file)

    def beat(self, report: Mapping[str, Any]) -> Orders:
        """Report; what the farm wants of this worker."""
        return Orders.of(self.post("beat", report))

    def claim(self, job_id: int, token: str) -> dict[str, Any] | None:
        """The work of a job, or None when the doorbell was stale."""
        try:
            return self.post(f"jobs/{job_id}/claim", {"token": token})
        except (LeaseLost, Conflict):
            return None

    def renew(self, job_id: int, token: str, progress: float, in_hand: Sequence[int]) -> Orders:
        body = {"token": token, "progress": progress, "in_hand": list(in_hand)}
        return Orders.of(self.post(f"jobs/{job_id}/renew", body))

    def uploads(self, job_id: int, token: str, sizes: Mapping[int, int]) -> dict[int, Upload]:
        """Where each segment's take of so many bytes may be put."""
        answer = self.post(
            f"jobs/{job_id}/uploads", {"token": token, "sizes": {str(s): n for s, n in sizes.items()}}
        )
        return {int(segment): Upload(**leave) for segment, leave in answer["uploads"].items()}

    def send(self, leave: Upload, source: Path, store_root: Path | None) -> None:
        """Upload a take. An address without a host is on the farm itself, by whatever road we reach it."""
        if leave.url.startswith("/"):
            upload(replace(leave, url=self.url + leave.url), source, store_root, self.uploading)
        else:
            upload(leave, source, store_root)

    def fetch(self, address: str, most: int) -> bytes:
        """What the store has at an address, tried once: `most` bytes at most. Raises NotFound, Rejected."""
        if address.startswith("/"):
            return download(self.url + address, most, self.uploading)
        return download(address, most)

    def accept(self, job_id: int, token: str, results: Sequence[Mapping[str, Any]], *, last: bool) -> Orders:
        body = {"token": token, "results": list(results), "last": last}
        return Orders.of(self.post(f"jobs/{job_id}/accept", body))

    def lose(self, job_id: int, token: str) -> Orders:
        """Give up a job whose process died: what it had not delivered counts an attempt."""
        return Orders.of(self.post(f"jobs/{job_id}/lose", {"token": token}))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self.pool.request("POST", f"{self.url}/worker/v1/{path}", body=json.dumps(body))
        except urllib3.exceptions.HTTPError as e:
            raise ServiceDown(
                "The farm does not answer at {url}: {reason}", url=self.url, reason=str(e)
            ) from e
        if answer.status == 200:
            return dict(answer.json())
        raise refusal(answer)


def refusal(answer: urllib3.BaseHTTPResponse) -> FarmError:
    """What the farm said; anything else came from something between us and it, and may pass."""
    try:
        reason = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return Transient("The farm's address answers HTTP {status}.", status=answer.status)
    return ANSWERS.get(answer.status, Transient)("{reason}", reason=reason)
