"""NVIDIA's driver for tests: a real shared library with the cards that a test wants (tests/data/nvml.c)."""

import atexit
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.conftest import DATA

RTX_3060 = "GPU-3060,NVIDIA GeForce RTX 3060,12288,512"
A10 = "GPU-a10,NVIDIA A10,23028,1024"
"""A "24 GB" card that reports 22.5 GiB."""


@cache
def folder() -> Path:
    made = Path(mkdtemp(prefix="voicefarm-nvml-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def library() -> Path:
    """The folder of libnvidia-ml.so.1, compiled once for the tests of this process."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "The tests of cards compile a small driver: install gcc (apt-get install gcc)."
    out = folder() / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-D_GNU_SOURCE", "-Wall", "-Werror", "-O1"]
    subprocess.run([*command, "-o", str(out), str(DATA / "nvml.c")], check=True)
    return folder()


def no_driver() -> dict[str, str]:
    """The environment of a process that finds no driver, whatever this machine has."""
    nothing = folder() / "none" / "libnvidia-ml.so.1"
    nothing.parent.mkdir(exist_ok=True)
    nothing.touch()
    return {"LD_LIBRARY_PATH": str(nothing.parent)}


def driver(*cards: str, **behaviour: int) -> dict[str, str]:
    """The environment of a process whose machine has these cards; behaviour: init=…, count=…"""
    errors = {f"FAKE_{name.upper()}": str(value) for name, value in behaviour.items()}
    return {"LD_LIBRARY_PATH": str(library()), "FAKE_CARDS": ";".join(cards), **errors}
