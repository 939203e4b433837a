"""Whom root becomes to run the private servers, and where that user can reach their data and programs.

PostgreSQL refuses to be root. So root's farm runs both servers as the system user `voicefarm`, made at the
first start, or as `nobody` where there is no `useradd`. That user may be unable to enter the farm's home, or
the virtual environment, when they lie in a closed folder such as /root. No existing folder is opened for it:
data then lie in a folder of their own in /var/lib/voicefarm-servers, to which a link in the home points, and
programs are copied there. Two farms of root share the user, but neither ports, passwords nor folders.
"""

import os
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from farm.errors import NotFound, Rejected, ServiceDown

NAME = "voicefarm"
SHARED = Path("/var/lib/voicefarm-servers")
SERVER_ENV: Mapping[str, str] = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}  # nothing of root's own


def service_user() -> str | None:
    """Whom the servers run as when we are root; None when we are somebody already."""
    if os.geteuid() != 0:
        return None
    useradd = shutil.which("useradd")
    if useradd and not _exists(NAME):
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([useradd, *options, NAME], check=False, capture_output=True)
    return NAME if _exists(NAME) else "nobody"


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


def may_enter(folder: Path, user: str) -> bool:
    """Whether `user` may enter `folder` and every folder above it, by their mode bits."""
    account = pwd.getpwnam(user)
    return all(_opens(path.stat(), account) for path in (folder, *folder.parents))


def _opens(folder: os.stat_result, account: pwd.struct_passwd) -> bool:
    if folder.st_uid == account.pw_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.pw_gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def own_folder(folder: Path, user: str | None) -> Path:
    """`folder`, made if it is missing: mode 700, owned by `user` (None: by us)."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        own(folder, user)
    return folder


def own(path: Path, user: str | None) -> None:
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def write_private(path: Path, text: str, user: str | None = None) -> None:
    """Replace `path` in one step by a file of `user` that nobody else may read (mode 600)."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # no link of the folder's owner leads root elsewhere
    with os.fdopen(os.open(new, flags, 0o600), "w") as file:
        file.write(text)
    own(new, user)
    new.rename(path)


def data_folder(folder: Path, user: str | None) -> Path:
    """Where the servers' data lie: `folder`, or where the link `folder` points. Made at the first call.

    Raises NotFound when the link leads nowhere, Rejected when `user` can no longer get there.
    """
    if not folder.is_symlink() and user is not None and not may_enter(folder.parent.resolve(), user):
        _link_elsewhere(folder, user)
    target = folder.resolve()
    if folder.is_symlink() and not target.is_dir():
        raise NotFound(
            "{folder} leads to {target}, which is gone. Put it back, or remove the link to begin anew.",
            folder=folder,
            target=target,
        )
    own_folder(target, user)
    if user is not None and not may_enter(target, user):
        raise Rejected(
            "The user {user} cannot enter {target}. Open the folders above it.", user=user, target=target
        )
    return target


def _link_elsewhere(folder: Path, user: str) -> None:
    if folder.exists():  # a home that was open when it was made, and has been closed or moved since
        return
    target = _shared_folder(SHARED) / secrets.token_hex(8)
    own_folder(target, user)
    folder.symlink_to(target)


def _shared_folder(folder: Path) -> Path:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # whatever the umask is: everybody may enter, only root may write
    return folder


def reachable(package: str, root: Path, parts: Sequence[str], user: str | None) -> Path:
    """`root`, or a folder open to `user` with copies of its `parts` (relative paths), once per version."""
    if user is None or may_enter((root / parts[0]).resolve(), user):
        return root
    copies = _shared_folder(SHARED / "programs") / f"{package}-{metadata.version(package)}"
    if not copies.exists():
        _copy(root, parts, copies)
    return copies


def _copy(root: Path, parts: Sequence[str], copies: Path) -> None:
    new = copies.with_name(f"{copies.name}.{secrets.token_hex(4)}")
    for part in parts:
        shutil.copytree(
            root / part, new / part, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__")
        )
    for path in (new, *new.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        new.rename(copies)
    except OSError:  # another start was faster
        shutil.rmtree(new)


def run_as(user: str | None, command: Sequence[str | Path], stdin: str = "") -> None:
    """Run a server's own tool to its end. Raises ServiceDown with its last words when it fails."""
    account = pwd.getpwnam(user) if user is not None else None
    done = subprocess.run(
        command,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        env=SERVER_ENV,
        cwd="/",
        umask=0o077,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[
            -1
        ]
        raise ServiceDown("{program} failed: {words}", program=Path(command[0]).name, words=words)
