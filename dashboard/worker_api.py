"""The worker API, served apart from the pages so that open event streams can never starve a lease.

Every request carries the worker's secret; a job's also its token. Nothing a worker says is believed: sizes,
hashes and sounds are checked by the farm.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from marshmallow import Schema, ValidationError
from sqlalchemy.orm import Session
from werkzeug.routing import IntegerConverter

from dashboard.answers import StrictJson, answer_in_json, as_json
from dashboard.belongings import Belongings, belongings
from dashboard.fields import LARGEST_ID
from dashboard.store_routes import bp as store_routes
from dashboard.worker_schemas import (
    AcceptSchema,
    BeatSchema,
    JoinSchema,
    MeasuredSchema,
    RenewSchema,
    TokenSchema,
    UploadsSchema,
)
from farm import claiming, jobs, joining, rendering, steering, tally, uses, wheel, workers
from farm.errors import Forbidden, LeaseLost, Rejected, ServiceDown, Transient
from farm.protocol import OLDEST, PROBE_BYTES, PROTOCOL
from farm.rendering import Result, Spoken, Unspoken
from farm.storage import Store
from farm.tables import Job, Worker
from farm.up import THREADS_API

bp = Blueprint("worker_api", __name__, url_prefix="/worker/v1")

LARGEST_REQUEST = 2 * 2**20  # bytes
ATTEMPTS = "10 per minute"  # with wrong tokens, an address

TURN_S = 0.25
judging = threading.BoundedSemaphore(THREADS_API // 2)

limiter = Limiter(get_remote_address, storage_uri="memory://")


class JobId(IntegerConverter):
    """A number in an address; one that no row can have is not found."""

    def __init__(self, map: Any) -> None:
        super().__init__(map, max=LARGEST_ID)


def caller(session: Session) -> Worker:
    """The worker whose secret the request carries. Raises Forbidden."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not secret:
        raise Forbidden("Send the worker's secret as a bearer token.")
    return workers.known(session, secret)


def said(schema: type[Schema]) -> dict[str, Any]:
    return dict(schema().load(request.get_json()))


def times() -> jobs.Times:
    return jobs.Times.of(belongings().settings)


def mine(session: Session, job_id: int, token: str) -> tuple[Worker, Job]:
    """The calling worker and the job that it holds, locked. Raises Forbidden, LeaseLost."""
    worker = caller(session)
    job = jobs.hold(session, job_id, token)
    if job.worker_id != worker.id:
        raise jobs.lost(job_id)
    return worker, job


@bp.errorhandler(LeaseLost)
def fenced(e: LeaseLost) -> ResponseReturnValue:
    """Count who comes too late with work; a stale doorbell is none of those."""
    if request.endpoint != "worker_api.claim":
        with suppress(ServiceDown), belongings().begin() as session:
            tally.add(session, tally.FENCE_REFUSALS)
    return as_json(e)


@bp.get("/health")
def health() -> dict[str, Any]:
    now_s = datetime.now(UTC).timestamp()
    return {"protocol": PROTOCOL, "oldest": OLDEST, "time": now_s, "version": version()}


@cache
def version() -> str:
    """Of the wheel that machines get here; "" where none can be made."""
    with suppress(Rejected):
        return wheel.build().version
    return ""


@bp.post("/join")
@limiter.limit(ATTEMPTS, deduct_when=lambda answer: answer.status_code == Forbidden.status)
def join() -> dict[str, Any]:
    have, body = belongings(), said(JoinSchema)
    secret, cards = body.pop("token"), [joining.Card(**card) for card in body.pop("cards")]
    machine = joining.Machine(**body, cards=cards, address=request.remote_addr or "")
    joined = joining.join(have.begin, have.settings, secret, machine)
    return {"workers": [vars(worker) for worker in joined]}


@bp.post("/leave")
def leave() -> dict[str, Any]:
    with belongings().begin() as session:
        steering.leave(session, caller(session).id)
    return {}


@bp.post("/measured")
def measured() -> dict[str, Any]:
    body = said(MeasuredSchema)
    with belongings().begin() as session:
        workers.benchmarked(session, caller(session), **body)
    return {}


@bp.post("/probe")
def probe() -> dict[str, Any]:
    """Where a worker may write and read an object of PROBE_BYTES, to see whether it reaches the store."""
    with belongings().begin() as session:
        worker = caller(session)
    store, name = store_for(worker), f"{joining.PROBES}/worker-{worker.id}"
    upload = store.upload_url(name, PROBE_BYTES, rendering.UPLOAD_EXPIRES_S)
    download = store.download_url(name, rendering.UPLOAD_EXPIRES_S)
    return {"upload": vars(upload), "download": download}


