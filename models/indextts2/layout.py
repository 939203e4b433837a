"""Where the files of a downloaded checkpoint lie, and the commands that bring what is missing."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from farm.errors import Rejected

HUB_CACHE = Path(".cache/huggingface/hub")
"""Below the user's home: where `hf download` puts what it is not given a folder for."""


@dataclass(frozen=True)
class Hub:
    """A published model: its id on Hugging Face, and on ModelScope where it is known to be there.

    `folder` is where its files belong below the checkpoint's directory; no `files`: all it has.
    """

    id: str
    folder: str
    files: tuple[str, ...] = ()
    modelscope: str = ""

    def commands(self, directory: Path) -> tuple[str, ...]:
        """Each of them downloads it to where it is looked for."""
        target = shlex.quote(str(directory / self.folder))
        files = "".join(f" {file}" for file in self.files)
        found = [f"hf download {self.id}{files} --local-dir {target}"]
        if self.modelscope:
            found.append(f"modelscope download --model {self.modelscope}{files} --local_dir {target}")
        else:
            found.append(f"HF_ENDPOINT=https://hf-mirror.com {found[0]}")
        return tuple(found)


MAIN = Hub("IndexTeam/IndexTTS-2", "", modelscope="IndexTeam/IndexTTS-2")
W2V = Hub(
    "facebook/w2v-bert-2.0",
    "hf_cache/w2v-bert-2.0",
    ("config.json", "model.safetensors"),
)
CODEC = Hub("amphion/MaskGCT", "hf_cache", ("semantic_codec/model.safetensors",))
CAMPPLUS = Hub(
    "funasr/campplus",
    "hf_cache",
    ("campplus_cn_common.bin",),
    "iic/speech_campplus_sv_zh-cn_16k-common",
)
BIGVGAN = Hub(
    "nvidia/bigvgan_v2_22khz_80band_256x", "hf_cache/bigvgan", ("config.json", "bigvgan_generator.pt")
)


@dataclass(frozen=True)
class Wanted:
    """A file of a checkpoint: whose it is, and the names it goes by, the reference's first."""

    hub: Hub
    names: tuple[str, ...]
    entry: tuple[str, ...] = ()
    """Where config.yaml gives it another name."""
    optional: bool = False


def _in_folder(hub: Hub, name: str, *folders: str) -> Wanted:
    return Wanted(hub, tuple(f"{folder}/{name}" for folder in (*folders, hub.id.rpartition("/")[2])))


WANTED: Mapping[str, Wanted] = {
    "config": Wanted(MAIN, ("config.yaml",)),
    "bpe": Wanted(MAIN, ("bpe.model",), ("dataset", "bpe_model")),
    "gpt": Wanted(MAIN, ("gpt.pth",), ("gpt_checkpoint",)),
    "s2mel": Wanted(MAIN, ("s2mel.pth",), ("s2mel_checkpoint",)),
    "stats": Wanted(MAIN, ("wav2vec2bert_stats.pt",), ("w2v_stat",)),
    "speakers": Wanted(MAIN, ("feat1.pt",), ("spk_matrix",)),
    "emotions": Wanted(MAIN, ("feat2.pt",), ("emo_matrix",)),
    "w2v": _in_folder(W2V, "model.safetensors", "w2v-bert-2.0"),
    "w2v_config": _in_folder(W2V, "config.json", "w2v-bert-2.0"),
    "codec": Wanted(CODEC, ("semantic_codec_model.safetensors", "semantic_codec/model.safetensors")),
    "campplus": Wanted(CAMPPLUS, ("campplus_cn_common.bin", "campplus/campplus_cn_common.bin")),
    "bigvgan": _in_folder(BIGVGAN, "bigvgan_generator.pt", "bigvgan"),
    "bigvgan_config": _in_folder(BIGVGAN, "config.json", "bigvgan"),
    "glossary": Wanted(MAIN, ("glossary.yaml",), optional=True),
    "qwen": Wanted(MAIN, ("qwen0.6bemo4-merge",), ("qwen_emo_path",), optional=True),
}


