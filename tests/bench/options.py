"""What may be asked of the benches on the command line."""

from dataclasses import dataclass
from pathlib import Path

BOOK = Path(__file__).parents[1] / "data" / "hongloumeng-1-12.gb18030.txt"


@dataclass(frozen=True)
class Options:
    """`chapters` are numbers from 1, all when empty; `speed` is the simulated engine's, x realtime."""

    book: Path = BOOK
    chapters: tuple[int, ...] = ()
    speed: float = 60.0
    hours: float = 20.0
    segments: int = 20_000
    ready: int = 500_000
    rows: int = 100_000
    workers: int = 200
    seconds: float = 240.0
