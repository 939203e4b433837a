"""What gunicorn serves."""

from flask import Flask

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app
from farm.promptness import be_prompt
from farm.settings import settings


def dashboard() -> Flask:
    app = create_app(Belongings.of(settings()))
    be_prompt()
    return app


def worker_api() -> Flask:
    app = create_worker_app(Belongings.of(settings()))
    be_prompt()
    return app
