"""Who a project is kept from, for the part of its page that says so."""

from dataclasses import dataclass

from flask import Flask

from dashboard.belongings import belongings
from farm import blocks, roster
from farm.tables import Block, Project


@dataclass(frozen=True)
class KeptAway:
    """`workers` are the names, by id, of all that may be kept away."""

    workers: dict[int, str]
    blocked: list[Block]

    @property
    def ids(self) -> set[int]:
        return {block.worker_id for block in self.blocked}


def set_up(app: Flask) -> None:
    app.jinja_env.globals.update(kept_away=kept_away)


def kept_away(project: Project) -> KeptAway:
    with belongings().begin() as session:
        return KeptAway(roster.names(session), blocks.of_project(session, project.id))
