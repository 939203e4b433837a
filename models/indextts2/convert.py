"""Turns a downloaded checkpoint, once, into the files that the engine opens: one for each part and dtype."""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from farm.errors import Conflict, Rejected
from models.indextts2.checkpoint import DTYPES, FORMAT, MANIFEST, Official, file_of, manifest_of
from models.indextts2.fingerprint import chunks, raw, size
from models.indextts2.layout import read_json, read_yaml
from models.indextts2.parts import PARTS

NAME_LENGTH = 16
"""Digits of the fingerprint in the name of a converted directory."""
SPARE = 64 * 2**20
"""Bytes of disk for the small files, and for the file system itself."""
CODES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
QWEN_KINDS = frozenset({".json", ".safetensors", ".txt", ".jinja"})
COPIED_AT_ONCE = 2**24

Tell = Callable[[str, int, int], None]
"""Is told the step, and how many bytes of how many are done."""


@dataclass(frozen=True)
class Added:
    """`directory` holds the checkpoint; `made`: files that this call wrote, none where all were there."""

    directory: Path
    fingerprint: str
    precisions: tuple[str, ...]
    bytes: int
    made: tuple[str, ...]


class Progress:
    """Counts the bytes of one step."""

    def __init__(self, step: str, total: int, tell: Tell) -> None:
        self.step, self.total, self.tell = step, total, tell
        self.done = 0
        tell(step, 0, total)

    def __call__(self, count: int) -> None:
        self.done += count
        self.tell(self.step, self.done, self.total)


def add(source: Path, to: Path, precisions: Sequence[str], leave_out: Sequence[str], tell: Tell) -> Added:
    """Convert the checkpoint in `source` into a directory below `to`, or add to the one that is there.

    After a kill the same call goes on with the next file. Raises Rejected: what was downloaded cannot be
    used, a value does not fit into a dtype, or the disk is too small; Conflict: another is at work in `to`.
    """
    official = Official(source, leave_out)
    try:
        to.mkdir(parents=True, exist_ok=True)
        with _alone(to):
            return _add(official, to, precisions, tell)
    except OSError as e:
        raise Rejected(
            "{path} cannot be written: {reason}", path=e.filename or to, reason=e.strerror or str(e)
        ) from e


def _add(official: Official, to: Path, precisions: Sequence[str], tell: Tell) -> Added:
    fingerprint = official.name_by(Progress("reading", size(official.readings), tell))
    name = fingerprint[:NAME_LENGTH]
    final, unfinished = to / name, to / f".{name}.{FORMAT}"
    _remove_others(to, unfinished)
    known = _known(final, fingerprint)
    wanted = [precision for precision in DTYPES if precision in {*precisions, *known}]
    work = final if final.exists() else unfinished
    work.mkdir(exist_ok=True)
    made = _fill(work, official, wanted, tell)
    if made or work is unfinished:
        _write_manifest(work, official, fingerprint, wanted)
    _sync(work)
    work.rename(final)
    _sync(to)
    files = manifest_of(final)["files"]
    return Added(final, fingerprint, tuple(wanted), sum(files.values()), tuple(made))


def _known(final: Path, fingerprint: str) -> list[str]:
    """The precisions that `final` is there in; what another version of this made is removed."""
    if not final.exists():
        return []
    manifest = read_json(final / MANIFEST)
    if manifest.get("fingerprint") != fingerprint:
        raise Conflict("{path} is another checkpoint's. Move it away.", path=final)
    if manifest.get("format") != FORMAT:
        shutil.rmtree(final)
        return []
    return list(manifest["precisions"])


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    """The lock goes with the process, however that ends."""
    with (to / ".lock").open("w") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError as e:
            raise Conflict("Another `farm models add` is at work in {path}. Wait for it.", path=to) from e
        yield


def _remove_others(to: Path, mine: Path) -> None:
    """What earlier calls for other checkpoints left unfinished."""
    for path in to.glob(".*.*"):
        if path != mine and path.is_dir():
            shutil.rmtree(path)


def _fill(work: Path, official: Official, precisions: Sequence[str], tell: Tell) -> list[str]:
    """Write the files that `work` does not have yet, each whole or not at all; their names."""
    writers = {**_copies(official), **_parts(official, precisions)}
    sizes = {name: writer.size for name, writer in writers.items()}
    missing = [name for name in writers if not _is_whole(work / name, sizes[name])]
    needed = sum(sizes[name] for name in missing)
    free = shutil.disk_usage(work).free
    if missing and free < needed + SPARE:
        raise Rejected(
            "{path} has {free} GB free of the {needed} GB needed. Free some, or name another disk with --to.",
            path=work.parent,
            free=f"{free / 1e9:.1f}",
            needed=f"{(needed + SPARE) / 1e9:.1f}",
        )
    progress = Progress("writing", needed, tell)
    for name in missing:
        path = work / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        with new.open("wb") as file:
            writers[name].write(file, progress)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    for left in work.rglob("*.new"):  # by a call that was killed
        left.unlink()
    return missing


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@dataclass(frozen=True)
class Writer:
    """A file to be: its size in bytes, and what writes it."""

    size: int
    write: Callable[[IO[bytes], Progress], None]


