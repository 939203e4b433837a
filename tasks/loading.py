"""An engine as this machine has it: with the checkpoint that was added here, in its GPU class's precision."""

import models
from farm import checkpoints
from farm.engine import WITH_CHECKPOINT, Engine, precision
from farm.gpu import CLASSES
from farm.machine import command
from farm.settings import Settings


def load(engine: str, config: Settings, **rather: object) -> Engine:
    """`engine` may carry options, as "indextts2:rows=8"; they go before `rather`, which goes before what the
    machine has.

    Raises Rejected or NotFound: there is no such engine, class or checkpoint, or what it needs is not here.
    """
    name, _, options = engine.partition(":")
    if name not in WITH_CHECKPOINT:
        return models.load(engine)
    said = dict(option.partition("=")[::2] for option in options.split(","))
    wanted = said.get("precision") or precision(name, CLASSES[config.worker_class].dtype)
    own: dict[str, object] = {
        "precision": wanted,
        "cache": str(config.home / "engine" / name),
        **rather,
    }
    if "directory" not in said:
        own["directory"] = str(checkpoints.suited(config.home, name, wanted, command(config.home)).path)
    return models.load(engine, **{option: value for option, value in own.items() if option not in said})
