import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SPEAK = """
import os
import torch
from models.indextts2 import processor
from tests.resident import resident_kb

{bound}
weight = torch.randn(64, 64)
held = []
for rows in range(1, 901):
    torch.ops.mkldnn._linear_pointwise(torch.randn(rows, 64), weight, None, "none", [], "")
    torch.conv2d(torch.randn(1, 64, 1, rows), weight[:, :, None, None])
    held.append(resident_kb(os.getpid()))
print(held[-1] - held[300])
"""


def grown_kb(bound: str) -> int:
    """By how much a process grows that multiplies and convolves in 600 more shapes."""
    said = subprocess.run(
        [sys.executable, "-c", SPEAK.format(bound=bound)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),  # without what an engine in this process has put into the real one
    )
    return int(said.stdout)


def test_shapes_that_were_met_are_not_remembered_for_ever() -> None:
    unbound, bound = grown_kb("pass"), grown_kb("processor.bound()")
    assert unbound > 20_000
    assert bound < unbound / 4
