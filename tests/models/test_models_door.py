"""models.load, the only way to an engine."""

import subprocess
import sys

import pytest

import models
from farm.engine import LOADABLE, OFFERED
from farm.errors import Rejected


def test_opening_the_door_loads_no_engine() -> None:
    heavy = "{'torch', 'espeakng_loader', 'models.preview', 'models.indextts2', 'models.simulated'}"
    code = f"import models, sys; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_engine_is_told_which_there_are() -> None:
    with pytest.raises(Rejected, match=r"no engine called orator. There are: preview, indextts2, simulated"):
        models.load("orator")
    assert models.names() == ("preview", "indextts2", "simulated")


def test_options_may_be_written_behind_the_name() -> None:
    engine = models.load("simulated:speed=inf,clip_s=0.5")
    assert engine.fingerprint == models.load("simulated", speed=float("inf"), clip_s=0.5).fingerprint
    assert engine.fingerprint != models.load("simulated").fingerprint


@pytest.mark.parametrize(
    "name", ["simulated:colour=red", "simulated:speed", "simulated:speed=fast", "simulated:batch=0"]
)
def test_an_option_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(Rejected):
        models.load(name)


def test_an_unknown_option_is_told_which_there_are() -> None:
    with pytest.raises(Rejected, match=r"has no option colour. It has: workers, timeout_s"):
        models.load("preview", colour="red")


def test_without_espeak_the_preview_engine_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)  # as if it were not installed
    with pytest.raises(Rejected, match="pip install espeakng-loader"):
        models.load("preview")


def test_without_torch_the_engine_that_needs_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("models.indextts2")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(Rejected, match=r"indextts2 needs torch, .*voicefarm\[gpu\]"):
        models.load("indextts2")


def test_the_farm_knows_which_engines_a_worker_can_load() -> None:
    assert set(LOADABLE) == set(models.names())
    assert set(OFFERED) < set(LOADABLE)
