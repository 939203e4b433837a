"""The doctor of a machine that joined a farm: what its workers need, what is wrong and the remedy."""

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import redis
import urllib3

from farm import doctor
from farm.addresses import is_loopback
from farm.api_client import ApiClient, reason_of
from farm.cards import reading
from farm.doctor import Finding
from farm.errors import FarmError, Forbidden, ServiceDown
from farm.gpu import CLASSES
from farm.machine import Papers, version
from farm.pinning import PinnedConnection
from farm.protocol import OLDEST, PROBE_BYTES, PROTOCOL
from farm.settings import Settings
from farm.storage import Upload
from farm.storage.transfer import connections, upload
from farm.supervisor import holder

SKEW_S = 60.0
FREE = 0.75  # of what its class promises; a desktop takes some
ADMITTED_S = (1, 2, 4, 8)  # the farm may need a few seconds to make a worker known to the broker


def examine(papers: Papers, config: Settings) -> Iterator[Finding]:
    """Every check of one worker, as it depends on them; beyond the farm only when that is there."""
    for part in CHECKS:
        finding = look(part, papers, config)
        yield finding
        if part == "farm" and not finding.well:
            return


def look(part: str, papers: Papers, config: Settings) -> Finding:
    """One of the checks."""
    try:
        return CHECKS[part](papers, config)
    except FarmError as e:
        return Finding(part, False, str(e))


def python(papers: Papers, config: Settings) -> Finding:
    return doctor.python(config)


def disk(papers: Papers, config: Settings) -> Finding:
    free_gib = shutil.disk_usage(config.home).free / 2**30
    least_gib = config.spool_mb / 1024 + 1
    seen = f"{free_gib:.0f} GiB free at {config.home}"
    if free_gib < least_gib:
        remedy = f"Free some: {least_gib:.0f} GiB hold what is spoken while the store is away."
        return Finding("disk", False, seen, f"{remedy} FARM_SPOOL_MB can make that less.")
    return Finding("disk", True, seen)


def card(papers: Papers, config: Settings) -> Finding:
    if not papers.gpu:
        return Finding("card", True, f"none is used; class {papers.gpu_class}")
    now = reading(papers.gpu)
    if now is None:
        return Finding(
            "card",
            False,
            f"{papers.gpu} does not answer",
            "Look with `nvidia-smi -L`; reboot, or join again if the card was changed.",
        )
    free_gib = (now.total_mib - now.used_mib) / 1024
    seen = f"{papers.gpu}: {free_gib:.1f} of {now.total_mib / 1024:.1f} GiB free, class {papers.gpu_class}"
    if free_gib < FREE * CLASSES[papers.gpu_class].least_gib and not holder(config.home):
        return Finding("card", False, seen, "Close what uses it: `nvidia-smi` names it.")
    return Finding("card", True, seen)


def engine(papers: Papers, config: Settings) -> Finding:
    return doctor.libraries(papers.engine, "Join again, or install the farm's wheel with its extra {extra}.")


def weights(papers: Papers, config: Settings) -> Finding:
    """Raises NotFound, Rejected, with the command that brings them."""
    return doctor.weights(papers.settings(config))


def farm(papers: Papers, config: Settings) -> Finding:
    said = client(papers).get("worker/v1/health")
    newest, oldest = int(said.get("protocol", 0)), int(said.get("oldest", said.get("protocol", 0)))
    theirs = f"protocol {oldest} to {newest}" if oldest < newest else f"protocol {newest}"
    seen = f"{papers.api_url}: {theirs}, version {said.get('version') or 'unknown'}"
    if not (oldest <= PROTOCOL <= newest or OLDEST <= newest <= PROTOCOL):
        return Finding(
            "farm", False, f"{seen}; this machine: protocol {PROTOCOL}", "Join this machine again."
        )
    own = version()
    if own != said.get("version"):
        return Finding(
            "farm", True, f"{seen}; this machine: {own or 'unknown'}", "Join again to run the same."
        )
    return Finding("farm", True, seen)


