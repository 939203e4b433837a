"""What a machine's cards are, asked of a driver that is a real shared library."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from farm.gpu import class_of
from tests.farms import ROOT
from tests.nvml import A10, RTX_3060, driver, no_driver

ASK = """
import json, sys
from dataclasses import asdict
from farm import cards
from farm.errors import FarmError
try:
    answer = eval(sys.argv[1])
except FarmError as e:
    answer = f"{type(e).__name__}: {e}"
json.dump([asdict(x) for x in answer] if isinstance(answer, list) else answer and (
    answer if isinstance(answer, str) else asdict(answer)), sys.stdout)
"""


def ask(expression: str, environment: dict[str, str]) -> Any:
    """What a process on such a machine answers."""
    command = [sys.executable, "-c", ASK, expression]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_machine_without_a_driver_has_no_cards() -> None:
    assert ask("cards.cards()", no_driver()) == []
    assert ask("cards.reading('GPU-1')", no_driver()) is None


def test_a_driver_that_is_not_loaded_or_has_no_cards_has_none() -> None:
    assert ask("cards.cards()", driver(RTX_3060, init=9)) == []
    assert ask("cards.cards()", driver()) == []


def test_each_card_is_told_with_its_memory_and_falls_into_its_class() -> None:
    found = ask("cards.cards()", driver(RTX_3060, A10))
    assert found == [
        {"uuid": "GPU-3060", "name": "NVIDIA GeForce RTX 3060", "vram_gib": 12.0, "driver": "570.86.15"},
        {"uuid": "GPU-a10", "name": "NVIDIA A10", "vram_gib": 22.49, "driver": "570.86.15"},
    ]
    assert [class_of(card["vram_gib"]) for card in found] == ["12g", "24g"]


def test_a_reading_is_of_the_card_with_that_uuid() -> None:
    assert ask("cards.reading('GPU-a10')", driver(RTX_3060, A10)) == {
        "used_mib": 1024,
        "total_mib": 23028,
        "utilisation": 0.87,
        "celsius": 64,
        "watts": 168.5,
    }
    assert ask("cards.reading('GPU-else')", driver(RTX_3060, A10)) is None


def test_a_card_without_sensors_tells_its_memory_alone() -> None:
    seen = ask("cards.reading('GPU-3060')", driver(f"{RTX_3060},na"))
    assert seen["used_mib"] == 512
    assert [seen[name] for name in ("utilisation", "celsius", "watts")] == [None] * 3


def test_a_card_that_shares_the_machines_memory_has_a_size_of_zero() -> None:
    [card] = ask("cards.cards()", driver(f"{RTX_3060},nomem"))
    assert card["vram_gib"] == 0
    assert ask("cards.reading('GPU-3060')", driver(f"{RTX_3060},nomem")) is None


def test_a_card_cut_into_slices_is_its_slices() -> None:
    machine = driver("GPU-h200,NVIDIA H200,143771,2048,mig", RTX_3060)
    found = ask("cards.cards()", machine)
    assert [card["uuid"] for card in found] == ["MIG-GPU-h200-1", "MIG-GPU-h200-3", "GPU-3060"]
    assert found[0]["vram_gib"] == 35.1
    seen = ask("cards.reading('MIG-GPU-h200-3')", machine)
    assert (seen["utilisation"], seen["celsius"], seen["watts"]) == (None, 64, 168.5)


def test_a_card_that_waits_to_be_cut_is_no_silent_cpu() -> None:
    said = ask("cards.cards()", driver(f"{RTX_3060},uncut"))
    assert said.startswith("Conflict: Card 0 is in MIG mode")


@pytest.mark.parametrize("broken", [{"init": 18}, {"count": 999}])
def test_a_broken_driver_is_said_with_its_remedy(broken: dict[str, int]) -> None:
    said = ask("cards.cards()", driver(RTX_3060, **broken))
    assert said.startswith("ServiceDown: NVIDIA's driver does not answer")
    assert "nvidia-smi" in said
    assert ask("cards.reading('GPU-3060')", driver(RTX_3060, init=18)) is None


def test_a_lost_card_is_named_and_the_others_can_be_chosen() -> None:
    machine = driver(RTX_3060, f"{A10},lost")
    assert ask("cards.cards()", machine) == (
        "ServiceDown: Card 1 does not answer: GPU is lost. Reboot, or name the others with --gpu."
    )
    assert [card["uuid"] for card in ask("cards.cards([0])", machine)] == ["GPU-3060"]
    assert ask("cards.reading('GPU-a10')", machine) is None


def test_a_card_that_falls_off_while_it_is_read_reads_as_none() -> None:
    two = "[r and 'read' for r in (cards.reading('GPU-3060'), cards.reading('GPU-3060'))]"
    assert ask(f"str({two})", driver(f"{RTX_3060},jittery")) == "['read', None]"


def test_a_card_that_is_not_there_is_refused_by_number() -> None:
    assert ask("cards.cards([2])", driver(RTX_3060, A10)).startswith("NotFound: There is no card 2 here")
    assert ask("cards.cards([0])", no_driver()).startswith("NotFound: There is no card 0")
