"""The small GPTs of the fixtures and what speaks to them, with the fixtures' weights."""

from typing import Any, TypeVar

import yaml
from torch import nn

from models.indextts2.conditioning import Conditioning
from models.indextts2.config import GPTConfig
from models.indextts2.gpt import GPT
from tests.indextts2.recipe import manifest, state
from tests.indextts2.truth import path, said

Net = TypeVar("Net", bound=nn.Module)


def tiny() -> GPTConfig:
    return GPTConfig.read(said("gpt_tiny_forward")["config"])


def whole() -> GPTConfig:
    """That of the pipeline's fixtures."""
    return GPTConfig.read(_yaml("pipeline_config.yaml")["gpt"])


def official() -> GPTConfig:
    return GPTConfig.read(_yaml("official_config.yaml")["gpt"])


def conditioning(config: GPTConfig) -> Conditioning:
    return _loaded(Conditioning(config), config)


def gpt(config: GPTConfig) -> GPT:
    return _loaded(GPT(config), config)


def _loaded(net: Net, config: GPTConfig) -> Net:
    shapes = manifest("gpt_tiny") if config == tiny() else manifest("pipeline")["gpt"]
    net.load_state_dict(state({key: shapes[key] for key in net.state_dict()}, "gpt"))
    return net.eval()


def _yaml(name: str) -> Any:
    return yaml.safe_load(path(name).read_text("utf-8"))
