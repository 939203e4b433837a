"""A real browser, a farm whose projects are in every state, and a whole farm that works."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import scenes
from farms import Farm, farm_up
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import text
from visits import LAPTOP, Look, Scenes, sign_in
from werkzeug.serving import make_server

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.live import NAME
from farm.embedded import Servers
from farm.settings import Settings
from farm.tables import Row

DATA = Path(__file__).parents[1] / "data"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 15_000  # pages that poll do so less often where they take long
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail("There is no Chromium here. Install it: apt-get install chromium")
    expect.set_options(PATIENCE_MS)
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", *QUIET]
        browser = playwright.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stage(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    folder = tmp_path_factory.mktemp("stage")
    config = Settings(
        home=folder,
        database_url=servers.database_url,
        broker_url=servers.broker_url,
        store_url=str(folder / "store"),
        secret="a secret for tests",
    )
    have = Belongings.of(config)
    with have.begin() as session:
        tables = ", ".join(table.name for table in Row.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        ids = scenes.fill(session, have.store, DATA, folder)
    with served(have) as address:
        yield Scenes(address, have.begin, ids)


@contextmanager
def served(have: Belongings) -> Iterator[str]:
    app = create_app(have)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        app.extensions[NAME].broadcaster.stop()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def whole_farm() -> Iterator[Farm]:
    """`farm up`, as a person starts it, in a folder that its servers' own user can enter."""
    with TemporaryDirectory(prefix="voicefarm-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with farm_up(Path(folder) / "home") as farm:
            yield farm


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What went wrong in any page; whoever expects something clears it."""
    seen: list[str] = []
    yield seen
    assert seen == []


@pytest.fixture
def open_page(chromium: Browser, errors: list[str]) -> Iterator[Callable[..., Page]]:
    """A new page in a browser of its own."""
    contexts = []

    def opened(size: dict[str, int] = LAPTOP, **options: Any) -> Page:
        context = chromium.new_context(viewport=size, **{"locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, stage: Scenes) -> Any:
    """What a browser keeps once somebody has signed in."""
    with chromium.new_context() as context:
        sign_in(context.new_page(), stage.link)
        return context.storage_state()


@pytest.fixture
def look(open_page: Callable[..., Page], stage: Scenes, signed_in: Any) -> Look:
    """Go to a page of the stage, signed in: look("/projects/1", PHONE, locale="zh-CN")."""

    def looked(path: str = "/", size: dict[str, int] = LAPTOP, **options: Any) -> Page:
        page = open_page(size, storage_state=signed_in, **options)
        page.goto(stage.address + path)
        return page

    return looked
