"""A person's terminal on the farm's machine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from farm.cli import main
from farm.embedded import Servers
from farm.settings import settings


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """A person's terminal on the farm's machine."""

    def __call__(self, *arguments: str) -> Answer:
        done = CliRunner().invoke(main, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Answer(done.exit_code, done.stdout, done.stderr)


@contextmanager
def terminal(servers: Servers, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("FARM_HOME", str(home))
    monkeypatch.setenv("FARM_DATABASE_URL", servers.database_url)
    monkeypatch.setenv("FARM_BROKER_URL", servers.broker_url)
    monkeypatch.setenv("FARM_SECRET", "a secret for tests")
    settings.cache_clear()
    yield Terminal()
    settings.cache_clear()
