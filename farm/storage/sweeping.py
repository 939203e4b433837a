"""Deletes the objects that nobody speaks for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from farm.storage import Store, batches


@dataclass(frozen=True)
class Swept:
    """How many objects went, and their bytes."""

    count: int
    bytes: int


def sweep(
    store: Store, prefix: str, keep: Callable[[Iterable[str]], set[str]], older_than: datetime
) -> Swept:
    """Delete the objects under `prefix` last written before `older_than`, save those that `keep` answers.

    `keep` is asked for at most 1000 names at a time. `older_than` must lie behind the longest upload.
    """
    count = size = 0
    old = (stored for stored in store.list(prefix) if stored.modified < older_than)
    for batch in batches(old, 1000):
        kept = keep([stored.name for stored in batch])
        orphans = [stored for stored in batch if stored.name not in kept]
        store.delete(stored.name for stored in orphans)
        count += len(orphans)
        size += sum(stored.size for stored in orphans)
    return Swept(count, size)
