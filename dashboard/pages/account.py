"""A person's own page: password, language, theme."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard.belongings import belongings
from dashboard.languages import say
from farm import users
from farm.errors import Rejected

bp = Blueprint("account", __name__)


@bp.get("/account")
def show() -> ResponseReturnValue:
    return page(saved="saved" in request.args)


@bp.errorhandler(Rejected)
def refused(e: Rejected) -> ResponseReturnValue:
    return page(sentence=say(e.message)), e.status


def page(**also: object) -> str:
    return render_template("account.html", shortest=users.SHORTEST_PASSWORD, **also)


@bp.post("/account")
def set_password() -> ResponseReturnValue:
    with belongings().begin() as session:
        users.set_password(session, current_user.id, request.form.get("password", ""))
    return redirect(url_for(".show", saved=1))
