"""`farm models` at a terminal: a download is looked at, added, listed and chosen; no farm has to run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from farm import checkpoints
from farm.errors import NotFound, Rejected
from farm.settings import settings
from tests.indextts2 import variants
from tests.terminal import Terminal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture
def terminal(home: Path) -> Terminal:
    return Terminal()


@pytest.fixture
def variant(checkpoint: Path, tmp_path: Path) -> Path:
    return variants.copy(checkpoint, tmp_path / "variant")


def manifest(home: Path, name: str, added: str, **also: object) -> Path:
    """A registered checkpoint, as far as the farm looks at it."""
    path = home / "models/indextts2" / name
    path.mkdir(parents=True)
    said = {
        "fingerprint": name * 4,
        "version": "2.0",
        "precisions": ["fp32"],
        "files": {"gpt.fp32.safetensors": 7},
        "added": added,
        "source": "/downloads",
        "emotion_from_text": False,
    }
    (path / "manifest.json").write_text(json.dumps(said | also))
    return path


def test_a_checkpoint_is_added_listed_and_used(
    terminal: Terminal, checkpoint: Path, home: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    added = terminal("models", "add", "indextts2", str(checkpoint), "--to", str(disk), "--json")
    assert added.code == 0, added.err
    assert added.json["precisions"] == ["fp32"]  # no card here
    assert added.json["is_default"]
    (listed,) = terminal("models", "list", "--json").json
    assert listed["fingerprint"] == added.json["fingerprint"]
    assert not listed["emotion_from_text"]
    used = checkpoints.default(home, "indextts2")
    assert used.path == home / "models/indextts2" / used.name
    assert used.path.samefile(disk / used.name)
    again = terminal("models", "add", "indextts2", str(checkpoint), "--to", str(disk))
    assert "there already" in again.out
    assert used.name in again.out


def test_a_download_that_lacks_a_file_is_told_with_the_commands(terminal: Terminal, variant: Path) -> None:
    (variant / "hf_cache/w2v-bert-2.0/model.safetensors").unlink()
    looked = terminal("models", "check", "indextts2", str(variant))
    assert looked.code == 1
    assert "BAD w2v-bert-2.0/model.safetensors: is missing" in looked.out
    assert "hf download facebook/w2v-bert-2.0" in looked.out
    assert "gpt leaves out text_head.bias and 1 more" in looked.out
    refused = terminal("models", "add", "indextts2", str(variant))
    assert refused.code == 1
    assert refused.err.startswith("farm: The checkpoint in ")
    assert "model.safetensors is missing" in refused.err
    assert "Traceback" not in refused.err


def test_a_key_that_nobody_knows_may_be_left_out_by_hand(terminal: Terminal, variant: Path) -> None:
    def grown(content: dict[str, dict[str, torch.Tensor]]) -> object:
        content["model"]["surprise"] = torch.ones(1)
        return content

    variants.change(variant / "gpt.pth", grown)
    looked = terminal("models", "check", "indextts2", str(variant), "--leave-out", "surp*", "--json")
    assert looked.code == 0
    assert looked.json["well"]
    assert "surprise" in looked.json["left_out"]["gpt"]


def test_a_directory_that_is_none_is_told_in_a_sentence(terminal: Terminal, tmp_path: Path) -> None:
    looked = terminal("models", "check", "indextts2", str(tmp_path / "nowhere"))
    assert looked.code == 1
    assert "is no directory" in looked.out


def test_without_any_the_next_step_is_told(terminal: Terminal, home: Path) -> None:
    assert "farm models add indextts2" in terminal("models", "list").out
    with pytest.raises(NotFound, match="farm models add indextts2"):
        checkpoints.default(home, "indextts2")


def test_the_newest_is_first_and_another_can_be_chosen(terminal: Terminal, home: Path) -> None:
    for name, day in (("aaaa", "01"), ("abbb", "03"), ("cccc", "02")):
        manifest(home, name, f"2026-11-{day}T00:00:00+00:00")
    assert [each["name"] for each in terminal("models", "list", "--json").json] == ["abbb", "cccc", "aaaa"]
    assert terminal("models", "use", "indextts2", "c").out.startswith("* cccc")
    assert checkpoints.default(home, "indextts2").name == "cccc"
    assert [line[0] for line in terminal("models", "list").out.splitlines()] == [" ", "*", " "]
    for unclear in ("a", "x"):
        refused = terminal("models", "use", "indextts2", unclear)
        assert refused.code == 1
        assert "aaaa" in refused.err
    assert checkpoints.default(home, "indextts2").name == "cccc"


def test_what_was_registered_and_is_damaged_is_named(terminal: Terminal, home: Path) -> None:
    (manifest(home, "aaaa", "2026-11-01") / "manifest.json").write_text("{")
    refused = terminal("models", "list")
    assert refused.code == 1
    assert "aaaa cannot be read" in refused.err


def test_a_link_gives_way_to_another_place_and_a_folder_does_not(home: Path, tmp_path: Path) -> None:
    first, second = manifest(tmp_path / "one", "aaaa", "1"), manifest(tmp_path / "two", "aaaa", "2")
    checkpoints.link(home, "indextts2", first)
    checkpoints.link(home, "indextts2", second)
    (known,) = checkpoints.registered(home, "indextts2")
    assert known.path.samefile(second)
    known.path.unlink()
    manifest(home, "aaaa", "3")
    with pytest.raises(Rejected, match="is there already"):
        checkpoints.link(home, "indextts2", first)
