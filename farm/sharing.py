"""When projects will have been spoken: the workers' speeds, shared as the dispatcher shares them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

CLOSE = 1e-9  # relative; what ends within so little of the next ends with it


@dataclass(frozen=True)
class Claim:
    """What is left of a project to be spoken, and who may speak it: ids of workers."""

    project: int
    audio_s: float
    crew: frozenset[int]
    priority: int = 50
    weight: float = 1.0
    most_workers: int | None = None


@dataclass
class Pool:
    """Claims of one crew and priority: they are served alike, each by its weight.

    `ends` has (audio seconds ÷ weight, weight, project), the first to end last. `passed` is how far the pool
    is in the same measure. `most` is the speed it can use at most, x realtime.
    """

    priority: int
    crew: frozenset[int]
    most: float = inf
    ends: list[tuple[float, float, int]] = field(default_factory=list)
    weight: float = 0.0
    passed: float = 0.0

    def add(self, claim: Claim) -> None:
        self.ends.append((claim.audio_s / claim.weight, claim.weight, claim.project))
        self.weight += claim.weight

    def next_end(self, rate: float) -> float:
        """Seconds until the first of its claims ends."""
        return max(self.ends[-1][0] - self.passed, 0.0) * self.weight / rate if rate else inf

    def advance(self, audio_s: float) -> list[int]:
        """Speak so much; the projects that ended."""
        self.passed += audio_s / self.weight
        ended = []
        while self.ends and self.ends[-1][0] <= self.passed * (1 + CLOSE) + CLOSE:
            _, weight, project = self.ends.pop()
            self.weight -= weight
            ended.append(project)
        return ended


def spoken_in(claims: Sequence[Claim], speeds: Mapping[int, float]) -> dict[int, float]:
    """Project -> seconds until all of it is spoken. `speeds` of the workers, x realtime.

    Higher priorities go first; at the same, workers are shared by weight. Who has no worker is left out.
    """
    pools = pooled(claims, speeds)
    groups = alike(pools, speeds)
    ends: dict[int, float] = {}
    at = 0.0
    while pools:
        rates = shares(pools, groups)
        step = min(pool.next_end(rate) for pool, rate in zip(pools, rates, strict=True))
        if not isfinite(step):
            break
        at += step
        for pool, rate in zip(pools, rates, strict=True):
            ends |= dict.fromkeys(pool.advance(rate * step), at)
        if not all(pool.ends for pool in pools):
            pools = [pool for pool in pools if pool.ends]
            groups = alike(pools, speeds)
    return ends


def pooled(claims: Sequence[Claim], speeds: Mapping[int, float]) -> list[Pool]:
    """The claims that somebody can serve; one with a limit of workers has a pool of its own."""
    pools: dict[tuple[int, frozenset[int], int | None], Pool] = {}
    for claim in claims:
        fast = sorted((speeds[worker] for worker in claim.crew), reverse=True)
        if not any(fast):
            continue
        limited = claim.most_workers is not None and claim.most_workers < len(fast)
        key = (claim.priority, claim.crew, claim.project if limited else None)
        most = sum(fast[: claim.most_workers]) if limited else inf
        pools.setdefault(key, Pool(claim.priority, claim.crew, most)).add(claim)
    for pool in pools.values():
        pool.ends.sort(reverse=True)
    return sorted(pools.values(), key=lambda pool: -pool.priority)


def alike(pools: Sequence[Pool], speeds: Mapping[int, float]) -> dict[tuple[int, ...], float]:
    """Workers that serve the same pools, as one: the pools' indices -> their speed together."""
    groups: dict[tuple[int, ...], float] = {}
    for worker, speed in speeds.items():
        served = tuple(at for at, pool in enumerate(pools) if worker in pool.crew)
        groups[served] = groups.get(served, 0.0) + speed
    return groups


def shares(pools: Sequence[Pool], groups: Mapping[tuple[int, ...], float]) -> list[float]:
    """The speed that each pool gets, x realtime; pools are in the order of their priority."""
    rates = [0.0] * len(pools)
    for served, speed in groups.items():
        left = speed
        for priority in dict.fromkeys(pools[at].priority for at in served):
            tier = [at for at in served if pools[at].priority == priority]
            left = pour(left, tier, pools, rates)
    return rates


def pour(left: float, tier: Sequence[int], pools: Sequence[Pool], rates: list[float]) -> float:
    """Add `left` to the rates of the pools of one priority by weight, none above its most; what is over."""
    open_ = [at for at in tier if rates[at] < pools[at].most]
    while open_ and left > CLOSE:
        weight = sum(pools[at].weight for at in open_)
        step = min(left, *((pools[at].most - rates[at]) * weight / pools[at].weight for at in open_))
        for at in open_:
            rates[at] += step * pools[at].weight / weight
        left -= step
        open_ = [at for at in open_ if pools[at].most - rates[at] > CLOSE]
    return left
