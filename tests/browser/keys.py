"""What a worker was given to enter its farm with, and every door that it may try."""

from typing import Any

import redis
import urllib3
from flask import Flask

from dashboard import worker_api
from farm.machine import Papers
from farm.pinning import trusting
from farm.protocol import PROTOCOL
from farm.tables import Job

OPEN = {"/worker/v1/health", "/worker/v1/join"}


class Keys:
    """A worker's secret, and its user at the broker."""

    def __init__(self, papers: Papers) -> None:
        self.papers = papers
        self.api = urllib3.PoolManager(
            headers={"Authorization": f"Bearer {papers.secret}"}, **trusting(papers.tls_ca)
        )
        self.broker = redis.Redis.from_url(
            papers.broker_url, ssl_ca_certs=papers.tls_ca, ssl_check_hostname=False
        )

    def __enter__(self) -> "Keys":
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.close()
        self.api.clear()

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self.api.request("POST", self.papers.api_url + path, json=body)
        return answer.status, answer.json()

    def statuses(self, job: Job) -> dict[str, int]:
        """What each route of the worker API answers, asked for `job` where it is about one."""
        asked = bodies(job)
        assert set(asked) == routes(), "every route is tried"
        return {
            route: self.post(route.replace("<int:job_id>", str(job.id)), asked[route])[0] for route in asked
        }

    def is_heard_by_the_broker(self) -> bool:
        try:
            return bool(self.broker.ping())
        except redis.AuthenticationError:
            return False


def routes() -> set[str]:
    """Those of the worker API that ask who calls."""
    app = Flask(__name__)
    app.register_blueprint(worker_api.bp)
    return {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/worker/")} - OPEN


def bodies(job: Job) -> dict[str, dict[str, Any]]:
    """What a worker may say, by route; leaving comes last."""
    its, here = {"token": job.token}, "/worker/v1/jobs/<int:job_id>"
    about = {"engine": "simulated", "fingerprint": "f", "protocol": PROTOCOL}
    return {
        "/worker/v1/beat": {"state": "ready", **about},
        "/worker/v1/measured": {"speed": 1, "batch": 1, "peak_mib": 1},
        "/worker/v1/probe": {},
        f"{here}/claim": its,
        f"{here}/renew": {**its, "progress": 0.5},
        f"{here}/uploads": {**its, "sizes": {}},
        f"{here}/accept": {**its, "results": []},
        f"{here}/lose": its,
        "/worker/v1/leave": {},
    }
