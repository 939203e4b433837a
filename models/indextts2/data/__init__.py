"""Tables of the text rules. Columns are parted by tabs; a line that begins with "# " is a remark."""

from functools import cache
from importlib.resources import files


@cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Every line of `name`.tsv as its columns. What an editor would not show is written U+000A."""
    lines = (files(__name__) / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(
        tuple(map(_character, line.split("\t"))) for line in lines if line and not line.startswith("# ")
    )


def _character(cell: str) -> str:
    return chr(int(cell[2:], 16)) if cell.startswith("U+") else cell