def store_for(worker: Worker) -> Store:
    return belongings().local_store if worker.local else belongings().store


@bp.post("/beat")
def beat() -> dict[str, Any]:
    report = workers.Beat(**said(BeatSchema))
    with belongings().begin() as session:
        worker = caller(session)
        wish = workers.beat(session, worker, report, request.remote_addr or "")
        rung = workers.unheard_s(session, worker)
    workers.understood(worker)  # outside of the transaction, which noted what it speaks
    return {**told(worker, wish), "rung": rung}


def told(worker: Worker, wish: workers.Wish) -> dict[str, Any]:
    """What every answer to a worker says of what is wanted of it."""
    desired, at_once, why = wish
    return {
        "desired": desired,
        "at_once": at_once,
        "approved": worker.approved,
        "why": str(why) if why else "",
        "gpu_class": worker.gpu_class,
    }


@bp.post("/jobs/<int:job_id>/claim")
def claim(job_id: int) -> dict[str, Any]:
    token = said(TokenSchema)["token"]
    config = belongings().settings
    with belongings().begin() as session:
        worker = caller(session)
        workers.understood(worker)
        job = claiming.claim(session, worker, job_id, token, times(), config.batch_s)
        work = claiming.work(session, job) if isinstance(job, Job) else {}
    # Outside of the transaction, which may have recalled the job.
    if not isinstance(job, Job):
        raise LeaseLost(job.template, **job.values)
    return {**work, "recordings": addresses(worker, work["recordings"]), "renew_s": config.renew_s}


def addresses(worker: Worker, recordings: Iterable[str]) -> dict[str, str]:
    """Where each recording may be read for a while: SHA-256 -> an address, without host where it is ours."""
    store = store_for(worker)
    return {
        sha256: store.download_url(uses.object_of(sha256), rendering.UPLOAD_EXPIRES_S)
        for sha256 in recordings
    }


@bp.post("/jobs/<int:job_id>/renew")
def renew(job_id: int) -> dict[str, Any]:
    body = said(RenewSchema)
    with belongings().begin() as session:
        worker = caller(session)
        jobs.renew(session, job_id, times=times(), worker_id=worker.id, **body)
        return told(worker, workers.wanted_now(session, worker))


@bp.post("/jobs/<int:job_id>/uploads")
def uploads(job_id: int) -> dict[str, Any]:
    body = said(UploadsSchema)
    with belongings().begin() as session:
        worker, job = mine(session, job_id, body["token"])
        leaves = rendering.uploads(session, store_for(worker), job, body["sizes"])
    return {"uploads": {segment: vars(leave) for segment, leave in leaves.items()}}


@bp.post("/jobs/<int:job_id>/accept")
def accept(job_id: int) -> dict[str, Any]:
    body, have = said(AcceptSchema), belongings()
    results = [result_of(result) for result in body["results"]]
    with have.begin() as session:
        worker, job = mine(session, job_id, body["token"])
        wish = workers.wanted_now(session, worker)
        delivery = rendering.delivered(session, job, results)
    with turn_to_judge():
        done = rendering.accept(have.begin, have.store, delivery, last=body["last"])
    return {"done": done, **told(worker, wish)}


@contextmanager
def turn_to_judge() -> Iterator[None]:
    """A store that does not answer holds up half of our threads at most: the others keep the leases.

    Raises Transient when no turn comes.
    """
    if not judging.acquire(timeout=TURN_S):
        raise Transient("The farm is busy with other takes. These are sent again.")
    try:
        yield
    finally:
        judging.release()


@bp.post("/jobs/<int:job_id>/lose")
def lose(job_id: int) -> dict[str, Any]:
    """The process that spoke the job has died: what it had not delivered counts an attempt."""
    body = said(TokenSchema)
    with belongings().begin() as session:
        worker, job = mine(session, job_id, body["token"])
        rendering.lose(session, job, told=True)
        return told(worker, workers.wanted_now(session, worker))


def result_of(said: dict[str, Any]) -> Result:
    """Raises ValidationError when it is neither a take nor a failure."""
    try:
        if "kind" in said:
            return Unspoken(said["segment"], said["kind"], said.get("reason", ""))
        return Spoken(**said)
    except TypeError as e:
        raise ValidationError("A result has size, sha256, seconds, busy_s and seed, or kind.") from e


def create_worker_app(have: Belongings) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.json = StrictJson(app)
    app.url_map.converters["int"] = JobId
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.extensions["voicefarm"] = have
    limiter.init_app(app)
    app.register_blueprint(bp)
    app.register_blueprint(store_routes)
    answer_in_json(app)
    return app
