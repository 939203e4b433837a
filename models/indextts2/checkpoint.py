"""A checkpoint as the engine opens it: the directory that was downloaded, or one converted from it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from farm.errors import Rejected
from models.indextts2.checking import check
from models.indextts2.config import BigVGANConfig, Config, read, read_bigvgan
from models.indextts2.fingerprint import Tell, fingerprint
from models.indextts2.layout import read_json
from models.indextts2.parts import PARTS, State
from models.indextts2.tensor_files import load_safetensors

FORMAT = 1
"""Of converted directories."""
MANIFEST = "manifest.json"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Checkpoint(Protocol):
    """`precision` is fp32, fp16 or bf16; `qwen` the emotion model's directory, where there is one."""

    config: Config
    bigvgan: BigVGANConfig
    precision: str
    bpe: Path
    glossary: Path | None
    qwen: Path | None

    @property
    def fingerprint(self) -> str: ...

    def part(self, name: str, device: str = "cpu") -> State:
        """The state dict of a name in parts.PARTS. Of half precision are matrices only, not vectors."""
        ...


class Official:
    """The directory as it was downloaded, in float32. Nothing is written to it."""

    precision = "fp32"

    def __init__(self, directory: Path, leave_out: Iterable[str] = ()) -> None:
        """Look at every file; no tensor's bytes are read. Raises Rejected: why it cannot be used."""
        report = check(directory, leave_out)
        if not report.well:
            raise Rejected(
                "The checkpoint in {path} cannot be used: {reasons}. Look at it with "
                "`farm models check indextts2 {path}`.",
                path=directory,
                reasons="; ".join(f"{bad.part} {bad.seen}" for bad in report.findings if not bad.well),
            )
        assert report.found is not None
        assert report.config is not None
        assert report.bigvgan is not None
        files = report.found.files
        self.found = report.found
        self.config, self.bigvgan = report.config, report.bigvgan
        self.readings = report.readings
        self.left_out = report.left_out()
        self.bpe = files["bpe"]
        self.glossary = files.get("glossary")
        self.qwen = files.get("qwen")

    @cached_property
    def fingerprint(self) -> str:
        """Reads every tensor once."""
        return self.name_by(lambda _: None)

    def name_by(self, tell: Tell) -> str:
        """The fingerprint, with its progress told."""
        return fingerprint(self.readings, self._settings(), tell)

    def part(self, name: str, device: str = "cpu") -> State:
        state = self.readings[name].state()
        return {key: tensor.to(device, torch.float32) for key, tensor in state.items()}

    def _settings(self) -> dict[str, Any]:
        texts = [self.bpe] + ([self.glossary] if self.glossary else [])
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in texts]
        return {"config": asdict(self.config), "bigvgan": asdict(self.bigvgan), "texts": hashes}


class Registered:
    """A converted directory. Its tensors are mapped from the disk until they are moved."""

    def __init__(self, directory: Path, precision: str) -> None:
        """Raises Rejected: it is none, it is incomplete, or it was not converted to this precision."""
        manifest = manifest_of(directory)
        if precision not in manifest["precisions"]:
            raise Rejected(
                "The checkpoint {name} was not converted to {precision}, only to {known}. Run "
                "`farm models add indextts2 {source} --precision {precision}`.",
                name=directory.name,
                precision=precision,
                known=", ".join(manifest["precisions"]),
                source=manifest["source"],
            )
        for file, size in manifest["files"].items():
            path = directory / file
            if not path.is_file() or path.stat().st_size != size:
                raise Rejected(
                    "{path} is missing or cut short. Run `farm models add indextts2 {source}` again.",
                    path=path,
                    source=manifest["source"],
                )
        self.directory = directory
        self.precision = precision
        self.fingerprint: str = manifest["fingerprint"]
        self.config = read(directory)
        self.bigvgan = read_bigvgan(directory / "bigvgan.json")
        self.bpe = directory / "bpe.model"
        self.glossary = _existing(directory / "glossary.yaml")
        self.qwen = _existing(directory / "qwen")

    def part(self, name: str, device: str = "cpu") -> State:
        return load_safetensors(self.directory / file_of(name, self.precision), device)


def open_checkpoint(directory: Path, precision: str) -> Checkpoint:
    """A converted directory in `precision`, or an official one as it is, which is float32.

    Raises Rejected: it is neither, or incomplete, or not converted to `precision`.
    """
    if (directory / MANIFEST).is_file():
        return Registered(directory, precision)
    if precision != Official.precision:
        raise Rejected(
            "{path} is not converted to {precision} yet. Run `farm models add indextts2 {path} "
            "--precision {precision}`.",
            path=directory,
            precision=precision,
        )
    return Official(directory)


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def file_of(name: str, precision: str) -> str:
    """The file of the part `name`: parts that are not halved have one, for any precision."""
    return f"{name}.{precision if PARTS[name].halved else 'fp32'}.safetensors"


def manifest_of(directory: Path) -> Mapping[str, Any]:
    """Raises Rejected: none is there, or it is of another version."""
    manifest = read_json(directory / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise Rejected(
            "{path} was converted by another version. Run `farm models add indextts2 …` again.",
            path=directory,
        )
    return manifest
