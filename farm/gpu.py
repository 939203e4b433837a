"""GPU classes: what a card of a given memory may be asked to do."""

from dataclasses import dataclass

CPU = "cpu"


@dataclass(frozen=True)
class GpuClass:
    """`least_gib` is of the memory that NVML reports; `longest_segment` is in spoken characters."""

    name: str
    least_gib: float
    dtype: str
    longest_segment: float

    @property
    def title(self) -> str:
        """What people call it: CPU, 12 GB."""
        return "CPU" if self.name == CPU else f"{self.name.removesuffix('g')} GB"


CLASSES = {
    item.name: item
    for item in (
        GpuClass(CPU, 0, "fp32", 100),
        GpuClass("4g", 3.5, "fp16", 40),
        GpuClass("6g", 5.5, "fp16", 60),
        GpuClass("8g", 7.5, "fp16", 80),
        GpuClass("12g", 11, "fp16", 100),
        GpuClass("24g", 22, "fp16", 130),
    )
}

TYPICAL_SPEED = {("indextts2", "12g"): 5.7, ("indextts2", "24g"): 28.0}
"""x realtime of an engine on an RTX 3060 and an RTX 4090 at their largest batch (PERFORMANCE.md §4).

For forecasts until a worker of the class was measured."""


def class_of(vram_gib: float) -> str:
    """The class of a card with so much memory; one too small for any serves as a CPU does.

    >>> [class_of(gib) for gib in (2, 4, 11.76, 15.7, 22.5, 140)]
    ['cpu', '4g', '12g', '12g', '24g', '24g']
    """
    return max(
        (item for item in CLASSES.values() if item.least_gib <= vram_gib), key=lambda item: item.least_gib
    ).name