@dataclass(frozen=True)
class Found:
    """The files of the checkpoint in `directory` by their names in WANTED, and those that are not there."""

    directory: Path
    files: Mapping[str, Path]
    missing: tuple[str, ...]

    def commands(self) -> dict[Hub, tuple[str, ...]]:
        """What to type for each hub of which a file is missing; one of its commands is enough."""
        hubs = dict.fromkeys(WANTED[name].hub for name in self.missing)
        return {hub: hub.commands(self.directory) for hub in hubs}


def find(directory: Path) -> Found:
    """Look for every file. Raises Rejected: no directory; config.yaml is unreadable or of another version."""
    if not directory.is_dir():
        raise Rejected("{path} is no directory. Name the one that holds config.yaml.", path=directory)
    renamed = _renamed(directory)
    files: dict[str, Path] = {}
    for name, wanted in WANTED.items():
        names = (renamed[name],) if name in renamed else wanted.names
        places = _places(directory, wanted.hub)
        path = next((place / each for each in names for place in places if (place / each).exists()), None)
        path = path or _in_hub_caches(directory, wanted)
        if path is not None:
            files[name] = path
    missing = (name for name, wanted in WANTED.items() if name not in files and not wanted.optional)
    return Found(directory, files, tuple(missing))


def _places(directory: Path, hub: Hub) -> tuple[Path, ...]:
    return (directory,) if hub is MAIN else (directory / "hf_cache", directory)


def _in_hub_caches(directory: Path, wanted: Wanted) -> Path | None:
    """Where Hugging Face's own client keeps a file: models--owner--name/snapshots/revision/file."""
    if wanted.hub is MAIN:
        return None
    own = [parent.parent for parent in directory.resolve().parents if parent.name.startswith("models--")]
    for cache in (directory / "hf_cache", directory, *own, Path.home() / HUB_CACHE):
        for snapshot in _snapshots(cache / f"models--{wanted.hub.id.replace('/', '--')}"):
            for name in wanted.names:
                for path in (snapshot / name, snapshot / PurePosixPath(name).name):
                    if path.is_file():
                        return path
    return None


def _snapshots(repository: Path) -> Iterator[Path]:
    """That of the main branch first, then the others in the order of their names."""
    main = repository / "refs/main"
    if main.is_file():
        yield repository / "snapshots" / main.read_text("utf-8", "replace")[:64].strip()
    yield from sorted((repository / "snapshots").glob("*"))


def _renamed(directory: Path) -> dict[str, str]:
    """The names that config.yaml gives to files; {} where there is none."""
    path = directory / "config.yaml"
    if not path.is_file():
        return {}
    config = read_yaml(path)
    version = str(config.get("version", "2.0"))
    if version.split(".")[:2] not in (["2", "0"], ["2"]):
        raise Rejected(
            "{path} is of IndexTTS {version}; the engine indextts2 speaks with version 2.0.",
            path=path,
            version=version,
        )
    names = {name: _entry(config, wanted.entry) for name, wanted in WANTED.items() if wanted.entry}
    for name in names.values():
        if name is not None and (PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts):
            raise Rejected("{path} names the file {name}, outside its directory.", path=path, name=name)
    return {key: name for key, name in names.items() if name}


def _entry(config: Mapping[str, Any], entry: tuple[str, ...]) -> str | None:
    value: Any = config
    for part in entry:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Raises Rejected: unreadable, or no mapping."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=path, reason=str(e)) from e
    if not isinstance(content, Mapping):
        raise Rejected("{path} cannot be read: {reason}", path=path, reason="it has no entries")
    return content


def read_json(path: Path) -> Mapping[str, Any]:
    """Raises Rejected: unreadable, or no mapping."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=path, reason=str(e)) from e
    if not isinstance(content, Mapping):
        raise Rejected("{path} cannot be read: {reason}", path=path, reason="it has no entries")
    return content
