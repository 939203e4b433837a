"""A whole farm on one machine: servers, schema, and the processes that do the work, under one supervisor."""

import errno
import json
import logging
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

from farm import embedded, gate, tls, workers
from farm.addresses import at, bracketed, for_others
from farm.broker import Broker, as_user
from farm.db import beginner
from farm.dispatch import abandon
from farm.errors import Conflict, Rejected, ServiceDown
from farm.machine import DISMISSED
from farm.processes import Process
from farm.schema import migrate
from farm.service_user import write_private
from farm.settings import Settings, inherited_environment
from farm.supervisor import Supervisor, holder

log = logging.getLogger(__name__)

API = "api"
WEB = "web"
GATE = "gate"
NAMES = (API, "clock", "house", "render", WEB)
"""What every farm runs; the gate is added where machines may join one with private servers."""
OPENINGS = ("host", "port", "api_port", "tls", "broker_port", "broker_public_url")
"""The settings that `farm up` may change and that other commands need to give right addresses."""
NICENESS = {"web": 5, "house": 10, "render": 10}
"""Where all want a core, people wait for workers, and what computes for minutes waits for both."""
STOP_RENDERING_S = 30.0  # a worker may finish its micro-batch
THREADS_API = 8


def command(name: str, config: Settings) -> list[str]:
    """How a process is run; `farm process NAME` becomes it, for a Procfile."""
    gunicorn = [
        sys.executable,
        "-m",
        "gunicorn",
        "--worker-class=gthread",
        "--workers=1",
        # Beats come every 5 s, pages ask each 2.5 s: the usual 2 s would make each a new TLS handshake.
        "--keep-alive=75",
        "--graceful-timeout=3",  # open event streams do not end by themselves
        "--no-control-socket",
        "--config=python:dashboard.serving",
        *certified(config),
    ]
    host = bracketed(config.host)
    return {
        API: [
            *gunicorn,
            f"--bind={host}:{config.api_port}",
            f"--threads={THREADS_API}",
            "dashboard.wsgi:worker_api()",
        ],
        "clock": [sys.executable, "-m", "tasks.clock"],
        GATE: [sys.executable, "-m", "farm.gate"],
        "house": [sys.executable, "-m", "tasks.house"],
        "render": [sys.executable, "-m", "tasks.render"],
        WEB: [
            *gunicorn,
            f"--bind={host}:{config.port}",
            f"--threads={config.web_threads}",
            "dashboard.wsgi:dashboard()",
        ],
    }[name]


def certified(config: Settings) -> list[str]:
    if not config.tls:
        return []
    own = tls.identity(config)
    return [f"--certfile={own.certificate}", f"--keyfile={own.key}"]


def process(name: str, config: Settings) -> Process:
    if name == "render":
        config = beside(config)
    environment = {**inherited_environment(), **config.environment()}
    niceness = NICENESS.get(name, 0)
    kept = Process(name, command(name, config), environment, ready=probe(name, config), niceness=niceness)
    if name == "render":
        return replace(kept, stop_timeout_s=STOP_RENDERING_S, done_statuses=DISMISSED)
    return kept


def beside(config: Settings) -> Settings:
    """The settings of the render worker on this machine: it needs no name, proxy or authority to find us."""
    trusted = str(tls.identity(config).certificate) if config.tls else ""
    return replace(config, api_url=config.here(config.api_port), tls_ca=trusted)


def probe(name: str, config: Settings) -> Callable[[], bool] | None:
    """What asks whether the process serves; None where it cannot be asked."""
    return {
        API: partial(answers, f"{config.here(config.api_port)}/worker/v1/health", config),
        GATE: partial(gate.answers, config),
        "render": partial(is_awake, config),
        WEB: partial(answers, f"{config.here(config.port)}/health", config),
    }.get(name)


def is_awake(config: Settings) -> bool:
    """Whether the render worker has loaded its engine and reported."""
    with beginner(config.database_url)() as session:
        return workers.has_reported(session, config.worker_name)


def answers(url: str, config: Settings) -> bool:
    own = tls.client_context(tls.identity(config).certificate) if config.tls else None
    # Without the environment's proxies, which know nothing of us.
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=own)]
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@dataclass(frozen=True)
class Running:
    """A farm that is up: its settings, with the addresses it was given, and who keeps it running."""

    settings: Settings
    supervisor: Supervisor


