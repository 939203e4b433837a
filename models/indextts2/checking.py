"""What is wrong with a downloaded checkpoint, exactly, and the commands that mend it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sentencepiece

from farm.errors import Rejected
from models.indextts2.config import BigVGANConfig, Config, read, read_bigvgan
from models.indextts2.layout import BIGVGAN, MAIN, W2V, WANTED, Found, find, read_json
from models.indextts2.parts import PARTS
from models.indextts2.shapes import expected
from models.indextts2.tensor_files import load_safetensors
from models.indextts2.weights import Reader, Reading, differences

QWEN = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""What transformers needs to load the emotion model."""
W2V_NUMBERS = {
    "position_embeddings_type": "relative_key",
    "left_max_position_embeddings": 64,
    "right_max_position_embeddings": 8,
    "hidden_act": "swish",
}
"""Of w2v-BERT's config.json: what its tensors' shapes do not tell."""


@dataclass(frozen=True)
class Finding:
    """What was seen of a file, or of a part of one; `commands`: any one of them mends it."""

    part: str
    well: bool
    seen: str
    commands: tuple[str, ...] = ()


@dataclass
class Report:
    """`readings` are those of the parts that are well; the configs are None where they cannot be read."""

    findings: list[Finding] = field(default_factory=list)
    found: Found | None = None
    config: Config | None = None
    bigvgan: BigVGANConfig | None = None
    readings: dict[str, Reading] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return all(finding.well for finding in self.findings)

    def left_out(self) -> dict[str, dict[str, str]]:
        """Part -> key -> why inference does not read it."""
        return {name: dict(reading.left_out) for name, reading in self.readings.items() if reading.left_out}


def check(directory: Path, leave_out: Iterable[str] = ()) -> Report:
    """All that can be told of a downloaded directory without reading its tensors' bytes.

    `leave_out`: patterns, as of a shell, of keys that may be there though nobody knows them.
    """
    report = Report()
    try:
        report.found = find(directory)
    except Rejected as e:
        report.findings.append(Finding("config.yaml", False, str(e)))
        return report
    report.findings += _missing(report.found)
    _read_configs(report, report.found)
    for look in (_tokens, _vocoder, _w2v, _qwen):
        report.findings += look(report, report.found)
    if report.config and report.bigvgan:
        report.findings += _parts(report, report.found, report.config, report.bigvgan, tuple(leave_out))
    return report


def _missing(found: Found) -> Iterator[Finding]:
    commands = found.commands()
    for name in found.missing:
        wanted = WANTED[name]
        yield Finding(wanted.names[0], False, "is missing", commands[wanted.hub])


def _read_configs(report: Report, found: Found) -> None:
    try:
        if "config" in found.files:
            report.config = read(found.directory)
        if "bigvgan_config" in found.files:
            report.bigvgan = read_bigvgan(found.files["bigvgan_config"])
    except Rejected as e:
        report.findings.append(Finding("config", False, str(e)))


def _tokens(report: Report, found: Found) -> Iterator[Finding]:
    if "bpe" not in found.files or report.config is None:
        return
    path, wanted = found.files["bpe"], report.config.gpt.number_text_tokens
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()
    except (RuntimeError, OSError) as e:
        yield Finding(path.name, False, f"cannot be read: {e}", MAIN.commands(found.directory))
        return
    if pieces != wanted:
        yield Finding(path.name, False, f"has {pieces} pieces where config.yaml says {wanted}")
    else:
        yield Finding(path.name, True, f"{pieces} pieces")


def _vocoder(report: Report, found: Found) -> Iterator[Finding]:
    """Whether the vocoder hears the mels that the rest computes."""
    if report.config is None or report.bigvgan is None:
        return
    raw, mel = read_json(found.files["bigvgan_config"]), report.config.mel
    ours = {"num_mels": mel.n_mels, "sampling_rate": mel.sample_rate, "hop_size": mel.hop_length}
    wrong = [f"{key} {raw[key]}, not {value}" for key, value in ours.items() if raw.get(key, value) != value]
    if wrong:
        seen = f"is made for other mels than config.yaml's: {', '.join(wrong)}"
        yield Finding("bigvgan", False, seen, BIGVGAN.commands(found.directory))


def _w2v(report: Report, found: Found) -> Iterator[Finding]:
    if "w2v_config" not in found.files:
        return
    try:
        raw = read_json(found.files["w2v_config"])
    except Rejected as e:
        yield Finding("w2v-bert-2.0", False, str(e), W2V.commands(found.directory))
        return
    wrong = [f"{key} {raw[key]}" for key, value in W2V_NUMBERS.items() if raw.get(key, value) != value]
    if wrong:
        seen = f"is another net: {', '.join(wrong)}"
        yield Finding("w2v-bert-2.0", False, seen, W2V.commands(found.directory))


def _qwen(report: Report, found: Found) -> Iterator[Finding]:
    path, commands = found.files.get("qwen"), MAIN.commands(found.directory)
    if path is None:
        seen = "is not here: emotion from text is not available"
        yield Finding(WANTED["qwen"].names[0], True, seen, commands)
        return
    missing = [name for name in QWEN if not (path / name).is_file()]
    if missing:
        yield Finding(path.name, False, f"lacks {', '.join(missing)}", commands)
        return
    try:
        load_safetensors(path / "model.safetensors")
    except Rejected as e:
        yield Finding(path.name, False, str(e), commands)
    else:
        yield Finding(path.name, True, "emotion from text is available")


def _parts(
    report: Report, found: Found, config: Config, bigvgan: BigVGANConfig, leave_out: tuple[str, ...]
) -> Iterator[Finding]:
    """Every part whose files are there."""
    reader = Reader(found.files, config.dit.depth, leave_out)
    for name, part in PARTS.items():
        if not set(part.files) <= found.files.keys():
            continue
        title = f"{name} ({' and '.join(found.files[file].name for file in part.files)})"
        commands = WANTED[part.files[0]].hub.commands(found.directory)
        try:
            reading = reader.read(name)
            shapes = reading.shapes()
            wrong = list(differences(expected(name, config, bigvgan, shapes), shapes))
        except Rejected as e:
            yield Finding(title, False, str(e), commands)
            continue
        except KeyError as e:
            wrong = [f"{e.args[0]} missing"]
        if wrong:
            yield Finding(title, False, "; ".join(wrong), commands)
        else:
            report.readings[name] = reading
            yield Finding(title, True, _seen(reading))


def _seen(reading: Reading) -> str:
    size = sum(tensor.nbytes for tensor in reading.tensors.values())
    left_out = f", {len(reading.left_out)} left out" if reading.left_out else ""
    return f"{len(reading.tensors)} tensors, {size / 1e6:.1f} MB{left_out}"
