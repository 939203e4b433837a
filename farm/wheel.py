"""This farm's own code as a wheel, made from what runs here, so that machines that join run the same."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from farm.errors import Rejected

NAME = "voicefarm"
PACKAGES = ("dashboard", "farm", "migrations", "models", "tasks")
CONSTRAINTS = "constraints.txt"
WHEEL = "Wheel-Version: 1.0\nGenerator: voicefarm\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say


@dataclass(frozen=True)
class Wheel:
    """`version` is of the code: the same on every machine that runs this code, from a checkout or a wheel."""

    name: str
    content: bytes
    version: str


@cache
def build() -> Wheel:
    """The wheel (PEP 427). Raises Rejected when the packages that run here were never installed."""
    installed = _installed()
    info = f"{NAME}-{installed.version}.dist-info"
    files = {**_code(), **{f"{info}/{name}": content for name, content in _facts(installed).items()}}
    record = _record(files, f"{info}/RECORD")
    content = _zipped({**files, f"{info}/RECORD": record})
    name = f"{NAME}-{installed.version}-py3-none-any.whl"
    # Of the record, which has the hash of every file: compressed bytes differ from one zlib to another.
    return Wheel(name, content, hashlib.sha256(record).hexdigest()[:12])


def constraints() -> bytes:
    """The versions that pip is held to, as this farm was installed with; nothing when it was with none."""
    checkout = _folder("farm").parent / CONSTRAINTS
    if checkout.exists():
        return checkout.read_bytes()
    return (_installed().read_text(CONSTRAINTS) or "").encode()


def _installed() -> Distribution:
    """Not the egg-info that lies beside a checkout, which may be older than what pip knows."""
    found = [each for each in distributions(name=NAME) if each.read_text("METADATA")]
    if not found:
        raise Rejected(
            "Voicefarm was not installed here, so it cannot be handed to other machines. Run "
            "`pip install -e .` in its folder."
        )
    return found[0]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _code() -> Mapping[str, bytes]:
    """Path in the wheel -> content."""
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for package in PACKAGES
        for folder in (_folder(package),)
        for path in _files(folder)
    }


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part == "__pycache__" or part.startswith(".") for part in parts)
        if path.is_file() and not hidden:
            yield path


def _facts(installed: Distribution) -> Mapping[str, bytes]:
    """What lies in the wheel's dist-info folder, without its record."""
    found = {
        "METADATA": installed.read_text("METADATA"),
        "WHEEL": WHEEL,
        CONSTRAINTS: constraints().decode(),
        "entry_points.txt": installed.read_text("entry_points.txt"),
        "licenses/LICENSE": installed.read_text("licenses/LICENSE"),
    }
    return {name: text.encode() for name, text in found.items() if text}


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    """PEP 376: path, hash, size of every file, and of the record itself the path alone."""
    lines = [f"{_quoted(path)},sha256={_hash(files[path])},{len(files[path])}" for path in sorted(files)]
    return "\n".join([*lines, f"{own},,", ""]).encode()


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"') else path


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files, key=lambda path: (".dist-info/" in path, path)):
            item = zipfile.ZipInfo(path, DATE)
            item.external_attr = 0o100644 << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, files[path])
    return written.getvalue()
