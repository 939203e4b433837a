"""The reference's search with beams, one row at a time: continuations that compete.

Letters: G beams, V codes with start and stop among them. All choices are made on the CPU.
"""

import math
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from models.indextts2.config import GPTConfig
from models.indextts2.sampling import Sampling, candidates, penalise, seen_at_start, spread

NEVER = -1e9
"""The sum of scores with which all beams but the first begin, since they are still the same."""


class Hypothesis(NamedTuple):
    """A finished continuation without its stop code. `value`: sum of scores / length ** length penalty."""

    value: float
    codes: list[int]
    stopped: bool


class Beams:
    """A search: `advance` with the logits of each step until it answers None, then `best` is the result.

    Scores add up as they are after temperature and nucleus, as in the reference.
    """

    def __init__(self, sampling: Sampling, config: GPTConfig, most: int, generator: Generator) -> None:
        """`most` codes at most; `generator` (CPU) is not used where the sampling is greedy."""
        self.sampling, self.stop, self.most, self.generator = sampling, config.stop_mel, most, generator
        beams = sampling.num_beams
        self.seen = seen_at_start(beams, config)  # (G, V)
        self.totals = torch.tensor([0.0] + [NEVER] * (beams - 1))  # (G,)
        self.said: list[list[int]] = [[] for _ in range(beams)]
        self.found: list[Hypothesis] = []  # as many as beams at most, best first

    @property
    def best(self) -> Hypothesis:
        return self.found[0]

    def scores(self, logits: Tensor) -> Tensor:
        """logits (G, V) -> (G, V): what each code adds to its beam, -inf where it is left out."""
        scores = penalise(logits.log_softmax(-1), self.seen, self.sampling.repetition_penalty)
        if self.sampling.greedy:
            return scores
        return spread(*candidates(scores, self.sampling, least=2), scores.shape[-1])

    def advance(self, logits: Tensor) -> tuple[Tensor, Tensor] | None:
        """logits (G, V) float32 on the CPU -> which beam each beam goes on from (G,), with which code (G,)"""
        ranked = self._ranked(self.scores(logits))
        beams, length = len(self.said), len(self.said[0]) + 1
        for total, beam, code in ranked[:beams]:
            if code == self.stop:
                self._add(total, self.said[beam], length, stopped=True)
        going = [each for each in ranked if each[2] != self.stop][:beams]
        self.said = [[*self.said[beam], code] for _, beam, code in going]
        # Complete: no sum of this length is worth more than the least of those that are finished.
        if len(self.found) == beams and self.found[-1].value >= self._value(ranked[0][0], length):
            return None
        if length == self.most:
            for (total, _, _), said in zip(going, self.said, strict=True):
                self._add(total, said, length, stopped=False)
            return None
        self.totals = torch.tensor([total for total, _, _ in going])
        came_from = torch.tensor([beam for _, beam, _ in going])
        codes = torch.tensor([code for _, _, code in going])
        self.seen = self.seen[came_from].scatter(1, codes[:, None], True)
        return came_from, codes

    def _ranked(self, scores: Tensor) -> list[tuple[float, int, int]]:
        """scores (G, V) -> the 2 G next continuations (sum of scores, beam, code), best first.

        Twice as many as beams, so that enough are left when every beam stops.
        """
        count, width = 2 * len(scores), scores.shape[-1]
        sums = (scores + self.totals[:, None]).flatten()  # (G V,)
        if self.sampling.greedy:
            best, which = sums.topk(count)
        else:
            drawn = torch.multinomial(sums.softmax(-1), count, generator=self.generator)
            best, order = sums[drawn].sort(descending=True)
            which = drawn[order]
        return list(zip(best.tolist(), (which // width).tolist(), (which % width).tolist(), strict=True))

    def _add(self, total: float, codes: list[int], length: int, stopped: bool) -> None:
        """`length` counts the stop code. Of equals the one that came first stays."""
        self.found.append(Hypothesis(self._value(total, length), codes, stopped))
        self.found = sorted(self.found, key=attrgetter("value"), reverse=True)[: len(self.said)]

    def _value(self, total: float, length: int) -> float:
        return total / math.pow(length, self.sampling.length_penalty)
