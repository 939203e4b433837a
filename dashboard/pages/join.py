"""What a machine that joins fetches: a script, the farm's code, the versions it needs. No secrets."""

import shlex

from flask import Blueprint, Flask, Response, jsonify, render_template
from flask.typing import ResponseReturnValue

from dashboard.auth import public
from dashboard.belongings import belongings
from farm import tls, wheel
from farm.errors import NotFound

bp = Blueprint("join", __name__, url_prefix="/join")


def set_up(app: Flask) -> None:
    app.jinja_env.filters["shell"] = shlex.quote


@bp.get("")
@public
def script() -> ResponseReturnValue:
    """With the addresses of the settings: a request's own headers are whatever its sender wrote."""
    config = belongings().settings
    text = render_template(
        "join.sh", url=config.dashboard_url, pin=tls.own_pin(config), wheel=wheel.build().name
    )
    return Response(text, mimetype="text/plain")


@bp.get("/<name>")
@public
def code(name: str) -> ResponseReturnValue:
    made = wheel.build()
    if name != made.name:
        raise NotFound("There is no {name} here. Ask for {wheel}.", name=name, wheel=made.name)
    return Response(made.content, mimetype="application/octet-stream")


@bp.get("/constraints.txt")
@public
def constraints() -> ResponseReturnValue:
    return Response(wheel.constraints(), mimetype="text/plain")


@bp.get("/farm.json")
@public
def farm() -> ResponseReturnValue:
    return jsonify(api_url=belongings().settings.worker_api, version=wheel.build().version)
