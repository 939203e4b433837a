"""Reads the word lists that lie beside the text rules."""

from functools import cache
from importlib.resources import files


@cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Every line of data/`name`.tsv as its columns; a line that begins with "# " is a remark."""
    lines = (files("farm.text.data") / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split("\t")) for line in lines if line and not line.startswith("# "))
