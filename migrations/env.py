"""Alembic's environment: the farm's tables on the farm's database."""

from alembic import context

from farm.db import engine
from farm.tables import Row

with engine(context.config.attributes["database_url"]).connect() as connection:
    context.configure(connection=connection, target_metadata=Row.metadata, compare_server_default=False)
    with context.begin_transaction():
        context.run_migrations()