def clock(papers: Papers, config: Settings) -> Finding:
    """Advice only: every lease and age is by the farm's clock."""
    asked = time.time()
    said = client(papers).get("worker/v1/health").get("time")
    if not isinstance(said, int | float):
        return Finding("clock", True, "the farm does not say what time it is")
    ahead_s = (asked + time.time()) / 2 - said
    if abs(ahead_s) <= SKEW_S:
        return Finding("clock", True, f"{ahead_s:+.1f} s from the farm's")
    seen = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the farm's"
    return Finding("clock", True, seen, "Work is not harmed, but logs mislead: let NTP set it.")


def store(papers: Papers, config: Settings) -> Finding:
    """Random bytes there and back, by the addresses that takes go by."""
    road = client(papers)
    said = road.post("worker/v1/probe", {})
    content = secrets.token_bytes(PROBE_BYTES)
    since = time.monotonic()
    leave = Upload(**said["upload"])
    upload(replace(leave, url=road.at(leave.url)), content, None, connections(ca_for(leave.url, papers)))
    if download(road.at(said["download"]), ca_for(said["download"], papers)) != content:
        return Finding(
            "store", False, "what was stored came back changed", "Look at the farm's `farm doctor`."
        )
    return Finding("store", True, f"64 KiB there and back in {time.monotonic() - since:.2f} s")


def broker(papers: Papers, config: Settings) -> Finding:
    """As this very worker, over its TLS."""
    ping(papers)
    where = urlsplit(papers.broker_url)
    seen = f"{where.scheme} to {where.hostname}:{where.port or 6379}"
    if where.scheme == "redis" and not is_loopback(where.hostname or ""):
        return Finding(
            "broker", True, seen, "It is not encrypted: whoever listens on the network reads along."
        )
    return Finding("broker", True, seen)


def ping(papers: Papers) -> None:
    """Raises Forbidden when the broker does not know the worker, even after a while; ServiceDown."""
    for wait_s in (*ADMITTED_S, None):
        try:
            connections_to = redis.ConnectionPool.from_url(
                papers.broker_url, socket_timeout=5, **pinned_to(papers)
            )
            with redis.Redis.from_pool(connections_to) as connection:
                connection.ping()
            return
        except redis.AuthenticationError as e:
            if wait_s is None:
                raise Forbidden(
                    "The broker does not know this worker ({reason}). Join again.", reason=str(e)
                ) from e
            time.sleep(wait_s)
        except (redis.RedisError, OSError, ValueError) as e:  # ValueError: an address that is none
            raise ServiceDown(
                "The broker does not answer at {host}: {reason}. Is its port open there?",
                host=urlsplit(papers.broker_url).netloc.rpartition("@")[2],
                reason=str(e),
            ) from e


def client(papers: Papers) -> ApiClient:
    return ApiClient(papers.api_url, papers.secret, papers.tls_ca)


def ca_for(address: str, papers: Papers) -> str:
    """What to trust there: the farm's certificate on the farm itself, the system's elsewhere (S3)."""
    return papers.tls_ca if address.startswith("/") else ""


def download(url: str, ca: str) -> bytes:
    try:
        with connections(ca).request("GET", url, preload_content=False) as answer:
            return answer.read(PROBE_BYTES + 1)
    except urllib3.exceptions.HTTPError as e:
        raise ServiceDown("The storage does not answer: {reason}.", reason=reason_of(e)) from e


def pinned_to(papers: Papers) -> dict[str, Any]:
    if not (papers.tls_ca and papers.broker_url.startswith("rediss:")):
        return {}
    return {"connection_class": PinnedConnection, "ssl_ca_certs": papers.tls_ca}


Check = Callable[[Papers, Settings], Finding]
CHECKS: dict[str, Check] = {
    "python": python,
    "disk": disk,
    "card": card,
    "engine": engine,
    "weights": weights,
    "farm": farm,
    "clock": clock,
    "store": store,
    "broker": broker,
}
