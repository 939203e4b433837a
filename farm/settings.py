"""The farm's settings: read once from the environment, one object, every name known."""

import contextlib
import difflib
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from farm.addresses import at, for_others, for_us
from farm.errors import Rejected

PREFIX = "FARM_"


def setting(default: object, says: str) -> Any:
    """A field whose `says` is its line in the README."""
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable FARM_<NAME>; units are in the names."""

    home: Path = setting(Path("."), "the farm's servers, audio and logs")
    database_url: str = setting("", "your PostgreSQL, postgresql+psycopg://…; empty: a private one")
    broker_url: str = setting("", "your Redis, redis://… or rediss://…; empty: a private one")
    store_url: str = setting("", "a folder or s3://bucket/prefix?endpoint=…; empty: <home>/store")
    secret: str = setting("", "signs sessions and store URLs; empty: one made for this home")
    host: str = setting("127.0.0.1", "address the dashboard listens on")
    port: int = setting(8600, "port of the dashboard")
    api_port: int = setting(8601, "port of the worker API and of the folder store's signed URLs")
    api_url: str = setting("", "where workers reach the worker API; empty: this host, <api_port>")
    public_url: str = setting("", "where people reach the dashboard; empty: this host, <port>")
    tls: bool = setting(False, "dashboard and worker API speak TLS themselves, and so does the broker's door")
    tls_certificate: str = setting("", "file of your certificate; empty: one made for this home")
    tls_key: str = setting("", "file of its key")
    tls_ca: str = setting("", "file of the certificate that a joined worker trusts; empty: the system's")
    broker_port: int = setting(8602, "port of the broker's TLS door, for workers on other machines")
    broker_public_url: str = setting("", "where they reach your broker; empty: the door, or FARM_BROKER_URL")
    broker_in_clear: bool = setting(False, "let workers on other machines use Redis without TLS")
    approve_workers: bool = setting(False, "a machine that joined waits until a person lets it in")
    engine: str = setting("preview", "what the render worker here speaks with")
    worker_name: str = setting("local", "the render worker's name")
    worker_class: str = setting("cpu", "the render worker's GPU class")
    worker_secret: str = setting("", "what the farm knows the render worker by; empty: enrolled at the start")
    gpu: str = setting("", "the card the render worker uses, by its UUID; empty: none")
    spool_mb: int = setting(2048, "spoken audio that a worker keeps while the store is away, in MiB")
    growth_mb: int = setting(2048, "how much a worker's engine may grow before it is loaded anew, in MiB")
    language: str = setting("", "the dashboard's language, zh or en; empty: the browser's")
    house_workers: int = setting(2, "processes that import, plan, master and publish")
    web_threads: int = setting(16, "threads of the dashboard; half may hold live streams")
    upload_limit_mb: int = setting(200, "the largest manuscript that may be uploaded, in MiB")
    lease_s: float = setting(60.0, "how long a job is promised to a worker without renewal")
    renew_s: float = setting(15.0, "how often a worker renews its lease")
    stall_s: float = setting(300.0, "how long a lease is renewed without progress")
    unclaimed_s: float = setting(60.0, "when a job nobody claimed is sent again (a sixth if a worker idles)")
    tick_s: float = setting(1.0, "how often the clock looks when nobody wakes it")
    beat_s: float = setting(5.0, "how often a worker reports")
    batch_s: float = setting(30.0, "how much rendering time a batch is cut for")
    sweep_after_s: float = setting(86_400.0, "age after which an object nobody points to is deleted")
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    @property
    def store(self) -> str:
        return self.store_url or str(self.home / "store")

    @property
    def store_folder(self) -> Path | None:
        """The store's folder on this host; None where the store is elsewhere."""
        return None if self.store.startswith("s3:") else Path(unquote(self.store.removeprefix("file://")))

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def worker_api(self) -> str:
        """Where workers on any machine reach the worker API."""
        return self.api_url.rstrip("/") or at(self.scheme, for_others(self.host), self.api_port)

    @property
    def dashboard_url(self) -> str:
        """Where people on any machine reach the dashboard."""
        return self.public_url.rstrip("/") or at(self.scheme, for_others(self.host), self.port)

    def here(self, port: int) -> str:
        """Where this machine itself reaches what the farm serves on `port`."""
        return at(self.scheme, for_us(self.host), port)

    @property
    def signing_secret(self) -> str:
        """The secret, made at the first need where none is given; readable by the farm's user alone."""
        return self.secret or kept_secret(self.home / "secret")

    def environment(self) -> dict[str, str]:
        """The settings as a child process should find them."""
        return {f"{PREFIX}{item.name.upper()}": str(getattr(self, item.name)) for item in fields(self)}


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`; raises Rejected on an unknown FARM_ name or a value of the wrong kind."""
    known = {PREFIX + item.name.upper(): item for item in fields(Settings)}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise unknown(name, list(known))
    given = {name: item for name, item in known.items() if environ.get(name)}
    values: dict[str, Any] = {
        item.name: parse(name, environ[name], item.type) for name, item in given.items()
    }
    if "home" not in values:
        values["home"] = default_home(environ)
    return Settings(**values)


def unknown(name: str, known: list[str]) -> Rejected:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
    return Rejected("There is no setting {name}. Did you mean {nearest}?", name=name, nearest=nearest)


def yes_or_no(text: str) -> bool:
    """
    >>> [yes_or_no(text) for text in ("1", "yes", "True", "0", "no", "false")]
    [True, True, True, False, False, False]
    """
    known = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


def parse(name: str, text: str, kind: Any) -> object:
    try:
        value = yes_or_no(text) if kind is bool else kind(text)
    except ValueError as e:
        raise Rejected("{name} is {text}: not a {kind}.", name=name, text=text, kind=kind.__name__) from e
    return value.expanduser().absolute() if isinstance(value, Path) else value


def default_home(environ: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/voicefarm")  # servers drop root, and root's own folder is closed to them
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/voicefarm"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "voicefarm"


def kept_secret(path: Path) -> str:
    if path.exists():
        return path.read_text()
    # As root the servers' own user must be able to pass through; what lies inside is closed.
    path.parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text(secrets.token_hex(32))
    with contextlib.suppress(FileExistsError):
        os.link(made, path)  # of two processes that start together, one wins
    made.unlink()
    return path.read_text()


@cache
def settings() -> Settings:
    """The process's settings."""
    return read_settings(os.environ)


def inherited_environment() -> dict[str, str]:
    """What a child process needs of ours that is not a setting (PATH, HOME, LANG, …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def show_only(card: str) -> None:
    """Let CUDA, once loaded in this process, see only the card with this UUID; "" leaves it all."""
    if card:
        os.environ["CUDA_VISIBLE_DEVICES"] = card
