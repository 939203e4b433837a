"""The small flow-matching nets of the fixtures, with the fixtures' weights, and random rows for them."""

import random
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from models.indextts2 import config
from models.indextts2.cfm import Sampler
from models.indextts2.config import Config, DiTConfig, RegulatorConfig, WaveNetConfig
from models.indextts2.dit import DiT
from models.indextts2.regulator import LengthRegulator
from models.indextts2.weights import fold
from tests.indextts2.recipe import manifest, state
from tests.indextts2.truth import path

SMALL = DiTConfig(64, 4, 5, 20, 32, 12), WaveNetConfig(64, 3, 5, 1)
SMALL_REGULATOR = RegulatorConfig(32, 48, 4, 16)


@cache
def dit() -> DiT:
    """That of cfm_dit.safetensors."""
    return load_dit(DiT(*SMALL), manifest("s2mel_tiny")["cfm"])


@cache
def pipeline() -> Config:
    return config.Config.parse(config.yaml.safe_load(path("pipeline_config.yaml").read_text("utf-8")))


@cache
def pipeline_dit() -> DiT:
    return load_dit(DiT(pipeline().dit, pipeline().wavenet), manifest("pipeline")["cfm"])


@cache
def regulator() -> LengthRegulator:
    """That of length_regulator.safetensors."""
    return load_regulator(LengthRegulator(SMALL_REGULATOR), manifest("s2mel_tiny")["length_regulator"])


@cache
def pipeline_regulator() -> LengthRegulator:
    return load_regulator(LengthRegulator(pipeline().regulator), manifest("pipeline")["length_regulator"])


def load_dit(net: DiT, shapes: dict[str, list[int]]) -> DiT:
    drawn = fold(state(shapes, "cfm"))
    named = {key.removeprefix("estimator.").replace(".conv.conv.", "."): drawn[key] for key in drawn}
    net.load_state_dict({key: named[key] for key in net.state_dict()})
    return net.requires_grad_(False)


def load_regulator(net: LengthRegulator, shapes: dict[str, list[int]]) -> LengthRegulator:
    drawn = state(shapes, "length_regulator")
    net.load_state_dict({key: drawn[key] for key in net.state_dict()})
    return net.requires_grad_(False)


@dataclass(frozen=True)
class Rows:
    """What a sampler takes, of several rows, random; with noise where there is padding."""

    mu: Tensor
    prompt: Tensor
    n_prompt: Tensor
    lengths: Tensor
    style: Tensor
    noise: Tensor

    def spoken(self, sampler: Sampler, budget: int = 4096) -> Tensor:
        given = (self.mu, self.prompt, self.n_prompt, self.lengths, self.style, self.noise)
        return sampler(*given, budget=budget)

    def alone(self, row: int) -> "Rows":
        """Without the padding."""
        one, length = slice(row, row + 1), int(self.lengths[row])
        return Rows(
            self.mu[one, :length],
            self.prompt[one, :, : int(self.n_prompt[row])],
            self.n_prompt[one],
            self.lengths[one],
            self.style[one],
            self.noise[one, :, :length],
        )

    def later(self, frames: int) -> "Rows":
        """The rows, all of equal lengths, without their prompts' first `frames`."""
        return Rows(
            self.mu[:, frames:],
            self.prompt[:, :, frames:],
            self.n_prompt - frames,
            self.lengths - frames,
            self.style,
            self.noise[:, :, frames:],
        )


def rows(prompts: list[int], targets: list[int], seed: int = 0) -> Rows:
    chance = torch.Generator().manual_seed(seed)
    count, n_prompt = len(prompts), torch.tensor(prompts)
    lengths = n_prompt + torch.tensor(targets)
    frames = int(lengths.max())

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance)

    mel = drawn(count, 20, max(prompts))
    return Rows(drawn(count, frames, 32), mel, n_prompt, lengths, drawn(count, 12), drawn(count, 20, frames))


def some_rows(seed: int) -> Rows:
    """One to five, of any lengths; some alike, some without a prompt."""
    chance = random.Random(seed)
    count = chance.randint(1, 5)
    prompts = [chance.choice((0, 1, 5, chance.randint(1, 50))) for _ in range(count)]
    targets = [chance.choice((1, 2, 30, chance.randint(1, 60))) for _ in range(count)]
    return rows(prompts, targets, seed)
