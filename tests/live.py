"""A farm's web servers over real sockets, in threads of the test, with the test's database and broker."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flask import Flask
from werkzeug.serving import make_server

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from dashboard.worker_api import create_worker_app
from farm import joining, protocol, tls
from farm.db import Begin
from farm.embedded import Servers
from farm.settings import Settings
from farm.up import free_port


@dataclass(frozen=True)
class LiveFarm:
    """What machines reach: a dashboard and a worker API, with TLS of their own."""

    settings: Settings
    begin: Begin

    @property
    def url(self) -> str:
        return self.settings.dashboard_url

    def token(self, name: str = "den", engine: str = "simulated:speed=900", **also: object) -> str:
        """A new token, as people copy it."""
        with self.begin() as session:
            secret = joining.define(session, name=name, engine=engine, **also)  # type: ignore[arg-type]
        return protocol.written(tls.own_pin(self.settings), secret)


@contextmanager
def live_farm(servers: Servers, begin: Begin, folder: Path) -> Iterator[LiveFarm]:
    config = Settings(
        home=folder / "farm",
        database_url=servers.database_url,
        broker_url=servers.broker_url,
        secret="a secret for tests",
        tls=True,
        port=free_port("127.0.0.1", 0, "port"),
        api_port=free_port("127.0.0.1", 0, "api_port"),
    )
    context = tls.server_context(tls.identity(config))
    have = replace(Belongings.of(config), begin=begin)
    with ExitStack() as stack:
        dashboard = create_app(have)
        stack.callback(dashboard.extensions[NAME].broadcaster.stop)
        stack.enter_context(serving(dashboard, config.port, context))
        stack.enter_context(serving(create_worker_app(have), config.api_port, context))
        yield LiveFarm(config, begin)


@contextmanager
def serving(app: Flask, port: int, context: ssl.SSLContext) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
