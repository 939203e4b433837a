"""What gunicorn serves."""

from flask import Flask

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app
from farm.settings import settings


def dashboard() -> Flask:
    return create_app(Belongings.of(settings()))


def worker_api() -> Flask:
    return create_worker_app(Belongings.of(settings()))
