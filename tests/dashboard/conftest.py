from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from farm import users
from farm.db import Begin
from farm.embedded import Servers
from farm.settings import Settings
from farm.storage import Store


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Settings:
    """As `farm up` makes them; uploads of 1 MiB at most."""
    return Settings(
        home=tmp_path / "home",
        database_url=servers.database_url,
        broker_url=servers.broker_url,
        store_url=str(tmp_path / "store"),
        secret="a secret for tests",
        upload_limit_mb=1,
    )


@pytest.fixture
def have(settings: Settings, begin: Begin, store: Store) -> Belongings:
    return replace(Belongings.of(settings), begin=begin)


@pytest.fixture
def app(have: Belongings) -> Iterator[Flask]:
    app = create_app(have)
    yield app
    app.extensions[NAME].broadcaster.stop()


@pytest.fixture
def token(begin: Begin) -> str:
    with begin() as session:
        return users.api_token(session, users.owner(session), "tests")


@pytest.fixture
def script(app: Flask, token: str) -> FlaskClient:
    """A caller with an API token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client
