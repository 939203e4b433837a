"""The farm's servers and its worker API, without a clock or workers of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from farm.db import engine
from farm.settings import Settings
from farm.up import Running, farm_up
from tests.conftest import place


@contextmanager
def serving(*names: str) -> Iterator[Running]:
    """A farm on an empty home with its worker API and these processes; its database closed in the end."""
    with place() as folder:
        config = Settings(home=folder / "home", port=0, api_port=0, log_level="WARNING")
        with farm_up(config, ("api", *names)) as running:
            yield running
            engine(running.settings.database_url).dispose()
