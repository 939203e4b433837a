from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from farm.storage import Store
from farm.storage.sweeping import Swept, sweep

LATER = timedelta(minutes=1)


def test_orphans_go_and_the_kept_and_the_others_stay(store: Store) -> None:
    for name in ("takes/1", "takes/2", "takes/sub/3", "books/1"):
        store.put(name, b"12345")
    swept = sweep(store, "takes/", lambda names: {"takes/2"}, datetime.now(UTC) + LATER)
    assert swept == Swept(count=2, bytes=10)
    assert {found.name for found in store.list()} == {"takes/2", "books/1"}


def test_what_is_young_is_not_even_asked_for(store: Store) -> None:
    def keep(names: Iterable[str]) -> set[str]:
        raise AssertionError(f"asked for {list(names)}")

    store.put("takes/1", b"x")
    assert sweep(store, "takes/", keep, datetime.now(UTC) - LATER) == Swept(0, 0)


def test_names_are_asked_for_a_thousand_at_a_time(folder: Store) -> None:
    asked: list[int] = []

    def keep(names: Iterable[str]) -> set[str]:
        asked.append(len(list(names)))
        return set()

    for n in range(1005):
        folder.put(f"takes/{n}", b"")
    assert sweep(folder, "takes/", keep, datetime.now(UTC) + LATER) == Swept(1005, 0)
    assert asked == [1000, 5]
    assert list(folder.list()) == []
