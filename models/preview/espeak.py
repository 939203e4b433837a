"""Where espeak-ng is on this machine, which voice variants it has, and its fingerprint."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from farm.errors import Rejected


@dataclass(frozen=True)
class Library:
    """The shared library and the folder of its dictionaries and voices."""

    shared_object: Path
    data: Path

    @property
    def variants(self) -> frozenset[str]:
        return frozenset(file.name for file in (self.data / "voices" / "!v").iterdir())


def installed() -> Library:
    """Finds the wheel's files and loads nothing. Raises Rejected with the command that installs it."""
    try:
        loader = import_module("espeakng_loader")
        found = Library(Path(loader.get_library_path()), Path(loader.get_data_path()))
    except (ImportError, RuntimeError) as e:
        raise Rejected(
            "The preview engine needs espeak-ng. Install it: {command}", command="pip install espeakng-loader"
        ) from e
    return found


@cache
def fingerprint(library: Library, rules: int) -> str:
    """Hash of all that espeak-ng reads (19 MB, ~25 ms) and of the version of our own `rules`."""
    digest = hashlib.blake2b(str(rules).encode(), digest_size=16)
    for file in [library.shared_object, *sorted(path for path in library.data.rglob("*") if path.is_file())]:
        digest.update(file.name.encode())
        digest.update(hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()
