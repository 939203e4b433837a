"""`python -m tests.chaos [ROW…]`: the whole fault matrix, as a table; exit status 1 if anything was lost."""

import logging
import sys
import time

from tests.chaos.matrix import ROWS, Outcome, run

HEAD = (
    *("#", "fault", "n", "segments", "lost, doubled", "wasted", "refused", "expired"),
    *("longest stall", "promise", "held"),
)


def main() -> None:
    logging.disable(logging.WARNING)  # the supervisor says what was killed, which we know
    asked = set(sys.argv[1:])
    say(f"| {' | '.join(HEAD)} |")
    say("|---" * len(HEAD) + "|")
    failed = False
    for row in ROWS:
        if asked and row.number not in asked:
            continue
        since = time.monotonic()
        try:
            outcome = run(row, row.times)
        except AssertionError as e:
            failed = True
            say(f"| {row.number} | {row.fault} | {row.times} | | not finished: {e} | | | | | | no |")
            continue
        failed = failed or bool(outcome.wrong or outcome.missed)
        say(line(outcome), f"({time.monotonic() - since:.0f} s)")
    sys.exit(failed)


def line(outcome: Outcome) -> str:
    row, figures = outcome.row, outcome.figures
    promises = "; ".join(
        f"{name} ≤ {row.bars[name]:g}"
        + (f" (here {row.bar(name):g})" if row.bar(name) != row.bars[name] else "")
        + f": {figures[name]:.3g}"
        for name in row.bars
    )
    cells = (
        row.number,
        row.fault,
        outcome.faults,
        outcome.segments,
        "; ".join(outcome.wrong) or "0, 0",
        *(f"{figures[name]:g}" for name in ("wasted", "refused", "expired")),
        f"{figures['stall_s']:.1f} s",
        promises,
        "no: " + ", ".join(outcome.missed) if outcome.missed else "yes",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
