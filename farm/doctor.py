"""The doctor: looks at each part the farm needs and says what is wrong and how to mend it."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import redis
from sqlalchemy import text

from farm import checkpoints, embedded_postgres, embedded_redis, schema, workers
from farm.addresses import is_loopback
from farm.db import beginner
from farm.engine import WITH_CHECKPOINT, precision
from farm.errors import FarmError, ServiceDown
from farm.gpu import CLASSES
from farm.machine import command
from farm.service_user import service_user
from farm.settings import Settings
from farm.storage.opening import store_of

LEAST_DISK_GB = 5
NEEDED = {
    "preview": ("preview", ("espeakng_loader",)),
    "indextts2": ("gpu", ("torch", "transformers", "safetensors", "sentencepiece")),
}
"""Engine: the extra of the farm's wheel that brings what it needs, and what that is."""


@dataclass(frozen=True)
class Finding:
    """One part: whether it is well, what was seen, and the remedy where it is not."""

    part: str
    well: bool
    seen: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{'ok ' if self.well else 'BAD'} {self.part:<9} {self.seen} {self.remedy}".rstrip()


Check = Callable[[Settings], Finding]


def examine(config: Settings) -> Iterator[Finding]:
    """Every check, in the order in which the farm depends on them."""
    for part, check in CHECKS.items():
        try:
            yield check(config)
        except FarmError as e:
            yield Finding(part, False, str(e))


def python(config: Settings) -> Finding:
    version = platform.python_version()
    well = (3, 11) <= sys.version_info < (3, 13)
    seen = f"Python {version} on {platform.system()} {platform.machine()}"
    if well:
        return Finding("python", True, seen)
    return Finding("python", True, f"{seen}: untested; a redis-server or valkey-server on PATH is needed")


def servers(config: Settings) -> Finding:
    if config.database_url:
        return Finding(
            "servers", True, "yours, by FARM_DATABASE_URL and FARM_BROKER_URL, or the running farm's"
        )
    user = service_user()
    found = f"private: {embedded_postgres.programs(config.home, user)}, {embedded_redis.program(user)}"
    return Finding("servers", True, f"{found}; not running: start them with `farm up`")


def database(config: Settings) -> Finding:
    if not config.database_url:
        return Finding("database", True, "starts with the farm")
    with beginner(config.database_url)() as session:
        version = session.scalars(text("SHOW server_version")).one()
    if not schema.is_current(config.database_url):
        return Finding("database", False, f"PostgreSQL {version}, an older schema", "Run `farm migrate`.")
    return Finding("database", True, f"PostgreSQL {version}")


def broker(config: Settings) -> Finding:
    if not config.broker_url:
        return Finding("broker", True, "starts with the farm")
    try:
        client = redis.Redis.from_url(config.broker_url, socket_timeout=5)
        facts = client.info()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except redis.RedisError as e:
        raise ServiceDown(
            "The broker does not answer: {reason}. Check FARM_BROKER_URL.", reason=str(e)
        ) from e
    seen = f"Redis {facts['redis_version']}"
    if policy != "noeviction":
        return Finding("broker", False, f"{seen} with {policy}", "Set maxmemory-policy to noeviction.")
    return Finding("broker", True, seen)


def store(config: Settings) -> Finding:
    store_of(config).check()
    return Finding("store", True, f"{config.store} was written, read and deleted")


def disk(config: Settings) -> Finding:
    folder = next(folder for folder in (config.home, *config.home.parents) if folder.exists())
    free_gb = shutil.disk_usage(folder).free / 2**30
    seen = f"{free_gb:.0f} GiB free at {folder}"
    if free_gb < LEAST_DISK_GB:
        return Finding(
            "disk", False, seen, f"Free some: a long book takes up to {LEAST_DISK_GB} GiB while it is made."
        )
    return Finding("disk", True, seen)


def network(config: Settings) -> Finding:
    if is_loopback(config.host):
        return Finding("network", True, f"{config.dashboard_url}, served to this machine alone")
    if config.tls or config.public_url.startswith("https:"):
        return Finding("network", True, f"{config.dashboard_url}, over TLS")
    seen = f"{config.dashboard_url} is in the clear: whoever listens on the network reads passwords"
    remedy = "Start the farm with `farm up --listen`, or set FARM_PUBLIC_URL to a proxy that speaks TLS."
    return Finding("network", False, seen, remedy)


def workers_awake(config: Settings) -> Finding:
    if not config.database_url:
        return Finding("workers", True, "start with the farm")
    with beginner(config.database_url)() as session:
        crew = workers.live(session)
    if not crew:
        return Finding("workers", False, "none awake", "Look at logs/render.log in the farm's home.")
    seen = ", ".join(f"{w.name}: {w.engine}, {w.speed or 0:.0f}x realtime" for w in crew)
    return Finding("workers", True, seen)


def engine(config: Settings) -> Finding:
    return libraries(config.engine, "Install the farm with its extra {extra}.")


def libraries(engine: str, remedy: str) -> Finding:
    """Of an engine, which may carry options; `remedy` has a place for the {extra} that brings them."""
    name = engine.partition(":")[0]
    extra, modules = NEEDED.get(name, ("", ()))
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        return Finding("engine", False, f"{name} needs {', '.join(missing)}", remedy.format(extra=extra))
    return Finding("engine", True, engine)


def weights(config: Settings) -> Finding:
    """Whether a worker with these settings has its engine's checkpoint, in its class's precision.

    Raises NotFound, Rejected, with the command that brings it.
    """
    name, _, options = config.engine.partition(":")
    said = dict(option.partition("=")[::2] for option in options.split(","))
    if name not in WITH_CHECKPOINT:
        return Finding("weights", True, "come with the engine")
    if "directory" in said:
        return Finding("weights", True, f"{said['directory']}, as the engine's options say")
    wanted = said.get("precision") or precision(name, CLASSES[config.worker_class].dtype)
    found = checkpoints.suited(config.home, name, wanted, command(config.home))
    return Finding("weights", True, f"{found.name}, version {found.version}, in {wanted}")


CHECKS: dict[str, Check] = {
    "python": python,
    "disk": disk,
    "network": network,
    "servers": servers,
    "database": database,
    "broker": broker,
    "store": store,
    "engine": engine,
    "weights": weights,
    "workers": workers_awake,
}
