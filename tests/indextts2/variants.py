"""A checkpoint as downloaded, changed here and there: links to the whole one, but for what is changed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor


def copy(checkpoint: Path, to: Path) -> Path:
    """Links to every file of `checkpoint`, in folders of its own. Returns `to`."""
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file():
            link = to / path.relative_to(checkpoint)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return to


def write(path: Path, content: object, **options: Any) -> None:
    """`content` in torch's format, instead of what was there."""
    path.unlink(missing_ok=True)
    torch.save(content, path, **options)


def change(path: Path, changed: Callable[[Any], object], **options: Any) -> None:
    """Write what `changed` makes of what a file in torch's format holds."""
    write(path, changed(torch.load(path, weights_only=True)), **options)


def change_safetensors(path: Path, changed: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
    tensors = dict(changed(load_file(path)))
    path.unlink()
    save_file(tensors, path)


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}
