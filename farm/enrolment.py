"""How this machine joins a farm and leaves it."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from farm import machine, protocol, systemd, tls
from farm.addresses import is_loopback
from farm.api_client import ApiClient
from farm.cards import cards
from farm.errors import Conflict, FarmError, Forbidden, NotFound, Rejected
from farm.machine import Papers
from farm.settings import Settings
from farm.supervisor import holder, processes

ROOM = 65_536  # bytes that must fit on the disk before a token is spent
STOP_S = machine.STOP_S + 10


@dataclass(frozen=True)
class Request:
    """What a person asked for: the dashboard's address, a token, and where the token leaves a choice:
    `gpus`, cards' numbers, () for all; `engine`, with its options. `careless`: an open http:// will do.
    """

    url: str
    token: str
    name: str = ""
    gpus: Sequence[int] = ()
    engine: str = ""
    careless: bool = False


def enrol(config: Settings, request: Request) -> list[Papers]:
    """Prove the token and keep what the farm gives: a worker for each card, or one for the processor.

    Raises FarmErrors that say what to do; the token is spent last. Workers that this machine had on the same
    cards, or at another farm, are replaced.
    """
    if pid := holder(config.home):
        raise Conflict(
            "{home} is in use (process {pid}). Stop that `{farm} work`, or `systemctl stop {unit}`, or "
            "choose another FARM_HOME.",
            home=config.home,
            pid=pid,
            farm=machine.command(config.home),
            unit=systemd.NAME,
        )
    pin, secret = protocol.read(request.token)
    ca = trust(config, request, pin)
    api_url = api_address(ApiClient(request.url, ca=ca), request)
    found = [{"uuid": c.uuid, "name": c.name, "vram_gib": c.vram_gib} for c in cards(request.gpus)]
    make_sure_of_room(config)
    proof = {
        "token": secret,
        "protocol": protocol.PROTOCOL,
        "version": machine.version(),
        "hostname": (request.name or socket.gethostname())[:200],
        "cards": found,
    }
    answer = ApiClient(api_url, ca=ca).post("worker/v1/join", proof)
    crew = [papers(given, request, api_url, ca) for given in answer["workers"]]
    replace_by(config, crew)
    return crew


def trust(config: Settings, request: Request, pin: str) -> str:
    """The file of the certificate that the token's pin stands for; "" where the system's trust decides."""
    where = parts(request.url)
    if where is None:
        raise Rejected(
            "{url} is no address of a dashboard. Copy the whole line again.", url=request.url[:200]
        )
    if pin and where.scheme == "https":
        file = machine.certificate(config.home, pin)
        machine.keep(config.home, {file: tls.fetch_pinned(where.host, where.port, pin).decode()})
        return str(file)
    if pin:
        raise Rejected("This token's farm speaks TLS; {url} does not. Copy the line again.", url=request.url)
    if where.scheme == "http" and not is_loopback(where.host) and not request.careless:
        raise Rejected(
            "{url} is not encrypted: whoever listens on the network gets this worker's secret. Use https, or "
            "add --yes to go on all the same.",
            url=request.url,
        )
    return ""


def api_address(dashboard: ApiClient, request: Request) -> str:
    """Where the worker API is, as the dashboard says. One without TLS beside one with it is refused."""
    told = str(dashboard.get("join/farm.json").get("api_url", ""))
    where = parts(told)
    if where is None:
        raise Rejected("The farm says that its worker API is at {url}. Set its FARM_API_URL.", url=told[:200])
    if request.url.startswith("https:") and where.scheme == "http" and not request.careless:
        raise Rejected(
            "The worker API at {url} is not encrypted. Set the farm's FARM_API_URL to an https:// address, "
            "or add --yes to go on all the same.",
            url=told,
        )
    return told


class Address(NamedTuple):
    scheme: str
    host: str
    port: int


def parts(url: str) -> Address | None:
    """Of an http:// or https:// address; None of anything else.

    >>> parts("https://farm.example/x")
    Address(scheme='https', host='farm.example', port=443)
    >>> parts("http://[::1]:8600").port, parts("http://a:99999"), parts("farm.example")
    (8600, None, None)
    """
    try:
        where = urlsplit(url)
        port = where.port or {"http": 80, "https": 443}[where.scheme]
    except (ValueError, KeyError):
        return None
    return Address(where.scheme, where.hostname, port) if where.hostname else None


def make_sure_of_room(config: Settings) -> None:
    """Raises Rejected while the token can still be used again."""
    room = machine.folder(config.home) / "room"
    machine.keep(config.home, {room: " " * ROOM})
    room.unlink()


def papers(given: dict[str, Any], request: Request, api_url: str, ca: str) -> Papers:
    """Of one worker in the farm's answer. Raises Rejected when they make no sense."""
    try:
        return Papers(
            name=str(given["name"]),
            secret=str(given["secret"]),
            gpu_class=str(given["gpu_class"]),
            engine=request.engine or str(given["engine"]),
            gpu=str(given["gpu"]),
            broker_url=str(given["broker_url"]),
            api_url=api_url,
            tls_ca=ca,
        )
    except KeyError as e:
        raise Rejected("The farm's answer has no {field}. Update the farm.", field=str(e)) from e


def replace_by(config: Settings, crew: Sequence[Papers]) -> None:
    """Keep the papers of `crew`, and let go of those whose place they take."""
    before = machine.joined(config.home)
    cards_taken, names = {each.gpu for each in crew}, {each.name for each in crew}
    others = [each for each in before if each.name not in names]
    gone = [each for each in others if each.gpu in cards_taken or each.api_url != crew[0].api_url]
    machine.keep_papers(config.home, *crew)
    for each in gone:
        dismiss(each)
    machine.forget(config.home, gone)


def dismiss(each: Papers) -> FarmError | None:
    """Tell the farm that this worker leaves, which ends its secret; what went wrong, if it matters."""
    try:
        ApiClient(each.api_url, each.secret, each.tls_ca).post("worker/v1/leave", {})
    except (Forbidden, NotFound):  # it was revoked, or its farm is gone for another
        return None
    except FarmError as e:
        return e
    return None


def leave(config: Settings) -> list[tuple[Papers, FarmError | None]]:
    """Stop this machine's workers, which give back their work, and end them; why one could not be ended."""
    crew = machine.some_joined(config.home)
    systemd.remove(config.home)
    stop_work(config)
    said = [(each, dismiss(each)) for each in crew]
    machine.forget(config.home, crew)
    return said


def stop_work(config: Settings) -> None:
    """Ask the `farm work` of this home to end, and wait until it has. Raises Conflict when it does not."""
    pid = holder(config.home)
    running = [process.name for process in processes(config.home)]
    if pid is None or not all(name.startswith(machine.PREFIX) for name in running):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while holder(config.home) == pid:
        if time.monotonic() > deadline:
            raise Conflict("The workers (process {pid}) do not end. Kill that process, then leave.", pid=pid)
        time.sleep(0.1)
