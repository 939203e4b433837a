"""What every test may ask for: the farm's own servers, an empty database, a store, a farm that is up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
from sqlalchemy import text

from farm import embedded
from farm.db import Begin, beginner, engine
from farm.embedded import Servers
from farm.schema import migrate
from farm.storage import Store
from farm.storage.opening import open_store
from farm.supervisor import Supervisor
from farm.tables import Row
from tests.terminal import Terminal, terminal

DATA = Path(__file__).parent / "data"

# CI judges the change, not the luck of the draw; on a person's machine every run tries new examples.
# No example has a deadline: machines are noisy.
hypothesis.settings.register_profile("lucky", deadline=None)
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady" if os.environ.get("CI") else "lucky")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A private PostgreSQL, with the schema, and a private Redis; the same for the whole session."""
    with place() as folder, Supervisor(folder / "home") as supervisor:
        started = embedded.start(supervisor)
        migrate(started.database_url)
        yield started
        engine(started.database_url).dispose()


@contextmanager
def place() -> Iterator[Path]:
    """A folder that the servers' own user can enter, as pytest's private ones cannot be."""
    with TemporaryDirectory(prefix="voicefarm-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def begin(servers: Servers) -> Iterator[Begin]:
    """Transactions on an empty database."""
    begin = beginner(servers.database_url)
    with begin() as session:
        tables = ", ".join(table.name for table in Row.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    yield begin
    engine(servers.database_url).dispose()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"), secret=b"test", public_url="http://127.0.0.1", local=True)


@pytest.fixture
def data() -> Path:
    """The files that tests read."""
    return DATA


@pytest.fixture(autouse=True)
def no_settings_of_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FARM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def farm(
    begin: Begin, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """The command `farm`, on an empty farm."""
    with terminal(servers, tmp_path, monkeypatch) as opened:
        yield opened
