"""What the reference generated, and with which settings: the cases of two fixtures."""

from dataclasses import dataclass

from torch import Tensor

from models.indextts2.sampling import Sampling
from tests.indextts2.truth import tensors

LIMIT = 40
"""Codes at most, in every case."""
STOP = 97


@dataclass(frozen=True)
class Replay:
    """`bias` is added to the net's logit of the stop code."""

    file: str
    mode: str
    sampling: Sampling
    seed: int = 0
    bias: float = 0.0

    def recorded(self, what: str) -> Tensor:
        """ "logits" or "scores": (steps, beams, codes)"""
        return tensors(self.file)[f"{self.mode}.{what}"]

    @property
    def codes(self) -> list[int]:
        return [code for code in tensors(self.file)[f"{self.mode}.codes"][0].tolist() if code != STOP]

    @property
    def stopped(self) -> bool:
        return STOP in tensors(self.file)[f"{self.mode}.codes"][0]

    @property
    def value(self) -> float | None:
        """What the winning beam was worth, where it was recorded."""
        value = tensors(self.file).get(f"{self.mode}.sequences_scores")
        return None if value is None else value.item()

    def __str__(self) -> str:
        return self.mode


HOT = Sampling(num_beams=3, top_p=0.95, temperature=1.0, repetition_penalty=2.0)
PEAKED = Sampling(num_beams=3, temperature=0.15)
ONE = "gpt_tiny_generate"
MORE = "gpt_tiny_generate_extra"

ROWS = [
    Replay(ONE, "greedy_norep", Sampling(greedy=True, repetition_penalty=1.0)),
    Replay(ONE, "greedy_rep10", Sampling(greedy=True)),
    Replay(ONE, "sample_seed0", Sampling()),
    Replay(ONE, "typical_seed0", Sampling(typical_mass=0.9)),
]
BEAMS = [
    Replay(ONE, "beam3_norep", Sampling(num_beams=3, greedy=True, repetition_penalty=1.0)),
    Replay(ONE, "beam3_rep10", Sampling(num_beams=3, greedy=True)),
    Replay(ONE, "beamsample3_default_seed0", Sampling.parity()),
    Replay(ONE, "beamsample3_default_seed1", Sampling.parity(), seed=1),
    Replay(MORE, "peaked_s0", PEAKED),
    Replay(MORE, "peaked_s1", PEAKED, seed=1),
    Replay(MORE, "eos_s0", Sampling.parity(), bias=1.5),
    Replay(MORE, "eos_s1", Sampling.parity(), seed=1, bias=1.5),
    Replay(MORE, "eosbeam", Sampling(num_beams=3, greedy=True), bias=2.0),
    Replay(MORE, "hot_s1", HOT, seed=1, bias=0.5),
    Replay(MORE, "hot_s18", HOT, seed=18, bias=0.5),
    Replay(MORE, "hot_s7", HOT, seed=7, bias=2.0),
    Replay(MORE, "lp1_s0", Sampling(num_beams=3, length_penalty=1.0), bias=1.5),
]
