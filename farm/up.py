"""A whole farm on one machine: servers, schema, and the processes that do the work, under one supervisor."""

import socket
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.error import URLError

from farm import embedded, workers
from farm.db import beginner
from farm.dispatch import abandon
from farm.errors import Conflict, Rejected
from farm.processes import Process
from farm.schema import migrate
from farm.settings import Settings, inherited_environment
from farm.supervisor import Supervisor

API = "api"
NAMES = (API, "clock", "house", "render", "web")
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
        "--graceful-timeout=3",  # open event streams do not end by themselves
        "--no-control-socket",
    ]
    return {
        "api": [
            *gunicorn,
            f"--bind={config.host}:{config.api_port}",
            f"--threads={THREADS_API}",
            "dashboard.wsgi:worker_api()",
        ],
        "clock": [sys.executable, "-m", "tasks.clock"],
        "house": [sys.executable, "-m", "tasks.house"],
        "render": [sys.executable, "-m", "tasks.render"],
        "web": [
            *gunicorn,
            f"--bind={config.host}:{config.port}",
            f"--threads={config.web_threads}",
            "dashboard.wsgi:dashboard()",
        ],
    }[name]


def process(name: str, config: Settings) -> Process:
    environment = {**inherited_environment(), **config.environment()}
    probes = {"api": f"{config.worker_api}/worker/v1/health", "web": f"{config.dashboard_url}/health"}
    ready = partial(answers, probes[name]) if name in probes else None
    if name == "render":
        return Process(
            name,
            command(name, config),
            environment,
            stop_timeout_s=STOP_RENDERING_S,
            ready=partial(is_awake, config),
        )
    return Process(name, command(name, config), environment, ready=ready)


def is_awake(config: Settings) -> bool:
    """Whether the render worker has loaded its engine and reported."""
    with beginner(config.database_url)() as session:
        return workers.has_reported(session, config.worker_name)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
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
        config = with_ports(with_servers(config, supervisor), names)
        migrate(config.database_url)
        if private:
            with beginner(config.database_url)() as session:
                abandon(session, config.worker_name)
        config = enrolled(config)
        # The worker API first: it is stopped last, when the workers have given back what they held.
        for group in (API,), tuple(name for name in NAMES if name != API):
            supervisor.start(*(process(name, config) for name in group if name in names))
        yield Running(config, supervisor)


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
    ports = {"api": ("api_port", config.api_port), "web": ("port", config.port)}
    for field, port in (ports[name] for name in names if name in ports):
        taken: Any = {field: free_port(config.host, port, field)}
        config = replace(config, **taken)
    return config


def free_port(host: str, port: int, field: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            name = f"FARM_{field.upper()}"
            raise Conflict("Port {port} is taken. Set {name} to another.", port=port, name=name) from e
        return int(probe.getsockname()[1])


def enrolled(config: Settings) -> Settings:
    """The settings with a secret for this machine's render worker."""
    if config.worker_secret:
        return config
    with beginner(config.database_url)() as session:
        shares_folder = config.store_folder is not None
        secret = workers.enrol(session, config.worker_name, config.worker_class, local=shares_folder)
    return replace(config, worker_secret=secret)
