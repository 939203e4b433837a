import json
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from models.indextts2.config import BigVGANConfig, Config
from models.indextts2.memory import MOST, Need, Room, free_bytes, need
from models.indextts2.vocoders.bigvgan import geometry
from tests.indextts2.recipe import DATA

CPU = torch.device("cpu")
GIB = 2**30


def needed(prefix: int = 160, codes: int = 512, dtype: torch.dtype = torch.float16) -> Need:
    """At the official dimensions."""
    config = Config.parse(yaml.safe_load((DATA / "official_config.yaml").read_text()))
    small = BigVGANConfig.read(json.loads((DATA / "bigvgan_config.json").read_text()))
    vocoder = geometry(replace(small, num_mels=80, upsample_initial_channel=1536))
    return need(config, vocoder, dtype, prefix, codes, chunk=2048)


def test_a_row_takes_more_the_longer_it_is_and_the_more_exact() -> None:
    rows = [needed(codes=codes).row for codes in (100, 500, 1500)]
    assert rows == sorted(set(rows))
    assert needed(prefix=600).row > needed(prefix=100).row
    assert needed(dtype=torch.float32).row > needed().row


def test_what_performance_says_of_cards_holds() -> None:
    """Of 12 GB some 8 are left beside the weights, and hold more than 32 rows of 100 characters."""
    assert needed().rows(8 * GIB) >= 32
    assert needed(codes=1500).rows(8 * GIB) >= 12
    assert 1 <= needed().rows(3 * GIB) < needed().rows(8 * GIB)
    assert needed().rows(GIB // 8) == 0


def test_there_is_always_room_for_one_to_try_and_never_for_more_than_are_of_use(tmp_path: Path) -> None:
    room = Room(CPU, tmp_path / "rows.json")
    assert room.rows(Need(fixed=1000 * free_bytes(CPU), row=1)) == 1
    assert room.rows(Need(fixed=0, row=1)) == MOST["cpu"]
    assert Room(CPU, tmp_path / "rows.json", most=3).rows(Need(fixed=0, row=1)) == 3


def test_what_did_not_fit_is_halved_and_another_process_knows(tmp_path: Path) -> None:
    room, path = Room(CPU, tmp_path / "deep" / "rows.json"), tmp_path / "deep" / "rows.json"
    assert room.did_not_fit(12)
    assert room.most == 6
    assert Room(CPU, path).most == 6
    assert room.did_not_fit(6)
    assert Room(CPU, path).most == 3
    assert not room.did_not_fit(1)
    assert Room(CPU, path).most == 3


def test_a_note_that_cannot_be_read_or_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[1, 2")
    assert Room(CPU, tmp_path / "rows.json").most == MOST["cpu"]
    (tmp_path / "rows.json").write_text('{"cpu": -4}')
    assert Room(CPU, tmp_path / "rows.json").most == MOST["cpu"]
    (tmp_path / "file").write_text("")
    assert Room(CPU, tmp_path / "file" / "rows.json").did_not_fit(8)
