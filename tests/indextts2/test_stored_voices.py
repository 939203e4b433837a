import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml

from models.indextts2.config import Config
from models.indextts2.voice import Voice
from models.indextts2.voices import ABANDONED_S, Voices
from tests.indextts2 import truth

CONFIG = Config.parse(yaml.safe_load(truth.path("pipeline_config.yaml").read_text()))
SIZE = 262_000  # bytes, of `a_voice` and its header


def a_voice(seed: int = 0) -> Voice:
    random = torch.Generator().manual_seed(seed)
    shapes = {
        "conditioning": (32, 1280),
        "own": (1280,),
        "echo": (1280,),
        "style": (192,),
        "mel": (80, 150),
        "condition": (150, 64),
    }
    return Voice(**{name: torch.randn(shape, generator=random) for name, shape in shapes.items()})


def never() -> Voice:
    raise AssertionError("it is stored")


def counting(voice: Voice, made: list[Voice]) -> Callable[[], Voice]:
    def make() -> Voice:
        made.append(voice)
        return voice

    return make


def stored(directory: Path) -> set[str]:
    return {path.name.removesuffix(".safetensors") for path in directory.iterdir()}


def test_a_print_is_made_once(tmp_path: Path) -> None:
    made = Voices(tmp_path / "new", CONFIG).get("a", a_voice)

    again = Voices(tmp_path / "new", CONFIG).get("a", never)

    assert torch.equal(again.mel, made.mel)


def test_prints_are_kept_apart_by_their_keys(tmp_path: Path) -> None:
    voices = Voices(tmp_path, CONFIG)
    for seed, key in enumerate("abc"):
        voices.get(key, lambda seed=seed: a_voice(seed))

    assert torch.equal(voices.get("b", never).own, a_voice(1).own)


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_a_damaged_print_is_made_anew(tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture) -> None:
    voices = Voices(tmp_path, CONFIG)
    voices.get("a", a_voice)
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    made: list[Voice] = []

    with caplog.at_level(logging.WARNING):
        voices.get("a", counting(a_voice(), made))

    assert len(made) == 1
    assert "a.safetensors" in caplog.text
    voices.get("a", never)


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    voices = Voices(tmp_path, CONFIG, limit=3 * SIZE)
    for hour, key in enumerate("abc"):
        voices.get(key, a_voice)
        os.utime(tmp_path / f"{key}.safetensors", (hour * 3600, hour * 3600))
    voices.get("a", never)

    voices.get("d", a_voice)

    assert stored(tmp_path) == {"a", "c", "d"}


def test_a_folder_never_holds_more_than_its_limit(tmp_path: Path) -> None:
    voices = Voices(tmp_path, CONFIG, limit=2 * SIZE)
    for key in "abcdef":
        voices.get(key, a_voice)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * SIZE


def test_files_of_writers_that_died_are_swept_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    for name, age_s in ((".a.safetensors.dead", ABANDONED_S + 60), (".b.safetensors.alive", 60)):
        (tmp_path / name).write_bytes(b"half")
        written = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (written, written))

    Voices(tmp_path, CONFIG).get("c", a_voice)

    assert stored(tmp_path) == {".b.safetensors.alive", "c"}


def test_where_nothing_can_be_written_a_print_is_made_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    voices = Voices(tmp_path / "file", CONFIG)
    made: list[Voice] = []

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            voices.get("a", counting(a_voice(), made))

    assert len(made) == 2
    assert "could not be stored" in caplog.text


def test_many_may_read_write_and_sweep_at_once(tmp_path: Path) -> None:
    def work(turn: int) -> bool:
        seed = turn % 5
        voice = Voices(tmp_path, CONFIG, limit=3 * SIZE).get(f"v{seed}", lambda: a_voice(seed))
        return torch.equal(voice.mel, a_voice(seed).mel)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))

    assert not [name for name in stored(tmp_path) if name.startswith(".")]
