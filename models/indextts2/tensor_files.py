"""What a file of tensors holds, opened without running anything that is written in it."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from farm.errors import Rejected

LARGEST_INDEX = 64 * 2**20
"""Bytes of the pickle that names a file's tensors; the official gpt.pth's has well under one MiB."""
LARGEST_UNMAPPED = 2**30
"""Bytes of a file in torch's format of before 2020, which cannot be mapped into memory."""
POINTER = b"version https://git-lfs"

DAMAGED = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)
"""What torch's reader raises, all of it seen or possible, for a file that is cut, changed or hostile."""


def load(path: Path) -> Any:
    """The tensors of `path` in the containers they were saved in, mapped from the disk where possible.

    Raises Rejected: damaged, or holding anything else than tensors and plain values.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except OSError as e:
        raise Rejected("{path} cannot be read: {reason}", path=path, reason=e.strerror) from e
    if start == POINTER:
        raise Rejected(
            "{path} is only Git LFS's note of where the file is. Download the file itself.", path=path
        )
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    return _load_pickled(path, zipped=start.startswith(b"PK"))


def load_safetensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of a .safetensors file. Raises Rejected: damaged."""
    try:
        with safe_open(path, "pt", device=device) as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as e:
        raise _damaged(path, str(e)) from e


def _load_pickled(path: Path, *, zipped: bool) -> Any:
    if zipped:
        _check_zip(path)
    elif path.stat().st_size > LARGEST_UNMAPPED:
        raise _damaged(path, "it is not a zip file, as torch has written since 2020")
    try:
        with catch_warnings():
            simplefilter("ignore")  # about pickles of other protocols, which are refused or read all the same
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as e:
        if "GLOBAL" not in str(e):
            raise _damaged(path, "its index cannot be read") from e
        raise Rejected(
            "{path} holds code ({what}), not tensors alone: it was not opened. Download it again from "
            "where it was published.",
            path=path,
            what=_global(str(e)),
        ) from e
    except DAMAGED as e:
        raise _damaged(path, str(e).partition("\n")[0] or type(e).__name__) from e


def _check_zip(path: Path) -> None:
    """torch packs nothing: a packed entry would be read as if it were tensors, or grow without bound."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, ValueError) as e:
        raise _damaged(path, str(e)) from e
    for entry in entries:
        if entry.compress_type != ZIP_STORED:
            raise _damaged(path, f"{entry.filename} is packed")
        if entry.filename.endswith("data.pkl") and entry.file_size > LARGEST_INDEX:
            raise _damaged(path, f"{entry.filename} has {entry.file_size} bytes")


def _global(said: str) -> str:
    """The name that torch's reader refused, out of its explanation.

    >>> _global("… Trying to load unsupported GLOBAL posix.system whose module posix is blocked. …")
    'posix.system'
    """
    words = said.partition("GLOBAL ")[2].split()
    return words[0] if words else "of an unknown kind"


def _damaged(path: Path, reason: str) -> Rejected:
    return Rejected(
        "{path} is damaged, or was not downloaded to its end: {reason}. Download it again.",
        path=path,
        reason=reason.rstrip("."),
    )


def state(content: object) -> dict[str, Tensor]:
    """`content` as a state dict. Raises ValueError: it is none, and why."""
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__} where tensors by their names should be")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(f"{str(key)[:80]} is a {type(value).__name__}, no tensor")
        if value.layout is not torch.strided or value.is_quantized or value.is_complex():
            raise ValueError(f"{key} is a tensor of an unusual kind")
    return dict(content)
