"""Processes of which others wait for answers within milliseconds: what Python is told in them, and why."""

import gc
import sys

TURN_S = 0.0005
"""How long a thread may compute while another one, whose answer from the database has come, waits for it.

With the usual 5 ms a request of ten statements may wait 50 ms beside a single thread that computes.
"""


def be_prompt() -> None:
    """To be called when all is loaded: what is there now stays for good, and is not searched for garbage."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(TURN_S)
