"""What gunicorn serves."""

from flask import Flask

from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app
from farm.settings import settings


def worker_api() -> Flask:
    return create_worker_app(Belongings.of(settings()))
