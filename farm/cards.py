"""The graphics cards of this machine, as NVIDIA's driver tells of them (NVML)."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pynvml
from pynvml import NVMLError

from farm.errors import Conflict, NotFound, ServiceDown

NO_DRIVER = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
NO_VALUE = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,  # what nvidia-smi shows as N/A
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,  # an older driver
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_NO_DATA,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,  # of a MIG slice
)
MIB = 2**20


@dataclass(frozen=True)
class Card:
    """A card, or one MIG slice of one: what a single process can use. `vram_gib` 0: it does not say."""

    uuid: str
    name: str
    vram_gib: float
    driver: str


@dataclass(frozen=True)
class Reading:
    """A card at this moment; None is what it does not tell. `utilisation` is 0 to 1, `watts` its draw."""

    used_mib: int
    total_mib: int
    utilisation: float | None
    celsius: int | None
    watts: float | None


def cards(chosen: Collection[int] = ()) -> list[Card]:
    """The cards in the driver's order, or those of them with the numbers `chosen`; [] without a driver.

    A card cut into MIG slices is its slices. Raises ServiceDown when the driver or a card does not answer,
    NotFound when there is no card of a chosen number, Conflict when a card waits to be cut.
    """
    try:
        with driver() as version:
            count = pynvml.nvmlDeviceGetCount()
            _check(chosen, count)
            numbers = [number for number in range(count) if not chosen or number in chosen]
            return [card for number in numbers for card in _cards_at(number, version)]
    except NVMLError as e:
        if e.value in NO_DRIVER:
            _check(chosen, 0)
            return []
        raise ServiceDown(
            "NVIDIA's driver does not answer: {reason}. Reboot, or reinstall it, until `nvidia-smi` works.",
            reason=str(e),
        ) from e


def reading(uuid: str) -> Reading | None:
    """What the card with this UUID says of itself now; None when there is none, or it does not answer."""
    with suppress(NVMLError), driver():
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        board = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle) if is_slice(uuid) else handle
        load = _told(pynvml.nvmlDeviceGetUtilizationRates, handle)
        milliwatts = _told(pynvml.nvmlDeviceGetPowerUsage, board)
        return Reading(
            used_mib=memory.used // MIB,
            total_mib=memory.total // MIB,
            utilisation=None if load is None else min(load.gpu, 100) / 100,
            celsius=_told(pynvml.nvmlDeviceGetTemperature, board, pynvml.NVML_TEMPERATURE_GPU),
            watts=None if milliwatts is None else milliwatts / 1000,
        )
    return None


def is_slice(uuid: str) -> bool:
    """
    >>> is_slice("MIG-7c8e"), is_slice("GPU-7c8e")
    (True, False)
    """
    return uuid.startswith("MIG-")


@contextmanager
def driver() -> Iterator[str]:
    """The driver's version, while it is open."""
    pynvml.nvmlInit()
    try:
        yield str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        with suppress(NVMLError):  # of a driver that broke meanwhile
            pynvml.nvmlShutdown()


def _check(chosen: Collection[int], count: int) -> None:
    for number in chosen:
        if not 0 <= number < count:
            raise NotFound(
                "There is no card {number} here: there are {count}, counted from 0. See `nvidia-smi -L`.",
                number=number,
                count=count,
            )


def _cards_at(number: int, version: str) -> Iterator[Card]:
    try:
        whole = pynvml.nvmlDeviceGetHandleByIndex(number)
        for handle in _usable(whole, number):
            memory = _told(pynvml.nvmlDeviceGetMemoryInfo, handle)
            gib = 0.0 if memory is None else round(memory.total / 2**30, 2)
            yield Card(pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle), gib, version)
    except NVMLError as e:
        raise ServiceDown(
            "Card {number} does not answer: {reason}. Reboot, or name the others with --gpu.",
            number=number,
            reason=str(e),
        ) from e


def _usable(card: Any, number: int) -> list[Any]:
    """The card, or its MIG slices. Raises Conflict when it is to be cut, but is cut into none."""
    mode = _told(pynvml.nvmlDeviceGetMigMode, card)
    if mode is None or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return [card]
    found = []
    for slice_number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card)):
        try:
            found.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, slice_number))
        except NVMLError as e:
            if e.value != pynvml.NVML_ERROR_NOT_FOUND:  # slices leave gaps in their numbers
                raise
    if not found:
        raise Conflict(
            "Card {number} is in MIG mode, but has no slice. Make one, or name the other cards with --gpu.",
            number=number,
        )
    return found


def _told(ask: Callable[..., Any], *arguments: Any) -> Any:
    """What the driver answers; None where it has no such value."""
    try:
        return ask(*arguments)
    except NVMLError as e:
        if e.value in NO_VALUE:
            return None
        raise
