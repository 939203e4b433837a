"""An official checkpoint's tensors, by parts: each key is taken, left out for a reason, or an error."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.parts import PARTS, Omission, State, omissions
from models.indextts2.tensor_files import DAMAGED, load

WRAPPERS = re.compile(r"^(module\.)+|_fsdp_wrapped_module\.")
"""What training in parallel leaves in the names of keys."""
PARAMETRIZED = (
    (re.compile(r"\.parametrizations\.weight\.original0$"), ".weight_g"),
    (re.compile(r"\.parametrizations\.weight\.original1$"), ".weight_v"),
)
ASKED = "as asked for with --leave-out"
MOST_NAMED = 8

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Reading:
    """A part as it lies in its files, its bytes not yet read.

    `tensors` by their keys there, weight norm not folded; `left_out`: the keys that are not, and why.
    """

    tensors: State
    left_out: Mapping[str, str]
    spelling: tuple[tuple[str, str], ...] = ()

    def state(self) -> State:
        """As the part's module has it, but for the dtype."""
        return self._spelt(fold(self.tensors))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of `state`, without reading or computing any of it."""
        outline = {key: tensor.to("meta") for key, tensor in self.tensors.items()}
        return {key: tuple(tensor.shape) for key, tensor in self._spelt(fold(outline)).items()}

    def _spelt(self, state: State) -> State:
        spelt: State = {}
        for key, tensor in state.items():
            new = key
            for pattern, written in self.spelling:
                new = re.sub(pattern, written, new)
            spelt[new] = tensor
        return spelt


class Reader:
    """Opens the files of a checkpoint, each once. `leave_out`: patterns (as of a shell) of further keys."""

    def __init__(self, files: Mapping[str, Path], depth: int, leave_out: Iterable[str] = ()) -> None:
        self._files = files
        self._depth = depth
        self._leave_out = tuple(leave_out)
        self._open = cache(load)

    def read(self, name: str) -> Reading:
        """The part `name`. Raises Rejected: a file is damaged, a computed table differs from its formula."""
        part = PARTS[name]
        paths = [self._files[file] for file in part.files]
        try:
            found, beside = part.unwrap(*map(self._open, paths))
            state = unwrapped(found)
        except ValueError as e:
            raise Rejected("{path}: {reason}.", path=paths[0], reason=str(e)) from e
        left_out = dict.fromkeys(beside, "nothing of it is read")
        tensors: State = {}
        for key in sorted(state):
            if re.fullmatch(part.owns, key) is None:
                continue
            why = self._why_left_out(name, paths[0], key, state[key])
            if why is None:
                _check_floating(paths[0], key, state[key])
                tensors[key] = state[key]
            else:
                left_out[key] = why
        return Reading(tensors, left_out, part.spelling)

    def _why_left_out(self, name: str, path: Path, key: str, tensor: Tensor) -> str | None:
        for omission in omissions(name, self._depth):
            if omission.covers(key):
                _check_computed(path, key, tensor, omission)
                return omission.why
        if any(fnmatchcase(key, pattern) for pattern in self._leave_out):
            return ASKED
        return None


def unwrapped(state: State) -> State:
    """The same without the prefixes of parallel training, and torch's newer names of weight norm's pairs.

    Raises ValueError: two keys become one.
    """
    clean: State = {}
    for key, tensor in state.items():
        name = WRAPPERS.sub("", key)
        for pattern, plain in PARAMETRIZED:
            name = pattern.sub(plain, name)
        if name in clean:
            raise ValueError(f"it has the key {name} twice, spelt in two ways")
        clean[name] = tensor
    return clean


def fold(state: State) -> State:
    """`state` with each pair X.weight_g, X.weight_v as the X.weight that weight normalisation makes of them.

    g·v/‖v‖ with the norm over all dimensions but the first (of transposed convolutions the input channels);
    computed in float64. A pair that does not fit, or has its X.weight beside it, is left as it is.
    """
    folded: State = {}
    for key, tensor in state.items():
        base = key.removesuffix("_g").removesuffix("_v")
        if not key.endswith((".weight_g", ".weight_v")) or not _is_pair(state, base):
            folded[key] = tensor
        elif key.endswith("_v"):
            folded[base] = _product(state[f"{base}_g"], tensor)
    return folded


def _is_pair(state: State, base: str) -> bool:
    g, v = state.get(f"{base}_g"), state.get(f"{base}_v")
    if g is None or v is None or base in state:
        return False
    return v.dim() > 1 and tuple(g.shape) == (v.shape[0],) + (1,) * (v.dim() - 1)


def _product(g: Tensor, v: Tensor) -> Tensor:
    """g (C, 1, …), v (C, …) -> (C, …), in float32 at least."""
    exact = v.double()
    norm: Tensor = torch.linalg.vector_norm(exact.flatten(1), dim=1)
    norm = norm.view(g.shape)
    return (exact * (g.double() / norm)).to(torch.promote_types(v.dtype, torch.float32))


def _check_floating(path: Path, key: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        raise Rejected("{path}: {key} is of whole numbers ({dtype}).", path=path, key=key, dtype=tensor.dtype)


def _check_computed(path: Path, key: str, tensor: Tensor, omission: Omission) -> None:
    if omission.computed is None:
        return
    try:
        expected = omission.computed(tuple(tensor.shape))
        coarse = torch.finfo(tensor.dtype).eps if tensor.is_floating_point() else 0.0
        close = torch.allclose(tensor.double(), expected.double(), rtol=1e-5, atol=omission.near + coarse)
    except DAMAGED:  # a shape that the formula knows nothing of
        close = False
    if not close:
        raise Rejected(
            "{path}: {key} is not what its formula gives. These weights were made for another net.",
            path=path,
            key=key,
        )


def differences(expected: Shapes, found: Shapes) -> Iterator[str]:
    """What keeps `found` from being loaded as `expected`: missing, unknown and ill-shaped keys, by name."""
    missing = [key for key in expected if key not in found]
    unknown = [key for key in found if key not in expected]
    if missing:
        yield f"{named(missing)} missing"
    if unknown:
        yield f"{named(unknown)} unknown to this version"
    for key in expected:
        if key in found and tuple(found[key]) != tuple(expected[key]):
            yield f"{key} is {tuple(found[key])}, not {tuple(expected[key])}"


def named(keys: list[str]) -> str:
    """The first of them, and how many more.

    >>> named(["a", "b"]), named([f"k{i}" for i in range(20)])
    ('a, b', 'k0, k1, k2, k3, k4, k5, k6, k7 and 12 more')
    """
    more = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
