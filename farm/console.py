"""What every command shares: how it reaches the farm, who it acts for, how it says that something failed."""

import os
import platform
import pwd
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import click
from sqlalchemy.orm import Session

from farm import audit, embedded
from farm.db import Begin, beginner
from farm.errors import FarmError, ServiceDown
from farm.settings import Settings
from farm.up import NAMES, as_running, farm_up

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for scripts.")
RENDERING = tuple(name for name in NAMES if name != "web")


def connected(config: Settings) -> Settings:
    """The settings with the servers of the farm that runs. Raises ServiceDown when none does."""
    config = as_running(config)
    if config.database_url:
        return config
    servers = embedded.running(config.home)
    if servers is None:
        raise ServiceDown("No farm runs at {home}. Start one with `farm up`.", home=str(config.home))
    return replace(config, database_url=servers.database_url, broker_url=servers.broker_url)


@contextmanager
def some_farm(config: Settings) -> Iterator[Settings]:
    """The farm that runs, or a private one for as long as the block lasts."""
    if config.database_url or embedded.running(config.home):
        yield connected(config)
        return
    with farm_up(replace(config, api_port=0), RENDERING) as running:
        yield running.settings


def speaks_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A farm error is one sentence on stderr and exit status 1; Ctrl-C is 130."""

    @wraps(function)
    def spoken(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except FarmError as e:
            click.echo(f"farm: {e}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("farm: stopped. Nothing is lost: the same command goes on from here.", err=True)
            sys.exit(130)

    return spoken


class Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        return speaks_plainly(super().invoke)(ctx)


@contextmanager
def acting(config: Settings, action: str, target: str = "", **values: Any) -> Iterator[Session]:
    """A transaction that changes something, and its entry in the audit; what is refused is noted, too."""
    begin = beginner(config.database_url)
    try:
        with begin() as session:
            yield session
            audit.record(session, **entry(action, target, values))
    except FarmError as e:
        audit.keep(begin, **entry(action, target, values), status=e.status)
        raise


@contextmanager
def acting_apart(config: Settings, action: str, target: str = "", **values: Any) -> Iterator[Begin]:
    """As `acting`, for what opens its own transactions."""
    begin = beginner(config.database_url)
    try:
        yield begin
    except FarmError as e:
        audit.keep(begin, **entry(action, target, values), status=e.status)
        raise
    audit.keep(begin, **entry(action, target, values))


def entry(action: str, target: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"who": who(), "address": platform.node(), "action": action, "target": target, "values": values}


def who() -> str:
    """The operating system's word for who types, not the environment's."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    return f"{name} (command line)"
