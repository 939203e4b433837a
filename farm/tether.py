"""Becomes a command that ends with its parent: a script, `tether.py PARENT SIGNAL USER NICENESS COMMAND…`."""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(with_signal: int, parent: int) -> None:
    """Have the kernel send us `with_signal` when the thread that started us ends; exit if `parent` has gone.

    Linux only; elsewhere the farm's next start ends what was left. A change of user afterwards undoes it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"The process {parent} that started this one has ended.")


def drop_to(user: str) -> None:
    """Become `user` for good, with its group and no others, in a folder that everybody may enter."""
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir("/")


def main(parent: str, with_signal: str, user: str, niceness: str, *command: str) -> None:
    """Run before anything of ours can be imported: the standard library only."""
    if user:
        drop_to(user)
    die_with_parent(int(with_signal), int(parent))
    os.nice(int(niceness))
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGPIPE):  # Python, or a shell's `&`, has them ignored
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
