"""GPU classes: what a card of a given memory may be asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuClass:
    """`longest_segment` is in spoken characters."""

    name: str
    dtype: str
    longest_segment: float


CLASSES = {
    item.name: item
    for item in (
        GpuClass("cpu", "fp32", 100),
        GpuClass("4g", "fp16", 40),
        GpuClass("6g", "fp16", 60),
        GpuClass("8g", "fp16", 80),
        GpuClass("12g", "fp16", 100),
        GpuClass("24g", "fp16", 130),
    )
}