def _copies(official: Official) -> dict[str, Writer]:
    """The small files, by the names that checkpoint.Registered knows, and the emotion model."""
    small = {
        "config.yaml": official.found.files["config"],
        "bigvgan.json": official.found.files["bigvgan_config"],
        "bpe.model": official.bpe,
        "glossary.yaml": official.glossary,
    }
    paths = {name: path for name, path in small.items() if path is not None}
    if official.qwen is not None:
        of_qwen = (path for path in official.qwen.iterdir() if path.suffix in QWEN_KINDS and path.is_file())
        paths |= {f"qwen/{path.name}": path for path in sorted(of_qwen)}
    return {name: _copy(path) for name, path in paths.items()}


def _copy(source: Path) -> Writer:
    def write(file: IO[bytes], progress: Progress) -> None:
        with source.open("rb") as opened:
            while block := opened.read(COPIED_AT_ONCE):
                file.write(block)
                progress(len(block))

    return Writer(source.stat().st_size, write)


def _parts(official: Official, precisions: Sequence[str]) -> dict[str, Writer]:
    """A file for each part and dtype."""
    files = {
        file_of(name, precision): (name, DTYPES[precision if PARTS[name].halved else "fp32"])
        for precision in precisions
        for name in PARTS
    }
    return {file: _part(official, name, dtype) for file, (name, dtype) in sorted(files.items())}


def _part(official: Official, name: str, dtype: torch.dtype) -> Writer:
    header = _header(official.readings[name].shapes(), dtype)

    def write(file: IO[bytes], progress: Progress) -> None:
        file.write(header)
        progress(len(header))
        state = official.readings[name].state()
        for key in _order({key: tensor.shape for key, tensor in state.items()}, dtype):
            for chunk in chunks(_fitting(name, key, state[key], dtype)):
                file.write(raw(chunk))
                progress(chunk.nbytes)

    described = json.loads(header[8:])
    return Writer(len(header) + max(entry["data_offsets"][1] for entry in described.values()), write)


def stored(shape: Sequence[int], dtype: torch.dtype) -> torch.dtype:
    """What a tensor of `shape` is held in where matrices are `dtype`.

    Biases, norms and the exponents of the vocoder's activations stay in float32: they are nothing beside the
    matrices, and a module that keeps them so has them whole.
    """
    return dtype if len(shape) > 1 else torch.float32


def _fitting(part: str, key: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Raises Rejected: a value is too large for float16."""
    kept = tensor.to(stored(tensor.shape, dtype))
    if kept.dtype == torch.float16 and not kept.isfinite().all():
        raise Rejected(
            "{part}: {key} has values beyond float16's 65504. Use --precision bf16.", part=part, key=key
        )
    return kept


def _order(shapes: Mapping[str, Sequence[int]], dtype: torch.dtype) -> list[str]:
    """The keys of float32 first, so that every tensor begins at a multiple of its numbers' size."""
    return sorted(shapes, key=lambda key: (-stored(shapes[key], dtype).itemsize, key))


def _header(shapes: Mapping[str, Sequence[int]], dtype: torch.dtype) -> bytes:
    """The start of a safetensors file: its length in eight bytes, then JSON, padded to eight bytes.

    Written by us, because the library wants all tensors of a file in memory at once, and copies them.
    """
    entries: dict[str, Any] = {}
    end = 0
    for key in _order(shapes, dtype):
        kind = stored(shapes[key], dtype)
        begin, end = end, end + kind.itemsize * torch.Size(shapes[key]).numel()
        entries[key] = {"dtype": CODES[kind], "shape": list(shapes[key]), "data_offsets": [begin, end]}
    content = json.dumps(entries, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    return struct.pack("<Q", len(content)) + content


def _write_manifest(work: Path, official: Official, fingerprint: str, precisions: Sequence[str]) -> None:
    version = str(read_yaml(official.found.files["config"]).get("version", "2.0"))
    files = sorted(path for path in work.rglob("*") if path.is_file() and path.name != MANIFEST)
    manifest = {
        "format": FORMAT,
        "engine": "indextts2",
        "version": version,
        "fingerprint": fingerprint,
        "precisions": list(precisions),
        "source": str(official.found.directory.absolute()),
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": str(torch.__version__),
        "emotion_from_text": official.qwen is not None or (work / "qwen").is_dir(),
        "files": {str(path.relative_to(work)): path.stat().st_size for path in files},
        "left_out": official.left_out,
    }
    new = work / f"{MANIFEST}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.rename(work / MANIFEST)


def _sync(folder: Path) -> None:
    """Make the names in `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
