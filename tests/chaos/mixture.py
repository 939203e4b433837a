"""Every kind of fault, one after the other in no order, on one farm that goes on."""

from collections.abc import Callable, Mapping
from functools import partial

from tests.chaos import faults
from tests.chaos.field import Field

KINDS: tuple[Callable[[Field], Mapping[str, float]], ...] = (
    *(
        partial(fault, times=1)
        for fault in (
            faults.kill_child,
            faults.kill_worker,
            faults.freeze_worker,
            faults.restart_redis,
            faults.wipe_redis,
            faults.lose_redis,
            faults.restart_postgres,
            faults.lose_answers,
            faults.rolling,
        )
    ),
    partial(faults.ring_again, times=100),
)


def everything(field: Field, times: int) -> Mapping[str, float]:
    """`times` faults, each kind as often as the others, and a book more for each."""
    bag: list[Callable[[Field], Mapping[str, float]]] = []
    for _ in range(times):
        bag = bag or field.chance.sample(KINDS, len(KINDS))
        bag.pop()(field)
    return {}