@contextmanager
def farm_up(config: Settings, names: Sequence[str] = NAMES) -> Iterator[Running]:
    """A farm with the processes `names` while the block runs. Raises Conflict, Rejected, ServiceDown."""
    with Supervisor(config.home) as supervisor:
        private = not config.database_url
        if private and WEB in names and invites(config):
            gate.allowed(config)
            names = (*names, GATE)
        config = with_gate(with_ports(with_servers(config, supervisor), names), names)
        migrate(config.database_url)
        if private:
            with beginner(config.database_url)() as session:
                abandon(session, config.worker_name)
        remember(config)
        own = {"render": enrolled(config)}
        # The worker API first: it is stopped last, when the workers have given back what they held.
        for group in (API,), tuple(name for name in names if name != API):
            supervisor.start(*(process(name, own.get(name, config)) for name in group if name in names))
        yield Running(config, supervisor)


def invites(config: Settings) -> bool:
    """Whether workers on other machines are to reach the private broker."""
    return bool(config.tls or config.broker_public_url or config.broker_in_clear)


def with_gate(config: Settings, names: Sequence[str]) -> Settings:
    """The settings with where others find the gate, where one is opened and nobody said."""
    if GATE not in names or config.broker_public_url:
        return config
    scheme = "rediss" if config.tls else "redis"
    address = at(scheme, for_others(config.host), config.broker_port)
    return replace(config, broker_public_url=f"{address}/0")


def remember(config: Settings) -> None:
    write_private(_openings(config.home), json.dumps({name: getattr(config, name) for name in OPENINGS}))


def as_running(config: Settings) -> Settings:
    """The settings with the addresses of the farm that runs on this home, if one does."""
    if not (holder(config.home) and _openings(config.home).exists()):
        return config
    known: dict[str, Any] = json.loads(_openings(config.home).read_text())
    return replace(config, **{name: known[name] for name in OPENINGS if name in known})


def _openings(home: Path) -> Path:
    return home / "run" / "openings.json"


def with_servers(config: Settings, supervisor: Supervisor) -> Settings:
    """The settings with servers: yours where given, else private ones, started here."""
    if config.database_url and config.broker_url:
        return config
    if config.database_url or config.broker_url:
        raise Rejected("Set both FARM_DATABASE_URL and FARM_BROKER_URL, or neither for private servers.")
    servers = embedded.start(supervisor)
    return replace(config, database_url=servers.database_url, broker_url=servers.broker_url)


def with_ports(config: Settings, names: Sequence[str]) -> Settings:
    """The settings with ports that are free; port 0 means any. Raises Conflict when a port is taken."""
    ports = {
        API: ("api_port", config.api_port),
        GATE: ("broker_port", config.broker_port),
        WEB: ("port", config.port),
    }
    for field, port in (ports[name] for name in names if name in ports):
        taken: Any = {field: free_port(config.host, port, field)}
        config = replace(config, **taken)
    return config


def free_port(host: str, port: int, field: str) -> int:
    """`port`, or any where it is 0. Raises Conflict when it is taken, Rejected when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            name = f"FARM_{field.upper()}"
            if e.errno == errno.EADDRINUSE:
                raise Conflict("Port {port} is taken. Set {name} to another.", port=port, name=name) from e
            raise Rejected(
                "The farm cannot listen on {host}, port {port}: {reason}. Give --listen or FARM_HOST an "
                "address of this machine, and {name} a port that is yours.",
                host=host,
                port=port,
                reason=e.strerror or str(e),
                name=name,
            ) from e
        return int(probe.getsockname()[1])


def enrolled(config: Settings) -> Settings:
    """The settings of this machine's render worker: a secret, and a user of its own at the broker."""
    if config.worker_secret:
        return config
    with beginner(config.database_url)() as session:
        shares_folder = config.store_folder is not None
        own = workers.enrol_with_broker(session, config.worker_name, config.worker_class, local=shares_folder)
        worker = workers.find(session, own.worker_id)
    config = replace(config, worker_secret=own.secret)
    try:
        with Broker(config.broker_url) as broker, suppress(ServiceDown):  # the clock lets it in later
            broker.admit(worker)
    except Rejected as e:
        log.warning("the worker here uses the farm's own access to the broker: %s", e)
        return config
    return replace(config, broker_url=as_user(config.broker_url, worker.id, own.broker_password))
