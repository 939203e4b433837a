"""Machines on a network of their own: network namespaces on a bridge of this host (Linux, root)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.farms import ROOT, SHORT

NETWORK = f"10.213.{os.getpid() % 250}"
HOST = f"{NETWORK}.1"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks and disks of their own need root")


class Machine:
    """A host whose cable can be pulled. `home` is where its worker keeps what it has."""

    def __init__(self, number: int, home: Path) -> None:
        self.name = f"machine-{number}"
        self.home = home
        self.space = f"voicefarm-{os.getpid()}-{number}"
        self.address = f"{NETWORK}.{number + 1}"
        self.process: subprocess.Popen[bytes] | None = None

    def farm(self, *arguments: str) -> list[str]:
        """The command line of `farm …` on this machine."""
        return ["ip", "netns", "exec", self.space, sys.executable, "-m", "farm.cli", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **SHORT, "FARM_HOME": str(self.home)}

    def start(self, *arguments: str) -> None:
        """Run `farm …` here until it is stopped; what it says goes to a file in its home."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "said.txt").open("ab") as said:
            self.process = subprocess.Popen(
                self.farm(*arguments),
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> None:
        """`farm …` here, to its end."""
        subprocess.run(self.farm(*arguments), env=self.environment, cwd=ROOT, check=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the machine's farm process to end, or end all of it as a power cut does."""
        if self.process is None:
            return
        if number == signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(60)
        self.process = None

    def cut(self) -> None:
        """Pull the cable: packets get lost, nobody is told."""
        ip("-n", self.space, "link", "set", "eth0", "down")

    def mend(self) -> None:
        ip("-n", self.space, "link", "set", "eth0", "up")

    def words(self) -> str:
        return (self.home / "said.txt").read_text(errors="replace")


@contextmanager
def machines(count: int, folder: Path) -> Iterator[Sequence[Machine]]:
    """Machines that reach this host, at `HOST`, and each other."""
    bridge = f"vf{os.getpid()}"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "del", bridge)
        ip("addr", "add", f"{HOST}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        made = [Machine(number, folder / f"machine-{number}") for number in range(1, count + 1)]
        for number, machine in enumerate(made, 1):
            ip("netns", "add", machine.space)
            stack.callback(ip, "netns", "del", machine.space)
            cable = f"{bridge}-{number}"
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", machine.space)
            ip("link", "set", cable, "master", bridge, "up")
            ip("-n", machine.space, "addr", "add", f"{machine.address}/24", "dev", "eth0")
            ip("-n", machine.space, "link", "set", "lo", "up")
            ip("-n", machine.space, "link", "set", "eth0", "up")
        for machine in made:
            stack.callback(machine.stop)
        yield made


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
