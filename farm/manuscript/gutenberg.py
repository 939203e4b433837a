"""Project Gutenberg's header and licence around a text, and what the header says of the book."""

import re
from collections.abc import Sequence

from farm.manuscript.blocks import Account
from farm.messages import Message

LICENCE = Message("Project Gutenberg's header and licence")

_START = re.compile(
    r"^\s*(?:\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG|\*END\*? ?THE SMALL PRINT)", re.IGNORECASE
)
_END = re.compile(
    r"^\s*(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg)",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^(Title|Author):\s*(\S.*)$")
_FARTHEST_START = 600
_LONGEST_START = 3
"""Lines: a long title runs on to the next."""


def without_licence(lines: Sequence[str], account: Account) -> tuple[list[str], dict[str, str]]:
    """The lines between header and licence, and the header's title and author; all lines without these."""
    first = next((at + 1 for at, line in enumerate(lines[:_FARTHEST_START]) if _START.match(line)), 0)
    if first:
        first += _rest_of_start(lines[first - 1 : first + _LONGEST_START])
    last = next((at for at in range(first, len(lines)) if _END.match(lines[at])), len(lines))
    for line in (*lines[:first], *lines[last:]):
        account.drop(LICENCE, line)
    return list(lines[first:last]), _fields(lines[:first])


def _rest_of_start(lines: Sequence[str]) -> int:
    """How many more lines the START mark takes until its closing asterisks."""
    return next((n for n, line in enumerate(lines) if line.rstrip().endswith("*")), 0)


def _fields(header: Sequence[str]) -> dict[str, str]:
    found = (_FIELD.match(line) for line in header)
    return {field[1].lower(): field[2].strip() for field in found if field}
