"""The farm's private servers: a PostgreSQL and a Redis of its own under its home, for it alone."""

import json
import os
import random
import secrets
import socket
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from farm import embedded_postgres as postgres
from farm import embedded_redis as redis
from farm.service_user import data_folder, own, own_folder, service_user, write_private
from farm.supervisor import Supervisor, holder

SOCKET_FOLDER_BYTES = 85  # the name of a socket, "/.s.PGSQL.65535" included, has at most 103 (macOS)


@dataclass(frozen=True)
class Servers:
    """Where they answer, passwords included."""

    database_url: str
    broker_url: str


@dataclass(frozen=True)
class Access:
    """What is chosen once for a home; ports and the folder of sockets again when somebody else took them."""

    postgres_port: int
    postgres_password: str
    redis_port: int
    redis_password: str
    sockets: str

    def servers(self) -> Servers:
        return Servers(
            postgres.url(self.postgres_port, self.postgres_password),
            redis.url(self.redis_port, self.redis_password),
        )


def start(farm: Supervisor) -> Servers:
    """Start the private servers of the farm's home under its supervisor; returns once both answer.

    Data lie in <home>/servers (farm.service_user says when that is a link), logs in <home>/logs, and what
    other processes need to know in <home>/run/servers.json. Raises Rejected when a program is missing and
    ServiceDown when one does not start; both name the remedy.
    """
    user = service_user()
    folder = data_folder(farm.home / "servers", user)
    known = _read(farm.home)
    access = _choose(known, folder, user)
    processes = [
        postgres.prepare(
            folder,
            user,
            Path(access.sockets),
            access.postgres_port,
            access.postgres_password,
            password_is_new=known is None,
        ),
        redis.prepare(folder / "redis", user, access.redis_port, access.redis_password),
    ]
    write_private(_file(farm.home), json.dumps(asdict(access)))
    farm.start(*processes)
    return access.servers()


def running(home: Path) -> Servers | None:
    """The private servers of the farm that runs on this home, if one does and both answer."""
    access = _read(home) if holder(home) else None
    if access is None:
        return None
    servers = access.servers()
    alive = postgres.answers(servers.database_url) and redis.answers(servers.broker_url)
    return servers if alive else None


def _file(home: Path) -> Path:
    return home / "run" / "servers.json"


def _read(home: Path) -> Access | None:
    try:
        return Access(**json.loads(_file(home).read_text()))
    except FileNotFoundError:
        return None


def _choose(known: Access | None, folder: Path, user: str | None) -> Access:
    return Access(
        postgres_port=_free_port(known.postgres_port if known else None),
        postgres_password=known.postgres_password if known else secrets.token_urlsafe(24),
        redis_port=_free_port(known.redis_port if known else None),
        redis_password=known.redis_password if known else secrets.token_urlsafe(24),
        sockets=str(_socket_folder(folder, user, known)),
    )


def _free_port(wanted: int | None) -> int:
    """`wanted` if it can be had, else another.

    Below the ports lent to outgoing connections, so that it stays free while its server is started again.
    """
    while wanted is None or not _is_free(wanted):
        wanted = random.randint(15_000, 32_000)
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: old connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _socket_folder(folder: Path, user: str | None, known: Access | None) -> Path:
    """A folder with a short enough name, of the servers' user and closed to others."""
    inside = folder / "sockets"
    if len(os.fsencode(inside)) <= SOCKET_FOLDER_BYTES:
        return own_folder(inside, user)
    owner = folder.stat().st_uid
    if known is not None and _is_private(Path(known.sockets), owner):
        return Path(known.sockets)
    made = Path(tempfile.mkdtemp(prefix="voicefarm-"))
    own(made, user)
    return made


def _is_private(folder: Path, owner: int) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o700
