"""The database's schema, brought up to date by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from farm.db import beginner, engine

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK = 0x6D696772617465  # two processes that start together migrate one after the other


def configuration(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    return config


def migrate(database_url: str) -> None:
    """Bring the schema to this version."""
    with beginner(database_url)() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.upgrade(configuration(database_url), "head")


def is_current(database_url: str) -> bool:
    """Whether the schema is this version's."""
    head = ScriptDirectory.from_config(configuration(database_url)).get_current_head()
    try:
        with engine(database_url).connect() as connection:
            return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == head)
    except ProgrammingError:
        return False
