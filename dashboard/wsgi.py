"""What gunicorn serves."""

import gc

from flask import Flask

from dashboard import create_app
from dashboard.belongings import Belongings
from dashboard.worker_api import create_worker_app
from farm.settings import settings


def dashboard() -> Flask:
    app = create_app(Belongings.of(settings()))
    gc.collect()
    gc.freeze()  # what stays for good is not searched again: that was half of a large list's p95
    return app


def worker_api() -> Flask:
    return create_worker_app(Belongings.of(settings()))
