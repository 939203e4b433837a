"""A downloaded checkpoint is checked, converted once, and opened again; a kill in between costs nothing."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from farm.errors import Conflict, Rejected
from models.indextts2.checking import check
from models.indextts2.checkpoint import Official, Registered, file_of, open_checkpoint
from models.indextts2.conditioning import Conditioning
from models.indextts2.config import read_bigvgan
from models.indextts2.convert import Added, add
from models.indextts2.dit import DiT
from models.indextts2.gpt import GPT
from models.indextts2.parts import PARTS
from models.indextts2.vocoders.bigvgan import BigVGAN
from tests.indextts2 import variants

ROOT = Path(__file__).parents[2]


@pytest.fixture
def variant(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    return variants.copy(checkpoint, tmp_path / "variant")


def silent(step: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def added(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Added:
    """Converted to float32 and, by a second call, to bfloat16."""
    to = tmp_path_factory.mktemp("home") / "models"
    add(checkpoint, to, ["fp32"], [], silent)
    return add(checkpoint, to, ["bf16"], [], silent)


def troubles(directory: Path) -> dict[str, str]:
    return {finding.part: finding.seen for finding in check(directory).findings if not finding.well}


def test_a_whole_checkpoint_is_well_and_says_what_it_lacks_for_emotion_from_text(checkpoint: Path) -> None:
    report = check(checkpoint)
    assert report.well
    assert any("emotion from text is not available" in finding.seen for finding in report.findings)
    assert {finding.part.partition(" ")[0] for finding in report.findings} >= PARTS.keys()


@pytest.mark.parametrize(
    ("lost", "commands"),
    [
        (
            "gpt.pth",
            ("hf download IndexTeam/IndexTTS-2 --local-dir ", "modelscope download --model IndexTeam/"),
        ),
        ("config.yaml", ("hf download IndexTeam/IndexTTS-2 ", "modelscope ")),
        (
            "hf_cache/w2v-bert-2.0/model.safetensors",
            ("hf download facebook/w2v-bert-2.0 config.json model.safetensors ", "HF_ENDPOINT="),
        ),
        (
            "hf_cache/campplus_cn_common.bin",
            (
                "hf download funasr/campplus ",
                "modelscope download --model iic/speech_campplus_sv_zh-cn_16k-common ",
            ),
        ),
        (
            "hf_cache/bigvgan/config.json",
            ("hf download nvidia/bigvgan_v2_22khz_80band_256x ", "HF_ENDPOINT="),
        ),
        ("hf_cache/semantic_codec_model.safetensors", ("hf download amphion/MaskGCT ", "HF_ENDPOINT=")),
    ],
)
def test_a_missing_file_is_named_with_the_commands_that_bring_it(
    variant: Path, lost: str, commands: tuple[str, ...]
) -> None:
    (variant / lost).unlink()
    (finding,) = (finding for finding in check(variant).findings if finding.seen == "is missing")
    assert finding.part.endswith(Path(lost).name)
    for command, start in zip(finding.commands, commands, strict=True):
        assert command.startswith(start)
        assert str(variant) in command


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    missing = [finding for finding in check(tmp_path).findings if finding.seen == "is missing"]
    assert len(missing) == 13


def test_the_commands_put_files_where_they_are_looked_for(variant: Path) -> None:
    """As `hf download` and `modelscope download` lay them out below --local-dir."""
    hub = variant / "hf_cache"
    (hub / "semantic_codec").mkdir()
    (hub / "semantic_codec_model.safetensors").rename(hub / "semantic_codec/model.safetensors")
    assert check(variant).well


def test_files_in_hugging_faces_own_cache_are_found(variant: Path, tmp_path: Path) -> None:
    hub, cache = variant / "hf_cache", tmp_path / "nobody/.cache/huggingface/hub"
    kept = cache / "models--facebook--w2v-bert-2.0"
    (kept / "snapshots").mkdir(parents=True)
    (hub / "w2v-bert-2.0").rename(kept / "snapshots/da985ba0")
    beside = variant / "hf_cache/models--amphion--MaskGCT/snapshots/1/semantic_codec"
    beside.mkdir(parents=True)
    (hub / "semantic_codec_model.safetensors").rename(beside / "model.safetensors")
    assert check(variant).well


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model_dim: 1280", "model_dim: 1281", "mel_head.weight is (66, 1280), not (66, 1281)"),
        ("model_dim: 1280", "", "model_dim"),
        ("version: 2.0", "version: 2.5", "IndexTTS 2.5"),
        ("number_text_tokens: 191", "number_text_tokens: 12000", "191 pieces where config.yaml says 12000"),
        ("gpt_checkpoint: gpt.pth", "gpt_checkpoint: ../gpt.pth", "outside its directory"),
        ("n_mels: 80", "n_mels: 100", "num_mels 80, not 100"),
        ("- 24", "- 25", "speakers is (73, 192), not (74, 192)"),
        ("dataset:", "dataset: [", "cannot be read"),
    ],
)
def test_a_config_that_does_not_fit_the_weights_is_refused_with_the_reason(
    variant: Path, old: str, new: str, says: str
) -> None:
    rewrite(variant / "config.yaml", old, new)
    assert says in " ".join(troubles(variant).values())


def test_a_file_that_config_yaml_renames_is_found(variant: Path) -> None:
    rewrite(variant / "config.yaml", "gpt_checkpoint: gpt.pth", "gpt_checkpoint: tuned/gpt-7.pth")
    (variant / "tuned").mkdir()
    (variant / "gpt.pth").rename(variant / "tuned/gpt-7.pth")
    assert check(variant).well


def test_another_w2v_bert_is_refused(variant: Path) -> None:
    rewrite(variant / "hf_cache/w2v-bert-2.0/config.json", '"relative_key"', '"rotary"')
    assert "position_embeddings_type rotary" in troubles(variant)["w2v-bert-2.0"]


def test_a_cut_emotion_model_is_told(variant: Path) -> None:
    folder = variant / "qwen0.6bemo4-merge"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert "model.safetensors" in troubles(variant)["qwen0.6bemo4-merge"]


def test_the_official_directory_opens_as_it_is_in_float32(checkpoint: Path) -> None:
    opened = open_checkpoint(checkpoint, "fp32")
    for name, module in modules(opened.config, checkpoint).items():
        module.load_state_dict(opened.part(name), strict=True)
    with pytest.raises(Rejected, match="--precision bf16"):
        open_checkpoint(checkpoint, "bf16")


def modules(config: Any, checkpoint: Path) -> dict[str, nn.Module]:
    bigvgan = read_bigvgan(checkpoint / "hf_cache/bigvgan/config.json")
    return {
        "gpt": GPT(config.gpt),
        "conditioning": Conditioning(config.gpt),
        "dit": DiT(config.dit, config.wavenet),
        "bigvgan": BigVGAN(bigvgan),
    }


def test_a_directory_that_cannot_be_used_does_not_open(variant: Path) -> None:
    (variant / "feat1.pt").unlink()
    with pytest.raises(Rejected, match=r"feat1\.pt is missing.*farm models check"):
        Official(variant)


def test_what_was_converted_is_the_source_bit_by_bit_in_float32(checkpoint: Path, added: Added) -> None:
    official, registered = Official(checkpoint), open_checkpoint(added.directory, "fp32")
    assert registered.fingerprint == official.fingerprint == added.fingerprint
    assert registered.config == official.config
    assert registered.bigvgan == official.bigvgan
    assert registered.bpe.read_bytes() == official.bpe.read_bytes()
    for name in PARTS:
        source, converted = official.part(name), registered.part(name)
        assert source.keys() == converted.keys()
        assert all(torch.equal(source[key], tensor) for key, tensor in converted.items())


def test_in_half_precision_matrices_are_rounded_and_vectors_are_whole(checkpoint: Path, added: Added) -> None:
    whole, half = Registered(added.directory, "fp32"), Registered(added.directory, "bf16")
    for name, part in PARTS.items():
        exact = whole.part(name)
        for key, tensor in half.part(name).items():
            rounded = part.halved and tensor.dim() > 1
            assert tensor.dtype == (torch.bfloat16 if rounded else torch.float32)
            assert torch.equal(tensor, exact[key].to(tensor.dtype))
    for name, module in modules(half.config, checkpoint).items():
        module.to(torch.bfloat16).load_state_dict(half.part(name), strict=True)


def test_a_further_precision_writes_only_what_is_new(added: Added) -> None:
    halved = {file_of(name, "bf16") for name, part in PARTS.items() if part.halved}
    assert set(added.made) == halved
    assert added.precisions == ("fp32", "bf16")
    manifest = json.loads((added.directory / "manifest.json").read_text())
    assert manifest["precisions"] == ["fp32", "bf16"]
    assert manifest["left_out"]["gpt"].keys() == {"text_head.weight", "text_head.bias"}
    assert added.bytes == sum(path.stat().st_size for path in added.directory.glob("*")) - size_of_manifest(
        added
    )


def size_of_manifest(added: Added) -> int:
    return (added.directory / "manifest.json").stat().st_size


def test_what_is_there_already_is_not_written_again(checkpoint: Path, added: Added) -> None:
    before = {path: path.stat().st_mtime_ns for path in added.directory.iterdir()}
    again = add(checkpoint, added.directory.parent, ["fp32"], [], silent)
    assert again.made == ()
    assert again.precisions == ("fp32", "bf16")
    assert {path: path.stat().st_mtime_ns for path in added.directory.iterdir()} == before


def test_a_precision_that_was_not_converted_is_refused_with_the_command(added: Added) -> None:
    with pytest.raises(Rejected, match="--precision fp16"):
        Registered(added.directory, "fp16")


def test_a_lost_or_cut_file_of_a_converted_checkpoint_is_named(added: Added, tmp_path: Path) -> None:
    copied = variants.copy(added.directory, tmp_path / added.directory.name)
    cut = copied / "dit.bf16.safetensors"
    content = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(content[:-1])
    with pytest.raises(Rejected, match=r"dit\.bf16\.safetensors is missing or cut"):
        Registered(copied, "fp32")
    cut.unlink()
    with pytest.raises(Rejected, match=r"dit\.bf16\.safetensors is missing or cut"):
        Registered(copied, "bf16")


def test_a_killed_conversion_leaves_nothing_half_and_goes_on_where_it_was(
    checkpoint: Path, added: Added, tmp_path: Path
) -> None:
    to = tmp_path / "models"
    command = [sys.executable, "-m", "models.indextts2.add", str(checkpoint), "--to", str(to)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if said.get("step") == "writing" and said["done"] > 0.3 * said["total"]:
                process.send_signal(signal.SIGKILL)
                break
    (unfinished,) = (path for path in to.iterdir() if path.is_dir())
    assert unfinished.name.startswith(".")
    with pytest.raises(Rejected):
        open_checkpoint(unfinished, "fp32")
    written = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("*") if path.suffix != ".new"}
    assert written
    resumed = add(checkpoint, to, ["fp32"], [], silent)
    assert not written.keys() & set(resumed.made)
    assert {name: (resumed.directory / name).stat().st_mtime_ns for name in written} == written
    assert not list(to.rglob("*.new"))
    for path in sorted(resumed.directory.glob("*.safetensors")):
        assert path.read_bytes() == (added.directory / path.name).read_bytes()


def test_what_an_earlier_kill_left_of_another_checkpoint_is_removed(checkpoint: Path, added: Added) -> None:
    left = added.directory.parent / ".0123456789abcdef.1"
    left.mkdir()
    (left / "gpt.fp32.safetensors").write_bytes(b"half")
    add(checkpoint, added.directory.parent, ["fp32"], [], silent)
    assert not left.exists()


def test_two_at_once_do_not_write_the_same_files(checkpoint: Path, added: Added) -> None:
    def second(step: str, done: int, total: int) -> None:
        with pytest.raises(Conflict, match="Wait for it"):
            add(checkpoint, added.directory.parent, ["fp32"], [], silent)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(checkpoint, added.directory.parent, ["fp32"], [], second)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=10**8))
    with pytest.raises(Rejected, match=r"has 0\.1 GB free of the 0\.8 GB needed"):
        add(checkpoint, tmp_path, ["fp32"], [], silent)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_value_beyond_float16_is_refused_by_name(variant: Path, tmp_path: Path) -> None:
    def loud(content: dict[str, Any]) -> object:
        content["net"]["cfm"]["estimator.conv1.weight"][3, 4] = 70_000.0
        return content

    variants.change(variant / "s2mel.pth", loud)
    with pytest.raises(Rejected, match=r"dit: conv1\.weight has values beyond"):
        add(variant, tmp_path / "models", ["fp16"], [], silent)


def test_the_emotion_model_comes_along_and_is_not_in_the_fingerprint(
    variant: Path, added: Added, tmp_path: Path
) -> None:
    folder = variant / "qwen0.6bemo4-merge"
    folder.mkdir()
    save_file({"a": torch.ones(3)}, folder / "model.safetensors")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    to = tmp_path / "models"
    to.mkdir()
    shutil.copytree(added.directory, to / added.directory.name, copy_function=hard_link)
    with_it = add(variant, to, ["fp32"], [], silent)
    assert with_it.fingerprint == added.fingerprint
    opened = Registered(with_it.directory, "fp32")
    assert opened.qwen is not None
    assert load_file(opened.qwen / "model.safetensors")["a"].tolist() == [1, 1, 1]


def hard_link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def test_a_glossary_is_in_the_fingerprint(added: Added, variant: Path) -> None:
    (variant / "glossary.yaml").write_text("AI: 人工智能\n")
    assert Official(variant).fingerprint != added.fingerprint
