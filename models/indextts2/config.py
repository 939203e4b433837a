"""The numbers of a checkpoint, read from its config.yaml and its vocoder's config.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from farm.errors import Rejected

LATENTS = 32
"""Conditioning rows of the speaker's perceiver; the file does not say it."""
FEATURES = 1024
"""Width of the w2v-BERT features."""


@dataclass(frozen=True)
class ConformerConfig:
    """A conditioning encoder and the feed-forward factor of the perceiver behind it."""

    input_size: int
    output_size: int
    linear_units: int
    attention_heads: int
    num_blocks: int
    perceiver_mult: float


@dataclass(frozen=True)
class GPTConfig:
    model_dim: int
    layers: int
    heads: int
    max_mel_tokens: int
    max_text_tokens: int
    number_text_tokens: int
    number_mel_codes: int
    """The codes with start and stop among them."""
    start_mel: int
    stop_mel: int
    start_text: int
    stop_text: int
    speaker: ConformerConfig
    emotion: ConformerConfig
    latents: int = LATENTS

    @classmethod
    def read(cls, gpt: Mapping[str, Any]) -> Self:
        """From the `gpt` block of config.yaml."""
        return cls(
            **{
                name: gpt[name]
                for name in (
                    "model_dim",
                    "layers",
                    "heads",
                    "max_mel_tokens",
                    "max_text_tokens",
                    "number_text_tokens",
                    "number_mel_codes",
                )
            },
            start_mel=gpt["start_mel_token"],
            stop_mel=gpt["stop_mel_token"],
            start_text=gpt.get("start_text_token", 0),
            stop_text=gpt.get("stop_text_token", 1),
            speaker=_conformer(gpt["condition_module"]),
            emotion=_conformer(gpt["emo_condition_module"]),
            latents=gpt.get("condition_num_latent", LATENTS),
        )


@dataclass(frozen=True)
class CodecConfig:
    codebook_size: int
    hidden_size: int
    codebook_dim: int
    vocos_dim: int
    vocos_intermediate_dim: int
    vocos_num_layers: int


@dataclass(frozen=True)
class MelConfig:
    """The mel spectrogram in Hz and samples. `fmax` None is half the sample rate."""

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float | None


@dataclass(frozen=True)
class RegulatorConfig:
    channels: int
    in_channels: int
    convolutions: int
    content_codebook_size: int


@dataclass(frozen=True)
class DiTConfig:
    hidden_dim: int
    num_heads: int
    depth: int
    in_channels: int
    content_dim: int
    style_dim: int


@dataclass(frozen=True)
class WaveNetConfig:
    hidden_dim: int
    num_layers: int
    kernel_size: int
    dilation_rate: int


@dataclass(frozen=True)
class BigVGANConfig:
    """`activation` is snakebeta or snake, its parameters logarithms with `snake_logscale`."""

    num_mels: int
    sampling_rate: int
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    activation: Literal["snakebeta", "snake"]
    snake_logscale: bool
    use_tanh_at_final: bool
    use_bias_at_final: bool

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """From the config.json beside the generator. Raises Rejected: of a kind that is not known here."""
        for entry, known in {"resblock": ("1",), "activation": ("snakebeta", "snake")}.items():
            if str(config[entry]) not in known:
                raise Rejected(
                    "BigVGAN's config.json says {entry} is {value}; what is known here is {known}. "
                    "Take one of the published versions.",
                    entry=entry,
                    value=repr(config[entry]),
                    known=", ".join(known),
                )
        return cls(
            config["num_mels"],
            config["sampling_rate"],
            tuple(config["upsample_rates"]),
            tuple(config["upsample_kernel_sizes"]),
            config["upsample_initial_channel"],
            tuple(config["resblock_kernel_sizes"]),
            tuple(tuple(dilations) for dilations in config["resblock_dilation_sizes"]),
            config["activation"],
            config["snake_logscale"],
            # The files of version 1 say neither, and mean both.
            config.get("use_tanh_at_final", True),
            config.get("use_bias_at_final", True),
        )


@dataclass(frozen=True)
class Config:
    """A whole checkpoint's numbers. `emotions` counts the emotion bank's rows, in the order of the eight."""

    gpt: GPTConfig
    codec: CodecConfig
    mel: MelConfig
    regulator: RegulatorConfig
    dit: DiTConfig
    wavenet: WaveNetConfig
    emotions: tuple[int, ...]

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Self:
        """From the whole of config.yaml. Raises KeyError: an entry is missing."""
        s2mel = config["s2mel"]
        return cls(
            GPTConfig.read(config["gpt"]),
            CodecConfig(**{name: config["semantic_codec"][name] for name in CodecConfig.__annotations__}),
            _mel(s2mel["preprocess_params"]),
            _regulator(s2mel["length_regulator"]),
            _dit(s2mel["DiT"], s2mel["style_encoder"]["dim"]),
            WaveNetConfig(**{name: s2mel["wavenet"][name] for name in WaveNetConfig.__annotations__}),
            tuple(config["emo_num"]),
        )


def read(directory: Path) -> Config:
    """The config of the checkpoint in `directory`. Raises Rejected: missing, unreadable or incomplete."""
    path = directory / "config.yaml"
    try:
        return Config.parse(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=str(path), reason=str(e)) from e
    except (KeyError, TypeError) as e:
        raise Rejected("{path} has no {entry}.", path=str(path), entry=str(e)) from e


def read_bigvgan(path: Path) -> BigVGANConfig:
    """Raises Rejected, as `read` does."""
    try:
        return BigVGANConfig.read(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as e:
        raise Rejected("{path} cannot be read: {reason}", path=str(path), reason=str(e)) from e
    except (KeyError, TypeError) as e:
        raise Rejected("{path} has no {entry}.", path=str(path), entry=str(e)) from e


def _conformer(module: Mapping[str, Any]) -> ConformerConfig:
    return ConformerConfig(
        FEATURES,
        module["output_size"],
        module["linear_units"],
        module["attention_heads"],
        module["num_blocks"],
        module["perceiver_mult"],
    )


def _mel(preprocess: Mapping[str, Any]) -> MelConfig:
    spect = preprocess["spect_params"]
    # The file says "None" for no limit; any other word stood for 8 kHz in the reference.
    fmax = None if spect.get("fmax", "None") == "None" else 8000.0
    return MelConfig(
        preprocess["sr"],
        spect["n_fft"],
        spect["win_length"],
        spect["hop_length"],
        spect["n_mels"],
        float(spect["fmin"]),
        fmax,
    )


def _regulator(regulator: Mapping[str, Any]) -> RegulatorConfig:
    return RegulatorConfig(
        regulator["channels"],
        regulator["in_channels"],
        len(regulator["sampling_ratios"]),
        regulator["content_codebook_size"],
    )


def _dit(dit: Mapping[str, Any], style_dim: int) -> DiTConfig:
    return DiTConfig(
        dit["hidden_dim"],
        dit["num_heads"],
        dit["depth"],
        dit["in_channels"],
        dit["content_dim"],
        style_dim,
    )
