"""The workers of this machine that joined a farm: what each was given, and the processes that they run as."""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from farm import wheel
from farm.errors import Forbidden, NotFound, Rejected
from farm.gpu import CLASSES
from farm.processes import Process
from farm.service_user import write_private
from farm.settings import Settings, inherited_environment
from farm.supervisor import Supervisor

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
STOPPED, REVOKED = 0, 3
"""Exit statuses by which a worker says that the farm wants it no more, for now or for good."""

DISMISSED = frozenset({STOPPED, REVOKED})

PREFIX = "worker-"
"""Of the names of their processes."""

STOP_S = 32.0  # a worker gives back its work within 30 s, and then ends


def command(home: Path) -> str:
    """How people call `farm` for the workers of `home`: what the joining script left there, if it made it."""
    own = home / "farm"
    return shlex.quote(str(own)) if own.exists() else "farm"


@dataclass(frozen=True)
class Papers:
    """What the farm gave a worker of this machine. `gpu` is a card's UUID and `tls_ca` a file, or else ""."""

    name: str
    secret: str
    gpu_class: str
    engine: str
    gpu: str
    broker_url: str
    api_url: str
    tls_ca: str = ""

    def __post_init__(self) -> None:
        """Raises Rejected: what a farm says is checked before it becomes a file's name or a setting."""
        if not NAME.fullmatch(self.name) or self.gpu_class not in CLASSES:
            raise Rejected(
                "The farm's answer cannot be used: worker {name} of class {gpu_class}. Update this machine.",
                name=self.name[:80],
                gpu_class=self.gpu_class[:80],
            )

    def settings(self, config: Settings) -> Settings:
        """This machine's settings as this worker's process finds them."""
        return replace(
            config,
            database_url="",  # a worker needs neither, whatever else runs on its machine
            secret="",
            worker_name=self.name,
            worker_secret=self.secret,
            worker_class=self.gpu_class,
            engine=self.engine,
            gpu=self.gpu,
            broker_url=self.broker_url,
            api_url=self.api_url,
            tls_ca=self.tls_ca,
        )

    def environment(self, config: Settings) -> dict[str, str]:
        """Of this worker's processes; they see their card alone (farm.settings.show_only)."""
        return {**inherited_environment(), **self.settings(config).environment()}

    def process(self, config: Settings) -> Process:
        return Process(
            f"{PREFIX}{self.name}",
            [sys.executable, "-m", "tasks.render"],
            self.environment(config),
            stop_timeout_s=STOP_S,
            done_statuses=DISMISSED,
        )


def version() -> str:
    """Of the farm's code on this machine; "" where it was never installed."""
    try:
        return wheel.build().version
    except Rejected:
        return ""


def folder(home: Path) -> Path:
    return home / "workers"


def certificate(home: Path, pin: str) -> Path:
    """Where a farm's certificate is kept; by its pin, so that joining another farm in vain harms nobody."""
    return folder(home) / f"{hashlib.sha256(pin.encode()).hexdigest()[:16]}.pem"


def keep(home: Path, content: Mapping[Path, str]) -> None:
    """Write files of this machine's, each whole or not at all; nobody else may read them.

    Raises Forbidden when the home is another user's, Rejected when it cannot be made or written.
    """
    try:
        folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, text in content.items():
            write_private(path, text)
    except PermissionError as e:
        raise Forbidden(
            "{home} is closed to you. Run this as its owner, or choose another FARM_HOME.", home=home
        ) from e
    except OSError as e:
        raise Rejected(
            "{home} cannot be written: {reason}. Free some disk, or choose another FARM_HOME.",
            home=home,
            reason=e.strerror,
        ) from e


def keep_papers(home: Path, *given: Papers) -> None:
    keep(home, {folder(home) / f"{each.name}.json": json.dumps(asdict(each), indent=1) for each in given})


def joined(home: Path) -> list[Papers]:
    """The papers of all workers here, by name. Raises Rejected when a file of them is damaged."""
    return [read(path) for path in sorted(folder(home).glob("*.json"), key=lambda path: path.stem)]


def read(path: Path) -> Papers:
    try:
        return Papers(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as e:
        raise Rejected(
            "{path} cannot be read: {reason}. Remove it, and join this machine again.",
            path=path,
            reason=str(e),
        ) from e


def some_joined(home: Path) -> list[Papers]:
    """Raises NotFound when this machine has joined no farm."""
    found = joined(home)
    if not found:
        raise NotFound(
            "{home} knows no worker that joined a farm. Copy a line from the dashboard's page of workers.",
            home=home,
        )
    return found


def forget(home: Path, crew: Iterable[Papers]) -> None:
    """Remove these papers, and certificates that no others name."""
    for each in crew:
        (folder(home) / f"{each.name}.json").unlink(missing_ok=True)
    trusted = {each.tls_ca for each in joined(home)}
    for file in folder(home).glob("*.pem"):
        if str(file) not in trusted:
            file.unlink()


def work(config: Settings) -> dict[str, int]:
    """Run all workers of this machine until a signal comes or the farm wants none of them any more.

    The exit status of each that the farm dismissed, by its name.
    """
    crew = some_joined(config.home)
    with Supervisor(config.home) as supervisor:
        supervisor.start(*(papers.process(config) for papers in crew))
        supervisor.wait()
        return {name.removeprefix(PREFIX): status for name, status in supervisor.done().items()}
