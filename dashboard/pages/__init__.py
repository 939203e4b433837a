"""The pages that people use: they show, and the JSON API behind their buttons acts."""

from flask import Flask

from dashboard.pages import (
    account,
    audit,
    chapters,
    figures,
    frame,
    join,
    kept_away,
    metrics,
    projects,
    voices,
    workers,
)


def set_up_pages(app: Flask) -> None:
    """Register the pages, what every page is framed with, and how figures are written."""
    figures.set_up(app)
    frame.set_up(app)
    join.set_up(app)
    kept_away.set_up(app)
    for noun in (projects, chapters, voices, account, audit, metrics, join, workers):
        app.register_blueprint(noun.bp)
