"""The systemd unit that keeps this machine's workers running: a system unit for root, else the user's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from farm.errors import Conflict, Rejected
from farm.machine import REVOKED, STOP_S, STOPPED

NAME = "voicefarm-worker.service"
SYSTEM = Path("/etc/systemd/system")
RESTART_S = 5
MARGIN_S = 15  # for processes to end by themselves after their time before systemd kills all

UNIT = """\
[Unit]
Description=Voicefarm workers of {home}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
Environment={environment}
WorkingDirectory={folder}
ExecStart={command}
Restart=always
RestartSec={restart_s}
RestartPreventExitStatus={dismissed}
KillMode=mixed
TimeoutStopSec={stop_s:.0f}
{hardening}
[Install]
WantedBy={target}
"""
# Not PrivateDevices, ProtectClock (it closes /dev too), MemoryDenyWriteExecute or ProtectKernelModules: CUDA
# opens /dev/nvidia*, compiles for its card, and nvidia-modprobe loads what is missing. None in a user's unit:
# there each of these means NoNewPrivileges, and nvidia-modprobe is setuid.
HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=full
ProtectControlGroups=yes
ProtectHostname=yes
PrivateTmp=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""


def is_roots() -> bool:
    return os.geteuid() == 0


def unit_file() -> Path:
    return (SYSTEM if is_roots() else Path.home() / ".config/systemd/user") / NAME


def unit(home: Path) -> str:
    """The unit's text for the workers of `home`."""
    roots = is_roots()
    return UNIT.format(
        home=escaped(str(home)),
        environment=quoted(f"FARM_HOME={home}"),
        folder=escaped(str(home)),
        command=f"{quoted(sys.executable).replace('$', '$$')} -m farm.cli work",
        restart_s=RESTART_S,
        dismissed=f"{STOPPED} {REVOKED}",
        stop_s=STOP_S + MARGIN_S,
        hardening=HARDENING if roots else "",
        target="multi-user.target" if roots else "default.target",
    )


def escaped(text: str) -> str:
    """
    >>> escaped("50% off")
    '50%% off'
    """
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    r"""As systemd reads one word.

    >>> print(quoted('/a b/"c"/50%'))
    "/a b/\"c\"/50%%"
    """
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(inner)}"'


def install(home: Path, *, start: bool) -> Path:
    """Write the unit, have it start with the machine, and now if `start`.

    Raises Conflict when another home has it, Rejected when systemd does not run here or refuses.
    """
    file = unit_file()
    if file.exists() and quoted(f"FARM_HOME={home}") not in file.read_text():
        raise Conflict(
            "{file} is for workers of another home. Remove it first, with `farm leave` there.", file=file
        )
    systemctl("show", "--property=Version")  # asks the manager itself, before anything is written
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(unit(home))
    except OSError as e:
        raise Rejected("{file} cannot be written: {reason}.", file=file, reason=e.strerror) from e
    systemctl("daemon-reload")
    systemctl("enable", *(["--now"] if start else []), NAME)
    if not is_roots():
        subprocess.run(["loginctl", "enable-linger"], check=False, capture_output=True)
    return file


def remove(home: Path) -> bool:
    """Stop the workers of `home` and remove their unit, if it is installed; whether it was."""
    file = unit_file()
    if not file.exists() or quoted(f"FARM_HOME={home}") not in file.read_text():
        return False
    systemctl("disable", "--now", NAME)
    file.unlink()
    systemctl("daemon-reload")
    return True


def systemctl(*arguments: str) -> None:
    """Raises Rejected with what systemctl said."""
    program = shutil.which("systemctl")
    if program is None:
        raise Rejected("There is no systemd here. Leave --install away, and start the workers your own way.")
    scope = [] if is_roots() else ["--user"]
    done = subprocess.run([program, *scope, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Rejected(
            "systemd refused ({reason}). Leave --install away, and start the workers your own way.",
            reason=" ".join(done.stderr.split())[:500],
        )
