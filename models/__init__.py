"""Nets and engines. This is the only door: nothing else of `models` is imported from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from farm.engine import Engine
from farm.errors import Rejected


@dataclass(frozen=True)
class Maker:
    """Where an engine's class is, and how each of its options is read from text."""

    module: str
    engine: str
    options: Mapping[str, Callable[[str], object]]


MAKERS = {
    "preview": Maker("models.preview.engine", "Preview", {"workers": int, "timeout_s": float}),
    "indextts2": Maker(
        "models.indextts2.engine",
        "IndexTTS2",
        {
            "directory": str,
            "precision": str,
            "device": str,
            "cache": str,
            "rows": int,
            "codes": int,
            "vocoder": str,
            "compile": int,
            "guards": int,
        },
    ),
    "simulated": Maker(
        "models.simulated",
        "Simulated",
        {
            "speed": float,
            "batch": int,
            "clip_s": float,
            "fail": str,
            "mute": str,
            "poison": str,
            "leak_mb": int,
        },
    ),
}


def names() -> tuple[str, ...]:
    """The engines there are, installed or not."""
    return tuple(MAKERS)


def load(name: str, **options: Any) -> Engine:
    """The engine `name`, which may carry options: "simulated:speed=60,batch=16". Close it when done.

    Raises Rejected: no such engine or option, or what it needs is not installed (and the command).
    """
    name, _, written = name.partition(":")
    maker = MAKERS.get(name)
    if maker is None:
        raise Rejected(
            "There is no engine called {name}. There are: {names}.", name=name, names=", ".join(MAKERS)
        )
    given = {**_read(name, maker, written), **options}
    for option in given:
        _check(name, maker, option)
    try:
        module = import_module(maker.module)
    except ModuleNotFoundError as e:
        raise Rejected(
            "The engine {name} needs {module}, which is not installed. Run pip install 'voicefarm[gpu]'.",
            name=name,
            module=e.name,
        ) from e
    return cast(Engine, getattr(module, maker.engine)(**given))


def _read(name: str, maker: Maker, written: str) -> dict[str, object]:
    read: dict[str, object] = {}
    for part in filter(None, written.split(",")):
        option, _, value = part.partition("=")
        _check(name, maker, option)
        try:
            read[option] = maker.options[option](value)
        except ValueError as e:
            raise Rejected(
                "Engine {name}: option {option} cannot be {value}.",
                name=name,
                option=option,
                value=repr(value),
            ) from e
    return read


def _check(name: str, maker: Maker, option: str) -> None:
    if option not in maker.options:
        raise Rejected(
            "Engine {name} has no option {option}. It has: {options}.",
            name=name,
            option=option,
            options=", ".join(maker.options),
        )
